//! What are the four transforms of Winograd's method? Sums and differences along both axes, channel by channel.

use super::{PRODUCTS, SIDE};
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
        let [vertical, horizontal] = self.axes;
        let (lanes, channels) = (T::lanes::<S>(), self.channels);
        let line = channels.next_multiple_of(64 / size_of::<T>());
        let width = horizontal.source * channels;
        // Rows outside are zeros, the same pixel everywhere.
        let lines: [(&[T], usize); MET] = from_fn(|y| match vertical.entry(row * SIDE + y) {
            Some(source) => (&self.source[source * width..][..width], channels),
            None => (self.zeros, 0),
        });
        for channel in (0..channels).step_by(lanes) {
            let used = lanes.min(channels - channel);
            macro_rules! column {
                ($entry:expr) => {
                    column(simd, &lines, horizontal.entry($entry), channel..channel + used)
                };
            }
            let (mut a, mut b) = (column!(columns.start * SIDE), column!(columns.start * SIDE + 1));
            for (tile, x) in (first..).zip(columns.clone()) {
                let (c, d) = (column!(x * SIDE + 2), column!(x * SIDE + 3));
                let at = tile * line + channel;
                for y in 0..MET {
                    let found = meet::<S, T>(simd, [a[y], b[y], c[y], d[y]]);
                    for (x, vector) in found.into_iter().enumerate() {
                        let at = (y * MET + x) * self.size + at;
                        write(simd, &mut self.transformed[at..][..lanes], vector);
                    }
                }
                (a, b) = (c, d);
            }
        }
    }
}

/// `Bᵀ d` for some channels of a column of pixels, each of a line with the numbers from pixel to pixel in it.
#[inline(always)]
fn column<S: Simd, T: Real>(
    simd: S,
    lines: &[(&[T], usize); MET],
    x: Option<usize>,
    channels: Range<usize>,
) -> [T::Vector<S>; MET] {
    let mut met = [T::splat(simd, T::ZERO); MET];
    if let Some(x) = x {
        for (met, (line, step)) in met.iter_mut().zip(lines) {
            *met = whole(simd, &line[x * step..][channels.clone()]);
        }
    }
    meet::<S, T>(simd, met)
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
    fn with_simd<S: Simd>(self, simd: S) {
        let (lanes, channels) = (T::lanes::<S>(), self.channels);
        let line = channels.next_multiple_of(64 / size_of::<T>());
        for (number, tile) in self.tiles.enumerate() {
            let (top, left) = (tile / self.across * SIDE, tile % self.across * SIDE);
            for channel in (0..channels).step_by(lanes) {
                let used = lanes.min(channels - channel);
                let at = number * line + channel;
                let mut down = [[T::splat(simd, T::ZERO); MET]; SIDE];
                for x in 0..MET {
                    let mut read = [T::splat(simd, T::ZERO); MET];
                    for (y, read) in read.iter_mut().enumerate() {
                        *read = whole(simd, &self.transformed[(y * MET + x) * self.size + at..][..lanes]);
                    }
                    [down[0][x], down[1][x]] = leave::<S, T>(simd, read);
                }
                for (y, down) in down.into_iter().enumerate() {
                    let found = leave::<S, T>(simd, down);
                    if !self.rows.contains(&(top + y)) {
                        continue;
                    }
                    let row = (top + y - self.rows.start) * self.width;
                    for (x, vector) in found.into_iter().enumerate().take(self.width - left) {
                        write(simd, &mut self.target[(row + left + x) * channels + channel..][..used], vector);
                    }
                }
            }
        }
    }
}
