//! Weight gradients of convolutions: a product for every tap, summed over the pixels of all images, block by
//! block of rows.

use super::axis::Axis;
use super::geometry::Convolution;
use super::method::ConvolutionMethod;
use super::transposition::{self, Lines};
use super::{channelwise, winograd};
use crate::arithmetic::Arithmetic;
use crate::level::Level;
use crate::panels::Panels;
use crate::tile::{self, TALLEST, Term, Tile};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// The least number of pixels of a block: enough to amortize the updates of the sums.
const BLOCK: usize = 128;
/// Rows of a pair: those of one row of Winograd tiles.
const PAIR: usize = 2;

/// Returns the number of pairs of rows of a number of output images; the last pair of an image of odd height
/// is a single row. Work on a weight gradient is divided into ranges of pairs.
pub fn row_pairs(convolution: &Convolution, images: usize) -> usize {
    images * convolution.output()[0].div_ceil(PAIR)
}

/// Adds the gradient with respect to the weights of a range of taps, over a range of row pairs.
pub(crate) fn weight_gradient<T: Arithmetic>(
    convolution: &Convolution,
    method: ConvolutionMethod,
    [pairs, taps]: [Range<usize>; 2],
    [x, y]: [&[T]; 2],
    sums: &mut [T],
    scratch: &mut Panels<T>,
) {
    convolution.check();
    assert!(taps.start <= taps.end && taps.end <= convolution.taps(), "the taps must be taps of the kernel");
    let each = convolution.group_channels()[0] * convolution.channels[1];
    assert_eq!(sums.len(), taps.len() * each, "the number of sums");
    let [input, output] = convolution.image_sizes();
    if input == 0 || output == 0 {
        return;
    }
    let images = y.len() / output;
    assert_eq!([x.len(), y.len()], [images * input, images * output], "the lengths of the images");
    assert!(
        pairs.start <= pairs.end && pairs.end <= row_pairs(convolution, images),
        "the row pairs must be row pairs of the images"
    );
    let level = scratch.level();
    let axes = [convolution.axis(0, false), convolution.axis(1, false)];
    if method.of_weights(convolution, images) == ConvolutionMethod::Winograd {
        assert_eq!(
            taps.len(),
            convolution.taps(),
            "Winograd's method finds the weights of all taps together"
        );
        winograd::gradient(level, axes, convolution.channels, pairs, [x, y], sums);
        return;
    }
    let height = axes[0].target;
    let row = |pair: usize| {
        let (image, pair) = (pair / height.div_ceil(PAIR), pair % height.div_ceil(PAIR));
        image * height + pair * PAIR
    };
    let rows = row(pairs.start)..row(pairs.end);
    level.run(Gradient { convolution, axes, rows, taps, x, y, sums, scratch });
}

/// Writes sums, or adds them, to the weights.
pub(crate) fn write_weights<T: Arithmetic>(
    convolution: &Convolution,
    outputs: Range<usize>,
    sums: &[T],
    add: bool,
    weights: &mut [T],
    strides: [usize; 4],
) {
    convolution.check();
    assert_eq!(sums.len(), convolution.weights(), "the number of sums");
    let [inward, outward] = [convolution.group_channels()[0], convolution.channels[1]];
    if let Some(lines) = Lines::of(convolution.kernel, strides, inward, false).filter(|_| !add) {
        transposition::unpack(Level::best(), lines, (outputs, outward), sums, weights);
        return;
    }
    // Weights of all taps lie together, so that they are written one after the other.
    for i in 0..inward {
        for tap in 0..convolution.taps() {
            let (y, x) = (tap / convolution.kernel[1], tap % convolution.kernel[1]);
            let from = i * strides[1] + y * strides[2] + x * strides[3];
            let sums = &sums[(tap * inward + i) * outward..][..outward][outputs.clone()];
            for (o, sum) in sums.iter().enumerate() {
                let weight = &mut weights[from + o * strides[0]];
                *weight = if add { T::from_f64(weight.to_f64() + sum.to_f64()) } else { *sum };
            }
        }
    }
}

/// A weight gradient with checked sizes.
struct Gradient<'a, T> {
    convolution: &'a Convolution,
    axes: [Axis; 2],
    /// Rows of all output images.
    rows: Range<usize>,
    taps: Range<usize>,
    x: &'a [T],
    y: &'a [T],
    sums: &'a mut [T],
    scratch: &'a mut Panels<T>,
}

impl<T: Arithmetic> WithSimd for Gradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let horizontal = self.axes[1];
        let outward = self.convolution.group_channels()[1];
        let top = self.rows.start;
        for (start, count) in tile::balanced(self.rows.len(), BLOCK.div_ceil(horizontal.target)) {
            let start = top + start;
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

impl<T: Arithmetic> Gradient<'_, T> {
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
        for tap in self.taps.clone() {
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
                for (first, height) in tile::balanced(inward, tile::tallest::<S>(vectors)) {
                    let c = ((tap - self.taps.start) * inward + first) * self.convolution.channels[1];
                    let c = &mut self.sums[c + group * outward + column..];
                    let tile = Tile {
                        rows: table.as_ptr(),
                        step: 1,
                        skip: group * inward + first,
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
                    // keeps the `depth` pixels that follow in the same row of `x`. The sums are one for every
                    // weight of the taps and borrowed here.
                    unsafe { tile::compute(simd, vectors, height, &tile) };
                }
            }
        }
    }

    /// Adds the contribution of a block of rows for a depthwise convolution.
    #[inline(always)]
    fn channelwise<S: Simd>(&mut self, simd: S, rows: Range<usize>) {
        let horizontal = self.axes[1];
        let channels = self.convolution.channels[0];
        for tap in self.taps.clone() {
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
            lines.add(simd, self.x, self.y, &mut self.sums[(tap - self.taps.start) * channels..][..channels]);
        }
    }
}
