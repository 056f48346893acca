//! Winograd's method for 3 by 3 convolutions, tile by tile.
//!
//! Four pixels d in a row and three weights g give two sums y = Aᵀ ((G g) ∘ (Bᵀ d)) with four products instead of six,
//! and so along both axes: y = Aᵀ ((G g Gᵀ) ∘ (Bᵀ d B)) A for tiles of 2 by 2 pixels, with 16 products instead of 36
//! (F(2 × 2, 3 × 3), A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016, section 4.1). Summed
//! over channels, the products of the same place in many tiles are a product of matrices.
//!
//! A pixel is found in just those sums in which it is by definition, so that what is not a number goes no farther.

mod transform;

use super::Taps;
use super::axis::Axis;
use crate::lines::Lines;
use crate::panels::{Matrix, Panels};
use crate::product::product;
use crate::real::Real;
use std::cell::RefCell;
use std::ops::Range;
use transform::{Leave, Meet, weights};

/// Products of a tile, for every channel in and out.
pub(super) const PRODUCTS: usize = 16;
/// Pixels of a tile along an axis.
const SIDE: usize = 2;
/// Bytes of transformed tiles that stay in the cache together with the weights.
const NEAR: usize = 1 << 19;
/// Tiles at least, so that the weights are not read too often.
const FEWEST: usize = 28;

thread_local! {
    /// Tiles before and after the products.
    static TILES: RefCell<Lines> = const { RefCell::new(Lines::new()) };
}

/// Packs the transformed weights `[channels summed over, channels]` of every product; `at` is the weight of a tap.
pub(super) fn pack<T: Real>(
    products: &mut [Panels<T>],
    [summed, kept]: [usize; 2],
    at: impl Fn(usize, usize, usize) -> T,
) {
    TILES.with_borrow_mut(|lines| {
        let size = summed * kept + line::<T>();
        lines.grow::<T>(PRODUCTS * size);
        let transformed = lines.numbers_mut();
        for i in 0..summed {
            for o in 0..kept {
                let found = weights(std::array::from_fn(|tap| at(i, o, tap).to_f64()));
                for (product, weight) in found.into_iter().enumerate() {
                    transformed[product * size + i * kept + o] = T::from_f64(weight);
                }
            }
        }
        for (panels, weights) in products.iter_mut().zip(transformed.chunks(size)) {
            panels.repack(Matrix::new(weights, summed, kept));
        }
    });
}

/// Numbers in a line of the cache. There is one more from product to product than is needed, lest the same place in all
/// of them competes for the same lines of the cache.
const fn line<T>() -> usize {
    64 / size_of::<T>()
}

/// The rows `rows` of an image, which has at least one pixel and one channel.
pub(super) fn convolve<T: Real>(
    taps: &Taps<T>,
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
    let most = (NEAR / (PRODUCTS * (widths[0] + widths[1]) * size_of::<T>())).max(FEWEST);
    let parts = tiles.len().div_ceil(most);
    let sizes = widths.map(|width| tiles.len().div_ceil(parts) * width + line::<T>());
    TILES.with_borrow_mut(|lines| {
        lines.grow::<T>(PRODUCTS * (sizes[0] + sizes[1]));
        let (before, after) = lines.numbers_mut().split_at_mut(PRODUCTS * sizes[0]);
        for part in 0..parts {
            let [start, end] = [part, part + 1].map(|part| tiles.start + part * tiles.len() / parts);
            let tiles = start..end;
            level.run(Meet {
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
                let left = Matrix { data, rows, columns, row_stride: widths[0], column_stride: 1 };
                product(left, weights, sums, widths[1], false);
            }
            level.run(Leave {
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
