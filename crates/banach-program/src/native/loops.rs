//! How are the numbers of views visited that no kernel takes? Nested loops over strides.

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

/// Copies the numbers of one view to another.
pub(crate) fn copy<E: Copy>(source: &View, from: &[E], target: &View, to: &mut [E]) {
    runs(target, source, &target.order(), |[mut out, mut at], run| {
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

/// The position of the largest or smallest number along the middle of `[before, size, after]`, or that number; the
/// first of equal ones, and the first that is not a number before all others.
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
