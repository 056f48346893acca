//! Gather, select, their transposes and max-pooling positions on slices.

use crate::error::Error;
use crate::language::geometry::Pool;
use crate::language::primitive::Index;

/// `[before, size, after]` around an axis.
fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

/// Applies an index operation to dense operands; what lands at one place is added.
///
/// # Errors
/// [`Error::Index`] for a position outside its axis.
pub(super) fn apply<E: Copy>(
    index: &Index,
    x: &[E],
    positions: &[i64],
    [shape, at_shape]: &[Vec<usize>; 2],
    out: &mut [E],
    (add, zero): (impl Fn(E, E) -> E, E),
) -> Result<(), Error> {
    let place = |position: i64, size: usize| {
        let found = usize::try_from(position).ok().filter(|&position| position < size);
        found.ok_or(Error::Index { found: position, size })
    };
    match index {
        Index::Gather(axis) => {
            let (from, [_, count, after]) = (around(shape, *axis), around(at_shape, *axis));
            for (at, (out, &position)) in out.iter_mut().zip(positions).enumerate() {
                let [before, rest] = coordinates(at, count, after, shape, at_shape, *axis);
                *out = x[(before * from[1] + place(position, from[1])?) * from[2] + rest];
            }
        }
        Index::GatherTransposed(axis, to_shape) => {
            out.fill(zero);
            let (to, [_, count, after]) = (around(to_shape, *axis), around(at_shape, *axis));
            for (at, (&number, &position)) in x.iter().zip(positions).enumerate() {
                let [before, rest] = coordinates(at, count, after, to_shape, at_shape, *axis);
                let target = &mut out[(before * to[1] + place(position, to[1])?) * to[2] + rest];
                *target = add(*target, number);
            }
        }
        Index::Select(axis) => {
            let [before, size, after] = around(shape, *axis);
            let mut chunks = out.chunks_exact_mut(after.max(1));
            for outer in 0..before {
                for &position in positions {
                    let from = (outer * size + place(position, size)?) * after;
                    if let (Some(chunk), true) = (chunks.next(), after > 0) {
                        chunk.copy_from_slice(&x[from..from + after]);
                    }
                }
            }
        }
        Index::SelectTransposed(axis, to_shape) => {
            out.fill(zero);
            let [before, size, after] = around(to_shape, *axis);
            let mut chunks = x.chunks_exact(after.max(1));
            for outer in 0..before {
                for &position in positions {
                    let Some(chunk) = chunks.next() else { return Ok(()) };
                    let to = (outer * size + place(position, size)?) * after;
                    let targets = out[to..to + after].iter_mut();
                    targets.zip(chunk).for_each(|(target, number)| *target = add(*target, *number));
                }
            }
        }
    }
    Ok(())
}

/// Where element `at` of the positions stands before and after the axis in the other tensor, whose other axes
/// may be longer.
fn coordinates(
    at: usize,
    count: usize,
    after: usize,
    shape: &[usize],
    at_shape: &[usize],
    axis: usize,
) -> [usize; 2] {
    let mut outer = at / (count * after);
    let mut inner = at % after;
    let other = |part: &mut usize, axes: std::ops::Range<usize>| {
        let (mut place, mut stride) = (0, 1);
        for axis in axes.rev() {
            place += *part % at_shape[axis] * stride;
            *part /= at_shape[axis];
            stride *= shape[axis];
        }
        place
    };
    [other(&mut outer, 0..axis), other(&mut inner, axis + 1..shape.len())]
}

/// The position of the largest element of every window: the first of equal ones, and NaN, the last of
/// several, before all numbers, as in Burn.
pub(super) fn max_pool<T: Copy + PartialOrd>(
    pool: &Pool,
    x: &[T],
    [images, channels, height, width]: [usize; 4],
    result: [usize; 2],
    out: &mut [i64],
) {
    let inside = |axis: usize, start: usize, tap: usize, size: usize| {
        (start * pool.stride[axis] + tap * pool.dilation[axis])
            .checked_sub(pool.padding[axis])
            .filter(|&place| place < size)
    };
    let mut out = out.iter_mut();
    for plane in 0..images * channels {
        let x = &x[plane * height * width..][..height * width];
        for (row, column) in (0..result[0]).flat_map(|row| (0..result[1]).map(move |column| (row, column))) {
            let mut best: Option<usize> = None;
            for y in (0..pool.kernel[0]).filter_map(|tap| inside(0, row, tap, height)) {
                for place in (0..pool.kernel[1]).filter_map(|tap| inside(1, column, tap, width)) {
                    let at = y * width + place;
                    let is_nan = x[at].partial_cmp(&x[at]).is_none();
                    if is_nan || best.is_none_or(|best| x[at] > x[best]) {
                        best = Some(at);
                    }
                }
            }
            if let Some(out) = out.next() {
                *out = best.unwrap_or(0) as i64;
            }
        }
    }
}
