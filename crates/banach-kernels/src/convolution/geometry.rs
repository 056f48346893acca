//! Geometry of two-dimensional convolutions.

use super::axis::Axis;

/// The geometry of a two-dimensional convolution of images `[input, channels[0]]` into images
/// `[output, channels[1]]`. Pairs are height and width, or input and output channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Input and output channels, multiples of `groups`.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// The stride of the kernel, in pixels.
    pub stride: [usize; 2],
    /// The zero padding on each side of the input.
    pub padding: [usize; 2],
    /// The dilation of the kernel, in pixels.
    pub dilation: [usize; 2],
    /// The number of channel groups, which are convolved independently.
    pub groups: usize,
}

impl Convolution {
    /// Returns height and width of the output; zero where the kernel does not fit.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|i| {
            let reach = self.dilation[i] * self.kernel[i].saturating_sub(1) + 1;
            let span = (self.input[i] + 2 * self.padding[i]).checked_sub(reach);
            span.map_or(0, |span| span / self.stride[i] + 1)
        })
    }

    /// Returns the number of taps of the kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Returns the input and output channels of one group.
    pub fn group_channels(&self) -> [usize; 2] {
        self.channels.map(|channels| channels / self.groups)
    }

    /// Returns the number of weights,
    /// `[output channels, input channels of a group, kernel height, kernel width]`.
    pub fn weights(&self) -> usize {
        self.channels[1] * self.group_channels()[0] * self.taps()
    }

    /// Whether the convolution is depthwise with one output channel for each input channel.
    pub(super) fn channelwise(&self) -> bool {
        self.group_channels() == [1, 1] && self.groups > 1
    }

    /// Elements of an input and of an output image.
    pub(super) fn image_sizes(&self) -> [usize; 2] {
        let [input, output] = [self.input, self.output()].map(|[height, width]| height * width);
        [input * self.channels[0], output * self.channels[1]]
    }

    /// Returns whether Winograd's method applies: a 3 by 3 kernel without stride, dilation or groups.
    pub fn is_for_winograd(&self) -> bool {
        self.kernel == [3, 3] && self.stride == [1, 1] && self.dilation == [1, 1] && self.groups == 1
    }

    pub(super) fn axis(&self, axis: usize, transposed: bool) -> Axis {
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
    /// If groups, stride or dilation are zero, the groups do not divide the channels, or a size overflows.
    pub(super) fn check(&self) {
        assert!(self.groups > 0, "the number of groups must be positive");
        assert!(
            self.channels.iter().all(|channels| channels % self.groups == 0),
            "groups must divide the channels"
        );
        assert!(
            self.stride.iter().chain(&self.dilation).all(|step| *step > 0),
            "stride and dilation must be positive"
        );
        let moderate = |pairs: &[[usize; 2]], limit: usize| pairs.iter().flatten().all(|size| *size < limit);
        assert!(
            moderate(&[self.input, self.channels], 1 << 30)
                && moderate(&[self.kernel, self.stride, self.padding, self.dilation], 1 << 20),
            "sizes of a convolution must be below 2^30, those of its kernel below 2^20"
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
            "sizes of a convolution must not overflow"
        );
    }
}
