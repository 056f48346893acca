//! Weight gradients of convolutions: a product for every tap, summed over all pixels of all images.
//!
//! The sums run over blocks of rows. The blocks depend on sizes alone, so that sums do not depend on how the
//! work is divided.

use super::axis::Axis;
use super::channelwise;
use super::geometry::Convolution;
use crate::panels::Panels;
use crate::real::Real;
use crate::tile::{self, TALLEST, Term, Tile};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// The least number of pixels of a block: enough to amortize the updates of the sums.
const BLOCK: usize = 128;

/// A block of the weights, in which work is divided: a range of taps and of input channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightBlock {
    /// Taps of the kernel, in row-major order.
    pub taps: Range<usize>,
    /// Input channels of every group.
    pub channels: Range<usize>,
}

impl WeightBlock {
    /// Returns the block of all weights.
    pub fn all(convolution: &Convolution) -> Self {
        Self { taps: 0..convolution.taps(), channels: 0..convolution.group_channels()[0] }
    }

    /// Returns the number of sums, `[taps, channels, output channels]`.
    pub fn sums(&self, convolution: &Convolution) -> usize {
        self.taps.len() * self.channels.len() * convolution.channels[1]
    }

    /// # Panics
    /// If the block is outside the weights.
    fn check(&self, convolution: &Convolution) {
        convolution.check();
        assert!(
            self.taps.start <= self.taps.end && self.taps.end <= convolution.taps(),
            "the taps must be taps of the kernel"
        );
        let channels = convolution.group_channels()[0];
        assert!(
            self.channels.start <= self.channels.end && self.channels.end <= channels,
            "the channels must be input channels of a group"
        );
    }
}

/// Adds the gradient with respect to a block of weights to `sums`, `[taps, channels, output channels]` of the
/// block: `x` is `[images, input, channels in]`, `y` the gradient `[images, output, channels out]`. Pixels of
/// `y` are packed into `scratch`, whose level is used.
///
/// # Panics
/// If a slice has the wrong length or the block is outside the weights.
pub fn weight_gradient<T: Real>(
    convolution: &Convolution,
    part: &WeightBlock,
    x: &[T],
    y: &[T],
    sums: &mut [T],
    scratch: &mut Panels<T>,
) {
    part.check(convolution);
    assert_eq!(sums.len(), part.sums(convolution), "the number of sums of a block");
    let [input, output] = convolution.image_sizes();
    if input == 0 || output == 0 {
        return;
    }
    let images = y.len() / output;
    assert_eq!([x.len(), y.len()], [images * input, images * output], "the lengths of the images");
    let axes = [convolution.axis(0, false), convolution.axis(1, false)];
    let level = scratch.level();
    level.run(Gradient { convolution, axes, part, x, y, images, sums, scratch });
}

/// Writes the sums of a block, or adds them, to the weights of that block; for `strides` see
/// [`PackedWeights::pack`](super::PackedWeights::pack).
///
/// # Panics
/// If the number of sums is wrong, the block is outside the weights, or a weight is outside the slice.
pub fn write_weights<T: Real>(
    convolution: &Convolution,
    part: &WeightBlock,
    sums: &[T],
    add: bool,
    weights: &mut [T],
    strides: [usize; 4],
) {
    part.check(convolution);
    assert_eq!(sums.len(), part.sums(convolution), "the number of sums of a block");
    let outward = convolution.channels[1];
    for o in 0..outward {
        for (i, channel) in part.channels.clone().enumerate() {
            for (t, tap) in part.taps.clone().enumerate() {
                let sum = sums[(t * part.channels.len() + i) * outward + o];
                let (y, x) = (tap / convolution.kernel[1], tap % convolution.kernel[1]);
                let weight =
                    &mut weights[o * strides[0] + channel * strides[1] + y * strides[2] + x * strides[3]];
                *weight = if add { T::from_f64(weight.to_f64() + sum.to_f64()) } else { sum };
            }
        }
    }
}

/// A weight gradient with checked sizes.
struct Gradient<'a, T> {
    convolution: &'a Convolution,
    axes: [Axis; 2],
    part: &'a WeightBlock,
    x: &'a [T],
    y: &'a [T],
    images: usize,
    sums: &'a mut [T],
    scratch: &'a mut Panels<T>,
}

