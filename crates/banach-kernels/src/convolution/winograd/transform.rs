//! The four transforms of Winograd's method: sums and differences along both axes, channel by channel.

use super::{PRODUCTS, SIDE, line};
use crate::convolution::axis::Axis;
use crate::convolution::vectors::{whole, write};
use crate::real::Real;
use pulp::{Simd, WithSimd};
use std::array::from_fn;
use std::ops::Range;

/// Pixels a tile meets along an axis.
const MET: usize = 4;

/// `G g Gᵀ`, row after row.
pub(super) fn weights(taps: [f64; 9]) -> [f64; PRODUCTS] {
    let along = |[a, b, c]: [f64; 3]| [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c];
    let down: [[f64; MET]; 3] = from_fn(|x| along(from_fn(|y| taps[y * 3 + x])));
    let across: [[f64; MET]; MET] = from_fn(|y| along(from_fn(|x| down[x][y])));
    from_fn(|product| across[product / MET][product % MET])
}

/// `Bᵀ d` for four vectors.
#[inline(always)]
fn meet<S: Simd, T: Real>(simd: S, [a, b, c, d]: [T::Vector<S>; MET]) -> [T::Vector<S>; MET] {
    [T::subtract(simd, a, c), T::add(simd, b, c), T::subtract(simd, c, b), T::subtract(simd, b, d)]
}

/// `Aᵀ m` for four vectors.
#[inline(always)]
fn leave<S: Simd, T: Real>(simd: S, [a, b, c, d]: [T::Vector<S>; MET]) -> [T::Vector<S>; SIDE] {
    let (sum, difference) = (T::add(simd, b, c), T::subtract(simd, b, c));
    [T::add(simd, a, sum), T::subtract(simd, difference, d)]
}

/// `Bᵀ d B` of some tiles, counted row after row.
pub(super) struct Meet<'a, T> {
    pub(super) axes: [Axis; 2],
    pub(super) channels: usize,
    pub(super) source: &'a [T],
    /// As many zeros as there are channels.
    pub(super) zeros: &'a [T],
    pub(super) tiles: Range<usize>,
    /// Numbers from the tiles of one product to those of the next.
    pub(super) size: usize,
    /// For every product `[tiles, channels]`, channels in whole lines.
    pub(super) transformed: &'a mut [T],
}

impl<T: Real> WithSimd for Meet<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let across = self.axes[1].target.div_ceil(SIDE);
        let mut tile = self.tiles.start;
        while tile < self.tiles.end {
            let end = self.tiles.end.min((tile / across + 1) * across);
            self.row(simd, tile / across, tile % across..tile % across + end - tile, tile - self.tiles.start);
            tile = end;
        }
    }
}

impl<T: Real> Meet<'_, T> {
    /// Tiles of one row, of which the first is number `first` of all.
    #[inline(always)]
    fn row<S: Simd>(&mut self, simd: S, row: usize, columns: Range<usize>, first: usize) {
        let lanes = T::lanes::<S>();
        let width = self.axes[1].source * self.channels;
        // Rows outside are zeros, the same pixel everywhere.
        let lines: [(&[T], usize); MET] = from_fn(|y| match self.axes[0].entry(row * SIDE + y) {
            Some(source) => (&self.source[source * width..][..width], self.channels),
            None => (self.zeros, 0),
        });
        let whole = self.channels - self.channels % lanes;
        for channel in (0..whole).step_by(lanes) {
            self.channels::<S, true>(simd, &lines, channel, columns.clone(), first);
        }
        if whole < self.channels {
            self.channels::<S, false>(simd, &lines, whole, columns, first);
        }
    }

    /// A vector of channels, a whole one or the last part. Neighbours share two columns of pixels.
    #[inline(always)]
    fn channels<S: Simd, const WHOLE: bool>(
        &mut self,
        simd: S,
        lines: &[(&[T], usize); MET],
        channel: usize,
        columns: Range<usize>,
        first: usize,
    ) {
        let (lanes, horizontal) = (T::lanes::<S>(), self.axes[1]);
        let used = if WHOLE { lanes } else { self.channels - channel };
        let line = self.channels.next_multiple_of(line::<T>());
        let start = horizontal.first();
        macro_rules! column {
            ($entry:expr) => {{
                let mut met = [T::splat(simd, T::ZERO); MET];
                let x = $entry.wrapping_add_signed(start);
                if x < horizontal.source {
                    for (met, (line, step)) in met.iter_mut().zip(lines) {
                        *met = whole(simd, &line[x * step + channel..][..used]);
                    }
                }
                meet::<S, T>(simd, met)
            }};
        }
        assert!((PRODUCTS - 1) * self.size + (first + columns.len()) * line <= self.transformed.len());
        assert!(channel + lanes <= line);
        let (mut a, mut b) = (column!((columns.start * SIDE)), column!((columns.start * SIDE + 1)));
        for (tile, x) in (first..).zip(columns) {
            let (c, d) = (column!((x * SIDE + 2)), column!((x * SIDE + 3)));
            let at = tile * line + channel;
            for y in 0..MET {
                let found = meet::<S, T>(simd, [a[y], b[y], c[y], d[y]]);
                for (x, vector) in found.into_iter().enumerate() {
                    let at = (y * MET + x) * self.size + at;
                    // SAFETY: checked above for the last product and the last tile.
                    unsafe {
                        let to = self.transformed.as_mut_ptr().add(at).cast::<T::Vector<S>>();
                        to.write_unaligned(vector);
                    }
                }
            }
            (a, b) = (c, d);
        }
    }
}

