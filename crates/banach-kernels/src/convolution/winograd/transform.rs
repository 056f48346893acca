//! The input and output transforms of Winograd's method, channel by channel.

use super::tiles::{Tiling, line};
use crate::arithmetic::Arithmetic;
use crate::convolution::axis::Axis;
use crate::convolution::vectors::{whole, write};
use pulp::{Simd, WithSimd};
use std::array::from_fn;
use std::marker::PhantomData;
use std::ops::Range;

/// `Bᵀ d B` of a range of tiles, in row-major order.
pub(super) struct InputTransform<'a, T, W, const SIDE: usize, const PATCH: usize> {
    pub(super) tiling: PhantomData<W>,
    pub(super) axes: [Axis; 2],
    pub(super) channels: usize,
    pub(super) source: &'a [T],
    /// As many zeros as there are channels.
    pub(super) zeros: &'a [T],
    pub(super) tiles: Range<usize>,
    /// Elements from the tiles of one product to those of the next.
    pub(super) size: usize,
    /// `[tiles, channels]` for every product, with channels padded to whole cache lines.
    pub(super) transformed: &'a mut [T],
}

impl<T: Arithmetic, W: Tiling<SIDE, PATCH>, const SIDE: usize, const PATCH: usize> WithSimd
    for InputTransform<'_, T, W, SIDE, PATCH>
{
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

impl<T: Arithmetic, W: Tiling<SIDE, PATCH>, const SIDE: usize, const PATCH: usize>
    InputTransform<'_, T, W, SIDE, PATCH>
{
    /// The tiles of one row; `first` is the index of the first among all tiles.
    #[inline(always)]
    fn row<S: Simd>(&mut self, simd: S, row: usize, columns: Range<usize>, first: usize) {
        let lanes = T::lanes::<S>();
        let width = self.axes[1].source * self.channels;
        // Rows outside the image are one pixel of zeros, with stride 0.
        let lines: [(&[T], usize); PATCH] = from_fn(|y| match self.axes[0].entry(row * SIDE + y) {
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

    /// A full or the last partial vector of channels.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "the loops run across arrays of columns")]
    fn channels<S: Simd, const WHOLE: bool>(
        &mut self,
        simd: S,
        lines: &[(&[T], usize); PATCH],
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
                let mut met = [T::splat(simd, T::ZERO); PATCH];
                let x = ($entry).wrapping_add_signed(start);
                if x < horizontal.source {
                    for (met, (line, step)) in met.iter_mut().zip(lines) {
                        *met = whole(simd, &line[x * step + channel..][..used]);
                    }
                }
                W::input::<S, T>(simd, met)
            }};
        }
        assert!((PATCH * PATCH - 1) * self.size + (first + columns.len()) * line <= self.transformed.len());
        assert!(channel + lanes <= line);
        let zeros = [T::splat(simd, T::ZERO); PATCH];
        let mut down = [zeros; PATCH];
        for x in 0..PATCH - SIDE {
            down[SIDE + x] = column!(columns.start * SIDE + x);
        }
        for (tile, column) in (first..).zip(columns) {
            // Neighbouring tiles share the last columns of one and the first of the other.
            for x in 0..PATCH - SIDE {
                down[x] = down[x + SIDE];
            }
            for x in PATCH - SIDE..PATCH {
                down[x] = column!(column * SIDE + x);
            }
            let at = tile * line + channel;
            for y in 0..PATCH {
                let mut across = zeros;
                for (across, down) in across.iter_mut().zip(&down) {
                    *across = down[y];
                }
                for (x, vector) in W::input::<S, T>(simd, across).into_iter().enumerate() {
                    let at = (y * PATCH + x) * self.size + at;
                    // SAFETY: checked above for the last product and the last tile.
                    unsafe {
                        let to = self.transformed.as_mut_ptr().add(at).cast::<T::Vector<S>>();
                        to.write_unaligned(vector);
                    }
                }
            }
        }
    }
}

/// `Aᵀ m A` of a range of tiles, written to the requested pixels.
pub(super) struct OutputTransform<'a, T, W, const SIDE: usize, const PATCH: usize> {
    pub(super) tiling: PhantomData<W>,
    /// Tiles in a row.
    pub(super) across: usize,
    /// Pixels in a row.
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) tiles: Range<usize>,
    /// Elements from the tiles of one product to those of the next.
    pub(super) size: usize,
    /// `[tiles, channels]` for every product, with channels padded to whole cache lines.
    pub(super) transformed: &'a [T],
    /// The rows of the target.
    pub(super) rows: Range<usize>,
    pub(super) target: &'a mut [T],
}

impl<T: Arithmetic, W: Tiling<SIDE, PATCH>, const SIDE: usize, const PATCH: usize> WithSimd
    for OutputTransform<'_, T, W, SIDE, PATCH>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = T::lanes::<S>();
        let line = self.channels.next_multiple_of(line::<T>());
        assert!((PATCH * PATCH - 1) * self.size + self.tiles.len() * line <= self.transformed.len());
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

impl<T: Arithmetic, W: Tiling<SIDE, PATCH>, const SIDE: usize, const PATCH: usize>
    OutputTransform<'_, T, W, SIDE, PATCH>
{
    /// The pixels of a tile.
    ///
    /// # Safety
    /// A vector must be readable at offset `at` from the first tile of each product.
    #[inline(always)]
    unsafe fn sums<S: Simd>(&self, simd: S, at: usize) -> [[T::Vector<S>; SIDE]; SIDE] {
        let mut down = [[T::splat(simd, T::ZERO); SIDE]; PATCH];
        for (x, down) in down.iter_mut().enumerate() {
            let mut read = [T::splat(simd, T::ZERO); PATCH];
            for (y, read) in read.iter_mut().enumerate() {
                let from = (y * PATCH + x) * self.size + at;
                // SAFETY: the caller's contract.
                *read =
                    unsafe { self.transformed.as_ptr().add(from).cast::<T::Vector<S>>().read_unaligned() };
            }
            *down = W::output::<S, T>(simd, read);
        }
        let mut sums = [[T::splat(simd, T::ZERO); SIDE]; SIDE];
        for (y, sums) in sums.iter_mut().enumerate() {
            let mut across = [T::splat(simd, T::ZERO); PATCH];
            for (across, down) in across.iter_mut().zip(&down) {
                *across = down[y];
            }
            *sums = W::output::<S, T>(simd, across);
        }
        sums
    }

    /// Writes the requested pixels.
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
