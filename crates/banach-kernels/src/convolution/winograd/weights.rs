//! Transformed weights of Winograd's method.

use super::four::{self, Four};
use super::tiles::{TAPS, TILES, Tiling, apart};
use super::two::{self, Two};
use crate::arithmetic::Arithmetic;
use crate::convolution::geometry::Convolution;
use crate::panels::{Panels, StridedMatrix};
use pulp::{Simd, WithSimd};
use std::marker::PhantomData;

/// Returns the products of a tile for one pair of channels: 36 where tiles of 4 by 4 pixels are faster than those
/// of 2 by 2, else 16.
pub(in crate::convolution) fn products(convolution: &Convolution) -> usize {
    let [inward, outward] = convolution.channels;
    // Measured times in units of one product: those of the products of a tile, and of its transforms for a
    // channel. Few tiles cost as much as some more.
    let time = |side: usize, products: usize, transforms: usize| {
        let tiles: usize = convolution.output().iter().map(|pixels| pixels.div_ceil(side)).product();
        (tiles + 2) as u128 * (products * inward * outward + transforms * (inward + outward)) as u128
    };
    if time(4, 40, 513) < time(2, 18, 81) { four::PRODUCTS } else { two::PRODUCTS }
}

/// Packs the transformed weights `[channels summed over, channels]` of every product, and returns whether all weights are
/// finite: `read(channel summed over, first channel, tap, out)` writes weights of a tap, and returns that for them.
pub(in crate::convolution) fn pack<T: Arithmetic>(
    products: &mut [Panels<T>],
    channels: [usize; 2],
    read: impl Fn(usize, usize, usize, &mut [T]) -> bool,
) -> bool {
    if products.len() == four::PRODUCTS {
        pack_tiles::<T, Four, 4, 6>(products, channels, read)
    } else {
        pack_tiles::<T, Two, 2, 4>(products, channels, read)
    }
}

/// [`pack`] for one size of tiles.
fn pack_tiles<T: Arithmetic, W: Tiling<SIDE, PATCH>, const SIDE: usize, const PATCH: usize>(
    products: &mut [Panels<T>],
    [summed, kept]: [usize; 2],
    read: impl Fn(usize, usize, usize, &mut [T]) -> bool,
) -> bool {
    TILES.with_borrow_mut(|buffer| {
        let size = apart::<T>(summed * kept);
        buffer.grow::<T>(PATCH * PATCH * size);
        let transformed = buffer.numbers_mut();
        let mut finite = true;
        for i in 0..summed {
            for o in (0..kept).step_by(LANES) {
                let used = LANES.min(kept - o);
                let mut taps = [[[0.0; LANES]; TAPS]; TAPS];
                for (tap, weights) in taps.as_flattened_mut().iter_mut().enumerate() {
                    let mut found = [T::ZERO; LANES];
                    finite &= read(i, o, tap, &mut found[..used]);
                    *weights = found.map(Arithmetic::to_f64);
                }
                let place = i * kept + o;
                let tiling = PhantomData::<W>;
                products[0].level().run(WeightTransform { tiling, taps, used, size, place, transformed });
            }
        }
        for (panels, weights) in products.iter_mut().zip(transformed.chunks(size)) {
            panels.refill(StridedMatrix::new(weights, summed, kept));
        }
        finite
    })
}

/// Channels that are transformed at once.
const LANES: usize = 16;

/// `G g Gᵀ` of some channels, in row-major order.
struct WeightTransform<'a, T, W, const SIDE: usize, const PATCH: usize> {
    tiling: PhantomData<W>,
    taps: [[[f64; LANES]; TAPS]; TAPS],
    /// The number of channels.
    used: usize,
    /// Elements from the weights of one product to those of the next.
    size: usize,
    /// The place of the first channel.
    place: usize,
    transformed: &'a mut [T],
}

impl<T: Arithmetic, W: Tiling<SIDE, PATCH>, const SIDE: usize, const PATCH: usize> WithSimd
    for WeightTransform<'_, T, W, SIDE, PATCH>
{
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "the loops run across arrays of columns")]
    fn with_simd<S: Simd>(self, _: S) {
        let mut down = [[[0.0; LANES]; TAPS]; PATCH];
        for x in 0..TAPS {
            for lane in 0..LANES {
                let column =
                    W::weights([self.taps[0][x][lane], self.taps[1][x][lane], self.taps[2][x][lane]]);
                for y in 0..PATCH {
                    down[y][x][lane] = column[y];
                }
            }
        }
        for (y, [a, b, c]) in down.iter().enumerate() {
            let mut across = [[T::ZERO; LANES]; PATCH];
            for lane in 0..LANES {
                let row = W::weights([a[lane], b[lane], c[lane]]);
                for x in 0..PATCH {
                    across[x][lane] = T::from_f64(row[x]);
                }
            }
            for (x, weights) in across.iter().enumerate() {
                let to = (y * PATCH + x) * self.size + self.place;
                self.transformed[to..to + self.used].copy_from_slice(&weights[..self.used]);
            }
        }
    }
}
