//! Weights of a convolution, packed for its kernels.

use super::geometry::Convolution;
use super::method::ConvolutionMethod;
use super::winograd;
use crate::arithmetic::Arithmetic;
use crate::level::Level;
use crate::panels::{Panels, lanes};

/// The weights of a convolution, packed for a level, a direction and a method.
#[derive(Clone, Debug)]
pub struct PackedWeights<T> {
    pub(super) convolution: Convolution,
    pub(super) transposed: bool,
    pub(super) method: ConvolutionMethod,
    /// `[taps · channels summed over, channels]` for every group; `[taps, channels]` for a depthwise
    /// convolution; `[channels summed over, channels]` for every product of Winograd's method.
    pub(super) groups: Vec<Panels<T>>,
    /// A pixel of zeros, for positions outside the image.
    pub(super) zeros: Vec<T>,
    /// Whether all weights are finite, so that their products with zeros are zeros.
    pub(super) finite: bool,
}

impl<T: Arithmetic> PackedWeights<T> {
    /// Weights of a convolution, to be packed.
    pub(crate) fn empty(
        level: Level,
        convolution: Convolution,
        method: ConvolutionMethod,
        transposed: bool,
    ) -> Self {
        convolution.check();
        let method = method.of_images(&convolution);
        let groups = if method == ConvolutionMethod::Winograd {
            winograd::products(&convolution)
        } else if convolution.channelwise() {
            1
        } else {
            convolution.groups
        };
        let zeros = convolution.channels[usize::from(transposed)].next_multiple_of(lanes::<T>(level));
        let groups = vec![Panels::empty(level); groups];
        Self { convolution, transposed, method, groups, zeros: vec![T::ZERO; zeros], finite: true }
    }

    /// Packs other weights, without allocation.
    pub(crate) fn refill(&mut self, weights: &[T], strides: [usize; 4]) {
        let kernel = self.convolution.kernel[1];
        let at = |o: usize, i: usize, tap: usize| {
            let (y, x) = (tap / kernel, tap % kernel);
            weights[o * strides[0] + i * strides[1] + y * strides[2] + x * strides[3]]
        };
        let taps = self.convolution.taps();
        let [inward, outward] = [self.convolution.group_channels()[0], self.convolution.channels[1]];
        let number = |o: usize| (0..inward).all(|i| (0..taps).all(|tap| at(o, i, tap).to_f64().is_finite()));
        self.finite = (0..outward).all(number);
        if self.convolution.channelwise() {
            self.groups[0].fill(taps, self.convolution.groups, |tap, first, out| {
                for (channel, out) in (first..).zip(out) {
                    *out = at(channel, 0, tap);
                }
            });
            return;
        }
        let [inward, outward] = self.convolution.group_channels();
        let transposed = self.transposed;
        let [summed, kept] = if transposed { [outward, inward] } else { [inward, outward] };
        if self.method == ConvolutionMethod::Winograd {
            winograd::pack(&mut self.groups, [summed, kept], |summed, kept, tap| {
                // The transposed convolution is a convolution with the reversed kernel.
                if transposed { at(summed, kept, taps - 1 - tap) } else { at(kept, summed, tap) }
            });
            return;
        }
        for (group, panels) in self.groups.iter_mut().enumerate() {
            panels.fill(taps * summed, kept, |row, first, out| {
                let (tap, summed) = (row / summed, row % summed);
                for (kept, out) in (first..).zip(out) {
                    let [i, o] = if transposed { [kept, summed] } else { [summed, kept] };
                    *out = at(group * outward + o, i, tap);
                }
            });
        }
    }

    /// Returns the convolution.
    pub fn convolution(&self) -> &Convolution {
        &self.convolution
    }

    /// Returns whether the weights are packed for [`convolve_transposed`](super::convolve_transposed).
    pub fn transposed(&self) -> bool {
        self.transposed
    }

    /// Returns the method, [`Direct`](ConvolutionMethod::Direct) or [`Winograd`](ConvolutionMethod::Winograd).
    pub fn method(&self) -> ConvolutionMethod {
        self.method
    }

    /// Returns the level of the packing.
    pub fn level(&self) -> Level {
        self.groups.first().map_or(Level::Portable, Panels::level)
    }
}
