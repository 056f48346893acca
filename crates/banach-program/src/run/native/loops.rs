//! Nested loops over strided views, for operations without a kernel.

use super::view::{Loop, View, loops};

/// Calls `visit` with the offsets of both views at the start of every innermost run, and that run.
pub(crate) fn runs(first: &View, second: &View, order: &[usize], mut visit: impl FnMut([usize; 2], &Loop)) {
    if first.len() == 0 {
        return;
    }
    let mut nest = loops(&[first, second], order);
    let inner = nest.pop().unwrap_or(Loop { size: 1, strides: vec![1, 1] });
    nested(&nest, [first.offset, second.offset], &mut |offsets| visit(offsets, &inner));
}

fn nested(nest: &[Loop], mut offsets: [usize; 2], visit: &mut impl FnMut([usize; 2])) {
    let Some((outer, inner)) = nest.split_first() else { return visit(offsets) };
    for _ in 0..outer.size {
        nested(inner, offsets, visit);
        offsets = [0, 1].map(|view| offsets[view].wrapping_add_signed(outer.strides[view]));
    }
}

/// Numbers on the side of a square that is turned at once, so that both sides stay in the fastest cache.
const SQUARE: usize = 16;

/// Copies the numbers of one view to another.
pub(crate) fn copy<E: Copy>(source: &View, from: &[E], target: &View, to: &mut [E]) {
    let mut order = target.order();
    let long = |axis: &usize| target.shape[*axis] >= SQUARE;
    let inner = order.last().copied().filter(|axis| target.strides[*axis] == 1);
    let along = order.iter().copied().find(|axis| source.strides[*axis] == 1 && long(axis));
    if let (Some(inner), Some(along)) = (inner, along)
        && inner != along
    {
        order.retain(|axis| *axis != along);
        if long(&inner) {
            order.retain(|axis| *axis != inner);
            return turn(source, from, target, to, (&order, along, inner));
        }
        // Runs of a short axis, such as the colours of pixels, would be many.
        order.push(along);
    }
    runs(target, source, &order, |[mut out, mut at], run| {
        if run.strides == [1, 1] {
            to[out..out + run.size].copy_from_slice(&from[at..at + run.size]);
            return;
        }
        for _ in 0..run.size {
            to[out] = from[at];
            out = out.wrapping_add_signed(run.strides[0]);
            at = at.wrapping_add_signed(run.strides[1]);
        }
    });
}

/// [`copy`] where the source runs along one axis and the target along another: square by square.
fn turn<E: Copy>(
    source: &View,
    from: &[E],
    target: &View,
    to: &mut [E],
    (order, along, inner): (&[usize], usize, usize),
) {
    let nest: Vec<Loop> = order
        .iter()
        .map(|&axis| Loop {
            size: target.shape[axis],
            strides: vec![target.strides[axis], source.strides[axis]],
        })
        .collect();
    let [rows, columns] = [target.shape[along], target.shape[inner]];
    let (down, across) = (target.strides[along], source.strides[inner]);
    nested(&nest, [target.offset, source.offset], &mut |[out, at]| {
        for row in (0..rows).step_by(SQUARE) {
            for column in (0..columns).step_by(SQUARE) {
                for r in row..rows.min(row + SQUARE) {
                    let out = out.wrapping_add_signed(r as isize * down);
                    for c in column..columns.min(column + SQUARE) {
                        to[out + c] = from[(at + r).wrapping_add_signed(c as isize * across)];
                    }
                }
            }
        }
    });
}

/// The position of the largest or smallest number along the middle of `[before, size, after]`, or that
/// number; the first of equal ones, and the first that is not a number before all others.
pub(crate) fn extremes<T: Copy + PartialOrd>(
    x: &[T],
    [before, size, after]: [usize; 3],
    largest: bool,
    mut found: impl FnMut(usize, usize, T),
) {
    for outer in 0..before {
        for inner in 0..after {
            let at = |position: usize| x[(outer * size + position) * after + inner];
            let mut best = 0;
            for position in 1..size {
                let (old, new) = (at(best), at(position));
                let old_is_number = old.partial_cmp(&old).is_some();
                let new_is_number = new.partial_cmp(&new).is_some();
                let better = if largest { new > old } else { new < old };
                if old_is_number && (better || !new_is_number) {
                    best = position;
                }
            }
            found(outer * after + inner, best, at(best));
        }
    }
}