/// `Aᵀ m A` of some tiles, written to the pixels of theirs that are wanted.
pub(super) struct Leave<'a, T> {
    /// Tiles in a row.
    pub(super) across: usize,
    /// Pixels in a row.
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) tiles: Range<usize>,
    /// Numbers from the tiles of one product to those of the next.
    pub(super) size: usize,
    /// For every product `[tiles, channels]`, channels in whole lines.
    pub(super) transformed: &'a [T],
    /// The rows of the target.
    pub(super) rows: Range<usize>,
    pub(super) target: &'a mut [T],
}

impl<T: Real> WithSimd for Leave<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = T::lanes::<S>();
        let line = self.channels.next_multiple_of(line::<T>());
        assert!((PRODUCTS - 1) * self.size + self.tiles.len() * line <= self.transformed.len());
        let whole = self.channels - self.channels % lanes;
        let (mut row, mut column) = (self.tiles.start / self.across, self.tiles.start % self.across);
        for tile in 0..self.tiles.len() {
            for channel in (0..whole).step_by(lanes) {
                // SAFETY: checked above for the last product and the last tile.
                let sums = unsafe { self.sums(simd, tile * line + channel) };
                self.write(simd, sums, [row * SIDE, column * SIDE], channel..channel + lanes);
            }
            if whole < self.channels {
                // SAFETY: as above; a line has room for whole vectors.
                let sums = unsafe { self.sums(simd, tile * line + whole) };
                self.write(simd, sums, [row * SIDE, column * SIDE], whole..self.channels);
            }
            column += 1;
            if column == self.across {
                (row, column) = (row + 1, 0);
            }
        }
    }
}

impl<T: Real> Leave<'_, T> {
    /// The pixels of a tile.
    ///
    /// # Safety
    /// A vector can be read at `at` from where the tiles of each product begin.
    #[inline(always)]
    unsafe fn sums<S: Simd>(&self, simd: S, at: usize) -> [[T::Vector<S>; SIDE]; SIDE] {
        let [mut top, mut bottom] = [[T::splat(simd, T::ZERO); MET]; SIDE];
        for (x, (top, bottom)) in top.iter_mut().zip(&mut bottom).enumerate() {
            let mut read = [T::splat(simd, T::ZERO); MET];
            for (y, read) in read.iter_mut().enumerate() {
                let from = (y * MET + x) * self.size + at;
                // SAFETY: as the caller promises.
                *read =
                    unsafe { self.transformed.as_ptr().add(from).cast::<T::Vector<S>>().read_unaligned() };
            }
            [*top, *bottom] = leave::<S, T>(simd, read);
        }
        [leave::<S, T>(simd, top), leave::<S, T>(simd, bottom)]
    }

    /// Writes the pixels that are wanted.
    #[inline(always)]
    fn write<S: Simd>(
        &mut self,
        simd: S,
        sums: [[T::Vector<S>; SIDE]; SIDE],
        [top, left]: [usize; 2],
        channels: Range<usize>,
    ) {
        for (y, sums) in (top..).zip(sums) {
            if self.rows.contains(&y) {
                let row = (y - self.rows.start) * self.width;
                for (x, sum) in (left..self.width).zip(sums) {
                    write(simd, &mut self.target[(row + x) * self.channels..][channels.clone()], sum);
                }
            }
        }
    }
}
