//! Weights of a convolution, packed for its kernels.

use super::geometry::Convolution;
use super::method::ConvolutionMethod;
use super::transposition::{self, Lines};
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
        let Self { convolution, transposed, method, ref mut groups, .. } = *self;
        let reader = Reader { weights, strides, width: convolution.kernel[1] };
        let (taps, mut finite) = (convolution.taps(), true);
        if convolution.channelwise() {
            groups[0].fill(taps, convolution.groups, |tap, first, out| {
                finite &= reader.read([first, 0], tap, 0, out);
            });
            self.finite = finite;
            return;
        }
        let [inward, outward] = convolution.group_channels();
        let [summed, kept] = if transposed { [outward, inward] } else { [inward, outward] };
        if method == ConvolutionMethod::Winograd {
            finite = winograd::pack(groups, [summed, kept], |summed, first, tap, out| {
                // The transposed convolution is a convolution with the reversed kernel.
                if transposed {
                    reader.read([summed, first], taps - 1 - tap, 1, out)
                } else {
                    reader.read([first, summed], tap, 0, out)
                }
            });
            self.finite = finite;
            return;
        }
        if let Some(lines) = Lines::of(convolution.kernel, strides, summed, transposed) {
            for (group, panels) in groups.iter_mut().enumerate() {
                let weights = &weights[group * outward * strides[0]..];
                finite &= transposition::pack(panels, lines, kept, weights);
            }
            self.finite = finite;
            return;
        }
        for (group, panels) in groups.iter_mut().enumerate() {
            // The weights of all taps lie together, so that they are read one after the other.
            panels.fill_blocks([taps, summed], kept, |tap, summed, first, out| {
                let [o, i] = if transposed { [summed, first] } else { [first, summed] };
                finite &= reader.read([group * outward + o, i], tap, usize::from(transposed), out);
            });
        }
        self.finite = finite;
    }

    /// Returns the convolution.
    pub fn convolution(&self) -> &Convolution {
        &self.convolution
    }

    /// Returns the memory of the packed numbers in bytes.
    pub fn bytes(&self) -> usize {
        self.groups.iter().map(Panels::bytes).sum::<usize>() + size_of_val(&self.zeros[..])
    }

    /// Returns whether the weights are packed for [`convolve_transposed`](crate::convolve_transposed).
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

/// Weights where they lie.
#[derive(Clone, Copy)]
struct Reader<'a, T> {
    weights: &'a [T],
    /// Elements between output channels, input channels, rows and columns.
    strides: [usize; 4],
    /// Columns of the kernel.
    width: usize,
}

impl<T: Arithmetic> Reader<'_, T> {
    /// Reads the weights of a tap, from output and input channel `[o, i]` on along one of both, and returns
    /// whether all are finite.
    #[inline(always)]
    fn read(&self, [o, i]: [usize; 2], tap: usize, along: usize, out: &mut [T]) -> bool {
        let Self { strides, .. } = self;
        let from =
            o * strides[0] + i * strides[1] + tap / self.width * strides[2] + tap % self.width * strides[3];
        let step = strides[along];
        let last = from + (out.len() - 1) * step;
        assert!(last < self.weights.len(), "a weight outside the slice");
        let weights = &self.weights[from..=last];
        if step == 0 {
            out.fill(weights[0]);
        } else {
            out.iter_mut().zip(weights.iter().step_by(step)).for_each(|(out, weight)| *out = *weight);
        }
        out.iter().fold(true, |all, weight| all & weight.to_f64().is_finite())
    }
}
