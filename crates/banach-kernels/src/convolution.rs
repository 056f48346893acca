//! Convolutions: sizes, and the weights packed for it.
//!
//! Images lie channels-last: `[height, width, channels]`.

mod axis;
mod channelwise;
mod image;
mod vectors;
mod weights;
mod winograd;

pub use image::{convolve, convolve_transposed};
pub use weights::{Part, weight_gradient, write_weights};

use crate::level::Level;
use crate::panels::{Panels, lanes};
use crate::real::Real;
use axis::Axis;

/// A two-dimensional convolution of images `[input, channels[0]]` into images `[output, channels[1]]`. Pairs are
/// height before width, and what comes in before what goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Height and width of what comes in.
    pub input: [usize; 2],
    /// Channels in and out, multiples of `groups`.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Pixels from one place of the kernel to the next.
    pub stride: [usize; 2],
    /// Zeros around what comes in.
    pub padding: [usize; 2],
    /// Pixels from one tap of the kernel to the next.
    pub dilation: [usize; 2],
    /// Groups of channels; each is convolved by itself.
    pub groups: usize,
}

impl Convolution {
    /// Height and width of what goes out; zero where the kernel does not fit.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|i| {
            let reach = self.dilation[i] * self.kernel[i].saturating_sub(1) + 1;
            let room = (self.input[i] + 2 * self.padding[i]).checked_sub(reach);
            room.map_or(0, |room| room / self.stride[i] + 1)
        })
    }

    /// Places in the kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Channels in and out of one group.
    pub fn group_channels(&self) -> [usize; 2] {
        self.channels.map(|channels| channels / self.groups)
    }

    /// How many weights there are: `[channels out, channels in of a group, kernel height, kernel width]`.
    pub fn weights(&self) -> usize {
        self.channels[1] * self.group_channels()[0] * self.taps()
    }

    /// Whether every channel is convolved by itself into one.
    fn channelwise(&self) -> bool {
        self.group_channels() == [1, 1] && self.groups > 1
    }

    /// Numbers of an image that comes in and of one that goes out.
    fn image_sizes(&self) -> [usize; 2] {
        let [input, output] = [self.input, self.output()].map(|[height, width]| height * width);
        [input * self.channels[0], output * self.channels[1]]
    }

    /// Whether [`ConvolutionMethod::Winograd`] can compute it: a kernel of 3 by 3, neither strides, dilation nor groups.
    pub fn is_for_winograd(&self) -> bool {
        self.kernel == [3, 3] && self.stride == [1, 1] && self.dilation == [1, 1] && self.groups == 1
    }

    fn axis(&self, axis: usize, transposed: bool) -> Axis {
        let (mut source, mut target) = (self.input[axis], self.output()[axis]);
        if transposed {
            std::mem::swap(&mut source, &mut target);
        }
        Axis {
            source,
            target,
            kernel: self.kernel[axis],
            stride: self.stride[axis],
            padding: self.padding[axis],
            dilation: self.dilation[axis],
            transposed,
        }
    }

    /// # Panics
    /// If something that must not be is zero, the groups do not divide the channels, or sizes are beyond any memory.
    fn check(&self) {
        assert!(self.groups > 0, "a convolution has groups");
        assert!(
            self.channels.iter().all(|channels| channels % self.groups == 0),
            "groups must divide the channels"
        );
        assert!(
            self.stride.iter().chain(&self.dilation).all(|step| *step > 0),
            "stride and dilation are not zero"
        );
        let moderate = |pairs: &[[usize; 2]], limit: usize| pairs.iter().flatten().all(|size| *size < limit);
        assert!(
            moderate(&[self.input, self.channels], 1 << 30)
                && moderate(&[self.kernel, self.stride, self.padding, self.dilation], 1 << 20),
            "sizes beyond reason"
        );
        let fits = |sizes: [usize; 4]| {
            sizes.into_iter().try_fold(1_usize, |product, size| product.checked_mul(size)).is_some()
        };
        let ([height, width], [out_height, out_width]) = (self.input, self.output());
        let [inward, outward] = self.channels;
        assert!(
            fits([height, width, inward, 1])
                && fits([out_height, out_width, outward, 1])
                && fits([inward, outward, self.kernel[0], self.kernel[1]]),
            "sizes beyond any memory"
        );
    }
}

