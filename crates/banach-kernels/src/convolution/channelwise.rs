//! Depthwise convolutions, vectorized along the channels.

use super::vectors::{whole, write};
use crate::arithmetic::Arithmetic;
use crate::panels::Panels;
use crate::tile::{Term, WIDEST};
use pulp::Simd;

/// A row of pixels of a depthwise convolution.
pub(super) struct Pixels<'a, T> {
    /// Pointers to the source pixels.
    pub(super) table: &'a [*const T],
    /// Entries of the table from one pixel to the next.
    pub(super) step: usize,
    /// The entry of the first pixel and the row of weights for every tap.
    pub(super) terms: &'a [Term],
    /// Elements from one target pixel to the next.
    pub(super) apart: usize,
    /// The number of pixels.
    pub(super) count: usize,
}

/// The number of pixels summed at once.
const ABREAST: usize = 6;

impl<T: Arithmetic> Pixels<'_, T> {
    /// Writes the pixels, of which the first is at the start of the target.
    ///
    /// # Safety
    /// Every entry of the table that a term names, and the `count` entries at `step` from there, points to as
    /// many elements as the panels have columns.
    #[inline(always)]
    pub(super) unsafe fn compute<S: Simd>(&self, simd: S, panels: &Panels<T>, target: &mut [T]) {
        for channel in (0..panels.columns()).step_by(T::lanes::<S>()) {
            let alone = self.count - self.count % ABREAST;
            // SAFETY: the caller's contract.
            unsafe {
                for pixel in (0..alone).step_by(ABREAST) {
                    self.some::<S, ABREAST>(simd, panels, channel, pixel, target);
                }
                for pixel in alone..self.count {
                    self.some::<S, 1>(simd, panels, channel, pixel, target);
                }
            }
        }
    }

    /// A vector of channels of `P` pixels.
    ///
    /// # Safety
    /// As for [`compute`](Self::compute).
    #[inline(always)]
    unsafe fn some<S: Simd, const P: usize>(
        &self,
        simd: S,
        panels: &Panels<T>,
        channel: usize,
        pixel: usize,
        target: &mut [T],
    ) {
        let lanes = T::lanes::<S>();
        let panel = channel / (lanes * WIDEST);
        let width = panels.vectors(panel) * lanes;
        let weights = &panels.panel(panel)[channel - panels.span(panel).0..];
        let used = lanes.min(panels.columns() - channel);
        let mut sums = [T::splat(simd, T::ZERO); P];
        for term in self.terms {
            let weight = whole(simd, &weights[term.panel * width..][..lanes]);
            for (i, sum) in sums.iter_mut().enumerate() {
                let source = self.table[term.rows + (pixel + i) * self.step];
                // SAFETY: `used` elements are readable by the caller's contract.
                let source = unsafe { std::slice::from_raw_parts(source.add(channel), used) };
                *sum = T::multiply_add(simd, whole(simd, source), weight, *sum);
            }
        }
        for (i, sum) in sums.into_iter().enumerate() {
            let target = &mut target[(pixel + i) * self.apart + channel..][..used];
            write(simd, target, sum);
        }
    }
}

/// Rows of pixels of two images, multiplied channel by channel.
pub(super) struct PixelRows<'a> {
    /// The start of each row in the first and in the second image.
    pub(super) rows: &'a [(usize, usize)],
    /// The stride in the first image for each pixel of the second.
    pub(super) stride: usize,
    /// The number of pixels in a row of the second image.
    pub(super) count: usize,
}

/// The number of vectors of channels summed at once.
const BESIDE: usize = 4;

impl PixelRows<'_> {
    /// Adds the products of every channel to its sum.
    #[inline(always)]
    pub(super) fn add<S: Simd, T: Arithmetic>(&self, simd: S, x: &[T], y: &[T], sums: &mut [T]) {
        let (lanes, channels) = (T::lanes::<S>(), sums.len());
        let mut channel = 0;
        while channel + BESIDE * lanes <= channels {
            self.some::<S, T, BESIDE>(simd, &x[channel..], &y[channel..], channel, sums);
            channel += BESIDE * lanes;
        }
        while channel < channels {
            self.some::<S, T, 1>(simd, &x[channel..], &y[channel..], channel, sums);
            channel += lanes;
        }
    }

    /// Adds the products of `V` vectors of channels, the last one possibly partial.
    #[inline(always)]
    fn some<S: Simd, T: Arithmetic, const V: usize>(
        &self,
        simd: S,
        x: &[T],
        y: &[T],
        channel: usize,
        sums: &mut [T],
    ) {
        let (lanes, channels) = (T::lanes::<S>(), sums.len());
        let used = (channels - channel).min(V * lanes);
        let mut vectors = [T::splat(simd, T::ZERO); V];
        for (x_line, y_line) in self.rows {
            let x = x[*x_line..].chunks(channels * self.stride);
            let y = y[*y_line..].chunks(channels);
            for (x, y) in x.zip(y).take(self.count) {
                let (x, y) = (&x[..used], &y[..used]);
                for (v, sum) in vectors.iter_mut().enumerate() {
                    let part = v * lanes..used.min((v + 1) * lanes);
                    *sum = T::multiply_add(simd, whole(simd, &x[part.clone()]), whole(simd, &y[part]), *sum);
                }
            }
        }
        for (sums, vector) in sums[channel..][..used].chunks_mut(lanes).zip(vectors) {
            let sum = T::add(simd, whole(simd, sums), vector);
            write(simd, sums, sum);
        }
    }
}
