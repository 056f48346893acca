//! Convolution of an image by Winograd's method.

use super::four::{self, Four};
use super::tiles::{TILES, Tiling, apart, line};
use super::transform::{InputTransform, OutputTransform};
use super::two::Two;
use crate::arithmetic::Arithmetic;
use crate::convolution::axis::Axis;
use crate::convolution::packed_weights::PackedWeights;
use crate::panels::StridedMatrix;
use crate::product::product;
use std::marker::PhantomData;
use std::ops::Range;

/// Bytes of a cache block of transformed tiles.
const NEAR: usize = 1 << 19;
/// The least number of tiles of a block, to amortize reading the weights.
const FEWEST: usize = 28;

/// Computes rows of an image with at least one pixel and one channel.
pub(in crate::convolution) fn convolve<T: Arithmetic>(
    taps: &PackedWeights<T>,
    axes: [Axis; 2],
    channels: [usize; 2],
    source: &[T],
    rows: Range<usize>,
    target: &mut [T],
) {
    if taps.groups.len() == four::PRODUCTS {
        convolve_tiles::<T, Four, 4, 6>(taps, axes, channels, source, rows, target);
    } else {
        convolve_tiles::<T, Two, 2, 4>(taps, axes, channels, source, rows, target);
    }
}

/// [`convolve`] for one size of tiles.
fn convolve_tiles<T: Arithmetic, W: Tiling<SIDE, PATCH>, const SIDE: usize, const PATCH: usize>(
    taps: &PackedWeights<T>,
    axes: [Axis; 2],
    channels: [usize; 2],
    source: &[T],
    rows: Range<usize>,
    target: &mut [T],
) {
    let level = taps.level();
    let across = axes[1].target.div_ceil(SIDE);
    let tiles = rows.start / SIDE * across..rows.end.div_ceil(SIDE) * across;
    let widths = channels.map(|channels| channels.next_multiple_of(line::<T>()));
    let most = (NEAR / ((PATCH * PATCH) * (widths[0] + widths[1]) * size_of::<T>())).max(FEWEST);
    let parts = tiles.len().div_ceil(most);
    let sizes = widths.map(|width| apart::<T>(tiles.len().div_ceil(parts) * width));
    TILES.with_borrow_mut(|buffer| {
        buffer.grow::<T>((PATCH * PATCH) * (sizes[0] + sizes[1]));
        let (before, after) = buffer.numbers_mut().split_at_mut((PATCH * PATCH) * sizes[0]);
        for part in 0..parts {
            let [start, end] = [part, part + 1].map(|part| tiles.start + part * tiles.len() / parts);
            let tiles = start..end;
            level.run(InputTransform::<T, W, SIDE, PATCH> {
                tiling: PhantomData,
                axes,
                channels: channels[0],
                source,
                zeros: &taps.zeros,
                tiles: tiles.clone(),
                size: sizes[0],
                transformed: &mut *before,
            });
            let sides = before.chunks(sizes[0]).zip(after.chunks_mut(sizes[1]));
            for (weights, (data, sums)) in taps.groups.iter().zip(sides) {
                let (rows, columns) = (tiles.len(), channels[0]);
                let left = StridedMatrix { data, rows, columns, row_stride: widths[0], column_stride: 1 };
                product(left, weights, sums, widths[1], false);
            }
            level.run(OutputTransform::<T, W, SIDE, PATCH> {
                tiling: PhantomData,
                across,
                width: axes[1].target,
                channels: channels[1],
                tiles,
                size: sizes[1],
                transformed: &*after,
                rows: rows.clone(),
                target: &mut *target,
            });
        }
    });
}