/// How the numbers of a convolution are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConvolutionMethod {
    /// As the definition says: one product for every place of the kernel and pixel under it. A pixel outside the image
    /// has no product at all, even with a weight that is infinite or NaN.
    #[default]
    Direct,
    /// With 16 products where the definition has 36, for those convolutions that [are for
    /// it](Convolution::is_for_winograd); all others are computed directly.
    ///
    /// A pixel that is infinite or NaN makes NaN of all pixels of the blocks of 2 by 2 it takes part in, and a weight that is
    /// makes NaN of every pixel.
    ///
    /// It rounds otherwise: the bound on an error, relative to the largest pixels near by, is seven times that of the
    /// direct method; where pixels are alike, errors are smaller, because fewer numbers are summed (the example `rounding`
    /// prints both). In return it takes fewer products: the example `rates` prints the speed of both.
    Winograd,
}

/// The weights of a convolution, packed for a level, one direction and a method.
#[derive(Clone, Debug)]
pub struct Taps<T> {
    convolution: Convolution,
    transposed: bool,
    method: ConvolutionMethod,
    /// For every group `[taps · channels summed over, channels]`; channelwise one for all: `[taps, channels]`; for
    /// Winograd's method one for every product: `[channels summed over, channels]`.
    groups: Vec<Panels<T>>,
    /// A pixel of zeros, which stands for those outside.
    zeros: Vec<T>,
    /// Whether all weights are finite, so that their products with zeros are zeros.
    finite: bool,
}

impl<T: Real> Taps<T> {
    /// Packs weights for [`convolve`]: the one of channel `o` out, channel `i` in of the group, row `y` and column `x`
    /// of the kernel stands at `o strides[0] + i strides[1] + y strides[2] + x strides[3]`.
    ///
    /// # Panics
    /// If the convolution makes no sense or a weight is not in the slice.
    pub fn pack(
        level: Level,
        convolution: Convolution,
        method: ConvolutionMethod,
        weights: &[T],
        strides: [usize; 4],
    ) -> Self {
        Self::new(level, convolution, method, weights, strides, false)
    }

    /// Packs the same weights for [`convolve_transposed`].
    ///
    /// # Panics
    /// As [`pack`](Self::pack).
    pub fn pack_transposed(
        level: Level,
        convolution: Convolution,
        method: ConvolutionMethod,
        weights: &[T],
        strides: [usize; 4],
    ) -> Self {
        Self::new(level, convolution, method, weights, strides, true)
    }

    fn new(
        level: Level,
        convolution: Convolution,
        method: ConvolutionMethod,
        weights: &[T],
        strides: [usize; 4],
        transposed: bool,
    ) -> Self {
        convolution.check();
        let method = if convolution.is_for_winograd() { method } else { ConvolutionMethod::Direct };
        let groups = match method {
            ConvolutionMethod::Winograd => winograd::PRODUCTS,
            ConvolutionMethod::Direct if convolution.channelwise() => 1,
            ConvolutionMethod::Direct => convolution.groups,
        };
        let zeros = convolution.channels[usize::from(transposed)].next_multiple_of(lanes::<T>(level));
        let groups = vec![Panels::empty(level); groups];
        let mut taps =
            Self { convolution, transposed, method, groups, zeros: vec![T::ZERO; zeros], finite: true };
        taps.repack(weights, strides);
        taps
    }

    /// Packs other weights for the same convolution, level, direction and method; allocates nothing.
    ///
    /// # Panics
    /// If a weight is not in the slice.
    pub fn repack(&mut self, weights: &[T], strides: [usize; 4]) {
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
                // The transposed convolution is one by the kernel turned round.
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

    /// What they are the weights of.
    pub fn convolution(&self) -> &Convolution {
        &self.convolution
    }

    /// Whether they were packed for [`convolve_transposed`].
    pub fn transposed(&self) -> bool {
        self.transposed
    }

    /// How they are used.
    pub fn method(&self) -> ConvolutionMethod {
        self.method
    }

    /// The level they are packed for.
    pub fn level(&self) -> Level {
        self.groups.first().map_or(Level::Portable, Panels::level)
    }
}
