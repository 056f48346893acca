//! Winograd tiles of 2 by 2 pixels.

use super::tiles::Tiling;
use crate::arithmetic::Arithmetic;
use pulp::Simd;

/// Output pixels of a tile along an axis.
pub(super) const SIDE: usize = 2;
/// Input pixels of a tile along an axis.
pub(super) const PATCH: usize = 4;
/// Products of a tile for one pair of channels.
pub(super) const PRODUCTS: usize = PATCH * PATCH;

/// F(2 × 2, 3 × 3), at the points 0, 1, -1 and ∞: 16 products instead of 36.
pub(super) struct Two;

impl Tiling<2, 4> for Two {
    #[inline(always)]
    fn input<S: Simd, T: Arithmetic>(simd: S, [a, b, c, d]: [T::Vector<S>; 4]) -> [T::Vector<S>; 4] {
        [T::subtract(simd, a, c), T::add(simd, b, c), T::subtract(simd, c, b), T::subtract(simd, b, d)]
    }

    #[inline(always)]
    fn output<S: Simd, T: Arithmetic>(simd: S, [a, b, c, d]: [T::Vector<S>; 4]) -> [T::Vector<S>; 2] {
        let (sum, difference) = (T::add(simd, b, c), T::subtract(simd, b, c));
        [T::add(simd, a, sum), T::subtract(simd, difference, d)]
    }

    #[inline(always)]
    fn weights([a, b, c]: [f64; 3]) -> [f64; 4] {
        [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c]
    }
}
