//! The transform of output gradients, the transpose of the output transform.

use super::tiles::line;
use super::two::{PATCH, PRODUCTS, SIDE};
use crate::arithmetic::Arithmetic;
use crate::convolution::axis::Axis;
use crate::convolution::vectors::whole;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// `A y` for two vectors.
#[inline(always)]
fn cotangent_transform<S: Simd, T: Arithmetic>(
    simd: S,
    [a, b]: [T::Vector<S>; SIDE],
) -> [T::Vector<S>; PATCH] {
    [a, T::add(simd, a, b), T::subtract(simd, a, b), T::subtract(simd, T::splat(simd, T::ZERO), b)]
}

/// `A y Aᵀ` of a range of tiles of one image, in row-major order.
pub(super) struct CotangentTransform<'a, T> {
    pub(super) axes: [Axis; 2],
    pub(super) channels: usize,
    pub(super) cotangent: &'a [T],
    pub(super) tiles: Range<usize>,
    /// Elements from the tiles of one product to those of the next.
    pub(super) size: usize,
    /// `[tiles, channels]` for every product, with channels padded to whole cache lines.
    pub(super) transformed: &'a mut [T],
}

impl<T: Arithmetic> WithSimd for CotangentTransform<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let across = self.axes[1].target.div_ceil(SIDE);
        let (lanes, line) = (T::lanes::<S>(), self.channels.next_multiple_of(line::<T>()));
        assert!((PRODUCTS - 1) * self.size + self.tiles.len() * line <= self.transformed.len());
        let whole = self.channels - self.channels % lanes;
        for (at, tile) in self.tiles.clone().enumerate() {
            let corner = [tile / across * SIDE, tile % across * SIDE];
            // SAFETY: checked above for the last product and the last tile; a line has room for whole vectors.
            unsafe {
                for channel in (0..whole).step_by(lanes) {
                    self.tile(simd, corner, channel..channel + lanes, at * line + channel);
                }
                if whole < self.channels {
                    self.tile(simd, corner, whole..self.channels, at * line + whole);
                }
            }
        }
    }
}

impl<T: Arithmetic> CotangentTransform<'_, T> {
    /// A vector of channels of a tile.
    ///
    /// # Safety
    /// A vector must be writable at offset `at` from the first tile of each product.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "the loops run across arrays of columns")]
    unsafe fn tile<S: Simd>(&mut self, simd: S, [top, left]: [usize; 2], channels: Range<usize>, at: usize) {
        let (height, width) = (self.axes[0].target, self.axes[1].target);
        let mut down = [[T::splat(simd, T::ZERO); PATCH]; SIDE];
        for (x, down) in (left..).zip(&mut down) {
            let mut read = [T::splat(simd, T::ZERO); SIDE];
            for (y, read) in (top..).zip(&mut read) {
                if y < height && x < width {
                    let pixel = &self.cotangent[(y * width + x) * self.channels..];
                    *read = whole(simd, &pixel[channels.clone()]);
                }
            }
            *down = cotangent_transform::<S, T>(simd, read);
        }
        for y in 0..PATCH {
            let found = cotangent_transform::<S, T>(simd, [down[0][y], down[1][y]]);
            for (x, vector) in found.into_iter().enumerate() {
                let at = (y * PATCH + x) * self.size + at;
                // SAFETY: the caller's contract.
                unsafe {
                    self.transformed.as_mut_ptr().add(at).cast::<T::Vector<S>>().write_unaligned(vector)
                };
            }
        }
    }
}
