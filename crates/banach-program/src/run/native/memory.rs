//! Memory planning: temporaries whose lifetimes do not overlap share a slot.

use super::instruction::Instruction;
use super::plan::{Plan, Temporary};
use super::view::Buffer;

/// The memory of a temporary at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Own(usize),
    Output(usize),
    /// The temporary is never written.
    Unused,
}

/// The slots of all temporaries, and what every slot holds.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) slots: Vec<Slot>,
    pub(crate) real: Vec<usize>,
    pub(crate) integers: Vec<usize>,
}

impl Layout {
    pub(crate) fn new<T>(plan: &Plan<T>) -> Self {
        let lives = lives(plan);
        let mut layout = Layout { slots: vec![Slot::Unused; lives.len()], real: vec![], integers: vec![] };
        for (output, &temporary) in plan.outputs.iter().enumerate() {
            layout.slots[temporary] = Slot::Output(output);
        }
        // For every slot, when it is free again.
        let mut free = [vec![], vec![]];
        let mut order: Vec<usize> =
            (0..lives.len()).filter(|&temporary| lives[temporary].is_some()).collect();
        order.sort_by_key(|&temporary| lives[temporary].map(|(first, _)| first));
        for temporary in order {
            let (Some((first, last)), Slot::Unused) = (lives[temporary], layout.slots[temporary]) else {
                continue;
            };
            let Temporary { len, integers } = plan.temporaries[temporary];
            let (sizes, free) = if integers {
                (&mut layout.integers, &mut free[1])
            } else {
                (&mut layout.real, &mut free[0])
            };
            let slot = best(sizes, free, first, len);
            if slot == sizes.len() {
                sizes.push(0);
                free.push(0);
            }
            sizes[slot] = sizes[slot].max(len);
            free[slot] = last + 1;
            layout.slots[temporary] = Slot::Own(slot);
        }
        layout
    }
}

/// Selects the free slot of the closest size, or a new one.
fn best(sizes: &[usize], free: &[usize], first: usize, len: usize) -> usize {
    let candidates = (0..sizes.len()).filter(|&slot| free[slot] <= first);
    candidates.min_by_key(|&slot| sizes[slot].abs_diff(len)).unwrap_or(sizes.len())
}

/// The first and the last instruction that touches each temporary.
fn lives<T>(plan: &Plan<T>) -> Vec<Option<(usize, usize)>> {
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; plan.temporaries.len()];
    let mut touch = |temporary: usize, line: usize| {
        let life = lives[temporary].get_or_insert((line, line));
        life.1 = line;
    };
    for (line, instruction) in plan.instructions.iter().enumerate() {
        let Instruction { target, .. } = instruction;
        target.iter().for_each(|&temporary| touch(temporary, line));
        for buffer in instruction.reads(&plan.packs) {
            if let Buffer::Temporary(temporary) = buffer {
                touch(temporary, line);
            }
        }
    }
    lives
}
