//! Weight gradients by Winograd's method.

use super::cotangent::CotangentTransform;
use super::tiles::{TAPS, TILES, apart, line};
use super::transform::InputTransform;
use super::two::{PATCH, PRODUCTS, SIDE, Two};
use crate::arithmetic::Arithmetic;
use crate::convolution::axis::Axis;
use crate::convolution::vectors::{whole, write};
use crate::level::Level;
use crate::panels::StridedMatrix;
use crate::product::product_plain;
use crate::tile::balanced;
use pulp::{Simd, WithSimd};
use std::marker::PhantomData;
use std::ops::Range;

/// Bytes of a cache block of transformed tiles.
const NEAR: usize = 1 << 19;
/// The least number of tiles of a block, to amortize the updates of the sums.
const FEWEST: usize = 64;

/// Adds the weight gradient of rows of tiles of all images to `sums`, `[taps, channels in, channels out]`.
pub(in crate::convolution) fn gradient<T: Arithmetic>(
    level: Level,
    axes: [Axis; 2],
    channels: [usize; 2],
    rows: Range<usize>,
    [x, y]: [&[T]; 2],
    sums: &mut [T],
) {
    let [vertical, horizontal] = axes;
    let (down, across) = (vertical.target.div_ceil(SIDE), horizontal.target.div_ceil(SIDE));
    let (count, first) = (rows.len() * across, rows.start * across);
    let input = vertical.source * horizontal.source * channels[0];
    let output = vertical.target * horizontal.target * channels[1];
    let widths = channels.map(|channels| channels.next_multiple_of(line::<T>()));
    let most = (NEAR / (PRODUCTS * (widths[0] + widths[1]) * size_of::<T>())).max(FEWEST).min(count.max(1));
    let sizes = widths.map(|width| apart::<T>(most * width));
    let total = apart::<T>(channels[0] * widths[1]);
    TILES.with_borrow_mut(|buffer| {
        buffer.grow::<T>(widths[0] + PRODUCTS * (sizes[0] + sizes[1] + total));
        let (zeros, rest) = buffer.numbers_mut().split_at_mut(widths[0]);
        let (before, rest) = rest.split_at_mut(PRODUCTS * sizes[0]);
        let (after, totals) = rest.split_at_mut(PRODUCTS * sizes[1]);
        zeros.fill(T::ZERO);
        totals[..PRODUCTS * total].fill(T::ZERO);
        for (start, count) in balanced(count, most) {
            let (start, mut done) = (first + start, 0);
            while done < count {
                let (image, tile) = ((start + done) / (down * across), (start + done) % (down * across));
                let tiles = tile..(tile + count - done).min(down * across);
                level.run(InputTransform::<T, Two, SIDE, PATCH> {
                    tiling: PhantomData,
                    axes,
                    channels: channels[0],
                    source: &x[image * input..][..input],
                    zeros,
                    tiles: tiles.clone(),
                    size: sizes[0],
                    transformed: &mut before[done * widths[0]..],
                });
                level.run(CotangentTransform {
                    axes,
                    channels: channels[1],
                    cotangent: &y[image * output..][..output],
                    tiles: tiles.clone(),
                    size: sizes[1],
                    transformed: &mut after[done * widths[1]..],
                });
                done += tiles.len();
            }
            let sides = before.chunks(sizes[0]).zip(after.chunks(sizes[1]));
            for ((x, y), total) in sides.zip(totals.chunks_mut(total)) {
                let matrix = |data, columns, row_stride| StridedMatrix {
                    data,
                    rows: count,
                    columns,
                    row_stride,
                    column_stride: 1,
                };
                let (x, y) = (matrix(x, channels[0], widths[0]), matrix(y, channels[1], widths[1]));
                product_plain(level, x.transposed(), y, total, widths[1], true);
            }
        }
        level.run(GradientTransform { channels, size: total, totals, sums });
    });
}

/// `Gᵀ m` for four vectors.
#[inline(always)]
fn gradient_transform<S: Simd, T: Arithmetic>(
    simd: S,
    [a, b, c, d]: [T::Vector<S>; PATCH],
) -> [T::Vector<S>; TAPS] {
    let half = T::splat(simd, T::from_f64(0.5));
    let (sum, difference) = (T::add(simd, b, c), T::subtract(simd, b, c));
    [
        T::multiply_add(simd, half, sum, a),
        T::multiply(simd, half, difference),
        T::multiply_add(simd, half, sum, d),
    ]
}

/// `Gᵀ M G` of the sums of all products, added to the sums of all taps.
struct GradientTransform<'a, T> {
    channels: [usize; 2],
    /// Elements from the sums of one product to those of the next.
    size: usize,
    /// `[channels in, channels out]` for every product, with channels out padded to whole cache lines.
    totals: &'a [T],
    /// `[taps, channels in, channels out]`.
    sums: &'a mut [T],
}

impl<T: Arithmetic> WithSimd for GradientTransform<'_, T> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "the loops run across arrays of columns")]
    fn with_simd<S: Simd>(self, simd: S) {
        let [inward, outward] = self.channels;
        let (lanes, width) = (T::lanes::<S>(), outward.next_multiple_of(line::<T>()));
        for i in 0..inward {
            for o in (0..outward).step_by(lanes) {
                let used = lanes.min(outward - o);
                let mut down = [[T::splat(simd, T::ZERO); TAPS]; PATCH];
                for (x, down) in down.iter_mut().enumerate() {
                    let mut read = [T::splat(simd, T::ZERO); PATCH];
                    for (y, read) in read.iter_mut().enumerate() {
                        let from = (y * PATCH + x) * self.size + i * width + o;
                        *read = whole(simd, &self.totals[from..][..lanes]);
                    }
                    *down = gradient_transform::<S, T>(simd, read);
                }
                for y in 0..TAPS {
                    let across = [down[0][y], down[1][y], down[2][y], down[3][y]];
                    let found = gradient_transform::<S, T>(simd, across);
                    for (x, found) in found.into_iter().enumerate() {
                        let at = ((y * TAPS + x) * inward + i) * outward + o;
                        let sums = &mut self.sums[at..][..used];
                        let sum = T::add(simd, whole(simd, sums), found);
                        write(simd, sums, sum);
                    }
                }
            }
        }
    }
}