impl<T: Real> WithSimd for Gradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let [vertical, horizontal] = self.axes;
        let outward = self.convolution.group_channels()[1];
        let rows = self.images * vertical.target;
        for (start, count) in tile::balanced(rows, BLOCK.div_ceil(horizontal.target)) {
            if self.convolution.channelwise() {
                self.channelwise(simd, start..start + count);
                continue;
            }
            let (y, width) = (self.y, self.convolution.channels[1]);
            for group in 0..self.convolution.groups {
                self.scratch.fill(count * horizontal.target, outward, |pixel, first, out| {
                    let from = (start * horizontal.target + pixel) * width + group * outward + first;
                    out.copy_from_slice(&y[from..from + out.len()]);
                });
                self.block(simd, start..start + count, group);
            }
        }
    }
}

impl<T: Real> Gradient<'_, T> {
    /// The rows of a block that meet a row of the input under a tap: the index of each in the block, and the
    /// position in `x` of the first pixel that it meets.
    #[inline(always)]
    fn met(&self, rows: Range<usize>, tap: usize) -> impl Iterator<Item = (usize, usize)> + use<T> {
        let [vertical, horizontal] = self.axes;
        let (y, x) = (tap / self.convolution.kernel[1], tap % self.convolution.kernel[1]);
        let first = horizontal.met(x).start * horizontal.stride + x * horizontal.dilation;
        let channels = self.convolution.channels[0];
        let start = rows.start;
        rows.filter_map(move |row| {
            let source = vertical.meets(row % vertical.target, y)?;
            let line = row / vertical.target * vertical.source + source;
            Some((row - start, (line * horizontal.source + first - horizontal.padding) * channels))
        })
    }

    /// Adds the contribution of a packed block of rows to the weights of a group.
    #[inline(always)]
    fn block<S: Simd>(&mut self, simd: S, rows: Range<usize>, group: usize) {
        let [inward, outward] = self.convolution.group_channels();
        let horizontal = self.axes[1];
        let mut table = Vec::with_capacity(rows.len() * TALLEST);
        let mut terms = Vec::with_capacity(rows.len());
        for (t, tap) in self.part.taps.clone().enumerate() {
            let pixels = horizontal.met(tap % self.convolution.kernel[1]);
            if pixels.is_empty() {
                continue;
            }
            table.clear();
            terms.clear();
            for (row, from) in self.met(rows.clone(), tap) {
                terms.push(Term { rows: table.len(), panel: row * horizontal.target + pixels.start });
                let pixel = self.x[from..].as_ptr();
                table.extend((0..TALLEST).map(|i| pixel.wrapping_add(i)));
            }
            for panel in 0..self.scratch.count() {
                let vectors = self.scratch.vectors(panel);
                let (column, columns) = self.scratch.span(panel);
                for (first, height) in tile::balanced(self.part.channels.len(), tile::tallest::<S>(vectors)) {
                    let c = (t * self.part.channels.len() + first) * self.convolution.channels[1];
                    let c = &mut self.sums[c + group * outward + column..];
                    let tile = Tile {
                        rows: table.as_ptr(),
                        step: 1,
                        skip: group * inward + self.part.channels.start + first,
                        stride: horizontal.stride * self.convolution.channels[0],
                        depth: pixels.len(),
                        terms: &terms,
                        panel: self.scratch.panel(panel).as_ptr(),
                        pitch: vectors * T::lanes::<S>(),
                        c: c.as_mut_ptr(),
                        c_stride: self.convolution.channels[1],
                        columns,
                        add: true,
                    };
                    // SAFETY: `balanced` keeps the height within bounds, panels have one or two vectors, are
                    // packed for the lanes of `S` and hold all pixels of the block. Row `i` of a term starts
                    // at channel `skip + i`, one of those of the image, of the first pixel met; `Axis::met`
                    // keeps the `depth` pixels that follow in the same row of `x`. The sums are as many as
                    // `WeightBlock::sums` says and borrowed here.
                    unsafe { tile::compute(simd, vectors, height, &tile) };
                }
            }
        }
    }

    /// Adds the contribution of a block of rows for a depthwise convolution.
    #[inline(always)]
    fn channelwise<S: Simd>(&mut self, simd: S, rows: Range<usize>) {
        if self.part.channels.is_empty() {
            return;
        }
        let horizontal = self.axes[1];
        let channels = self.convolution.channels[0];
        for (t, tap) in self.part.taps.clone().enumerate() {
            let pixels = horizontal.met(tap % self.convolution.kernel[1]);
            if pixels.is_empty() {
                continue;
            }
            let lines: Vec<_> = self
                .met(rows.clone(), tap)
                .map(|(row, from)| {
                    let y = ((rows.start + row) * horizontal.target + pixels.start) * channels;
                    (from, y)
                })
                .collect();
            let lines =
                channelwise::PixelRows { rows: &lines, stride: horizontal.stride, count: pixels.len() };
            lines.add(simd, self.x, self.y, &mut self.sums[t * channels..][..channels]);
        }
    }
}
