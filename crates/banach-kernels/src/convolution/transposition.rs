//! Transposition between weights whose taps lie together and matrices whose channels lie together, in blocks of
//! registers: memory is read and written in runs.

use crate::arithmetic::Arithmetic;
use crate::level::Level;
use crate::panels::Panels;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Rows and columns of a block.
const SIDE: usize = 16;

type Block<T> = [[T; SIDE]; SIDE];

/// Weights as lines, one for each of the channels that become columns: part `p` of a line, of `length` elements, begins
/// `p` times `skip` after the line.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    /// Elements from one line to the next.
    pub(super) apart: usize,
    pub(super) parts: usize,
    pub(super) skip: usize,
    pub(super) length: usize,
    /// The number of taps.
    taps: usize,
}

impl Lines {
    /// The lines of the weights of a group, whose elements have these strides, along the channels `kept`; none if the
    /// taps of two channels do not lie together.
    pub(super) fn of(
        kernel: [usize; 2],
        strides: [usize; 4],
        summed: usize,
        transposed: bool,
    ) -> Option<Self> {
        let taps = kernel[0] * kernel[1];
        let [apart, skip] = if transposed { [strides[1], strides[0]] } else { [strides[0], strides[1]] };
        if strides[2..] != [kernel[1], 1] || taps == 0 || summed == 0 {
            return None;
        }
        // All channels of a line may lie together.
        let (parts, length) = if skip == taps { (1, summed * taps) } else { (summed, taps) };
        Some(Self { apart, parts, skip, length, taps })
    }

    /// The channel summed over, and the tap, of an element of a part.
    #[inline(always)]
    fn place(&self, part: usize, element: usize) -> [usize; 2] {
        [part + element / self.taps, element % self.taps]
    }

    fn summed(&self) -> usize {
        self.parts * self.length / self.taps
    }
}

/// Packs weights as `[taps · channels summed over, columns]`, and returns whether all of them are finite.
pub(super) fn pack<T: Arithmetic>(
    panels: &mut Panels<T>,
    lines: Lines,
    columns: usize,
    weights: &[T],
) -> bool {
    panels.resize(lines.taps * lines.summed(), columns);
    panels.level().run(Pack { panels, lines, weights })
}

struct Pack<'a, T> {
    panels: &'a mut Panels<T>,
    lines: Lines,
    weights: &'a [T],
}

impl<T: Arithmetic> WithSimd for Pack<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let Self { panels, lines, weights } = self;
        let (summed, mut finite) = (lines.summed(), true);
        for panel in 0..panels.count() {
            let (first, used) = panels.span(panel);
            let (width, numbers) = panels.panel_mut(panel);
            for column in (0..width).step_by(SIDE) {
                let columns = SIDE.min(used.saturating_sub(column));
                for part in 0..lines.parts {
                    for start in (0..lines.length).step_by(SIDE) {
                        let count = SIDE.min(lines.length - start);
                        let mut block = [[T::ZERO; SIDE]; SIDE];
                        for (line, row) in block[..columns].iter_mut().enumerate() {
                            let from = (first + column + line) * lines.apart + part * lines.skip + start;
                            read(&weights[from..], count, row);
                        }
                        let block = transposed(&block);
                        for (element, row) in block[..count].iter().enumerate() {
                            let [channel, tap] = lines.place(part, start + element);
                            let to = (tap * summed + channel) * width + column;
                            write(&mut numbers[to..], SIDE.min(width - column), row);
                            finite &= row.iter().fold(true, |all, weight| all & weight.to_f64().is_finite());
                        }
                    }
                }
            }
        }
        finite
    }
}

/// Writes sums, `[taps, channels summed over, all]`, to the weights of some of all columns, of which the first has its
/// line at the start of the slice.
pub(super) fn unpack<T: Arithmetic>(
    level: Level,
    lines: Lines,
    (columns, all): (Range<usize>, usize),
    sums: &[T],
    weights: &mut [T],
) {
    level.run(Unpack { lines, columns, all, sums, weights });
}

struct Unpack<'a, T> {
    lines: Lines,
    columns: Range<usize>,
    all: usize,
    sums: &'a [T],
    weights: &'a mut [T],
}

impl<T: Arithmetic> WithSimd for Unpack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { lines, columns, all, sums, weights } = self;
        let summed = lines.summed();
        for column in columns.clone().step_by(SIDE) {
            let count = SIDE.min(columns.end - column);
            for part in 0..lines.parts {
                for start in (0..lines.length).step_by(SIDE) {
                    let length = SIDE.min(lines.length - start);
                    let mut block = [[T::ZERO; SIDE]; SIDE];
                    for (element, row) in block[..length].iter_mut().enumerate() {
                        let [channel, tap] = lines.place(part, start + element);
                        read(&sums[(tap * summed + channel) * all + column..], count, row);
                    }
                    let block = transposed(&block);
                    for (line, row) in block[..count].iter().enumerate() {
                        let to = (column - columns.start + line) * lines.apart + part * lines.skip + start;
                        write(&mut weights[to..], length, row);
                    }
                }
            }
        }
    }
}

/// Reads as many elements; those after them are of no matter.
#[inline(always)]
fn read<T: Arithmetic>(from: &[T], count: usize, row: &mut [T; SIDE]) {
    match from.first_chunk::<SIDE>() {
        Some(whole) => *row = *whole,
        None => row[..count].copy_from_slice(&from[..count]),
    }
}

#[inline(always)]
fn write<T: Arithmetic>(to: &mut [T], count: usize, row: &[T; SIDE]) {
    match to.first_chunk_mut::<SIDE>() {
        Some(whole) if count == SIDE => *whole = *row,
        _ => to[..count].copy_from_slice(&row[..count]),
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "the loops run across rows")]
fn transposed<T: Arithmetic>(block: &Block<T>) -> Block<T> {
    let mut across = [[T::ZERO; SIDE]; SIDE];
    for row in 0..SIDE {
        for column in 0..SIDE {
            across[row][column] = block[column][row];
        }
    }
    across
}
