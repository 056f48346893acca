//! Winograd tiles of 4 by 4 pixels.
//!
//! For the points 0, ±p, ±q and ∞, row i of Aᵀ holds the powers pⁱ; with s = p² + q² and t = p² q²,
//!
//! ```text
//! Bᵀ d = [t d₀ - s d₂ + d₄, (d₄ - q² d₂) ± p (d₃ - q² d₁), (d₄ - p² d₂) ± q (d₃ - p² d₁), t d₁ - s d₃ + d₅]
//! G g = [g₀ / t, (g₀ ± p g₁ + p² g₂) / (2 p² (p² - q²)), (g₀ ± q g₁ + q² g₂) / (2 q² (q² - p²)), g₂]
//! ```
//!
//! Of the points whose products are exact, p = 3/4 and q = 3/2 give nearly the least rounding errors: a third of
//! those of the usual points 1 and 2 (B. Barabasz et al., Error Analysis and Improving the Accuracy of Winograd
//! Convolution for Deep Neural Networks, 2020).

use super::tiles::Tiling;
use crate::arithmetic::Arithmetic;
use pulp::Simd;

/// Products of a tile for one pair of channels.
pub(super) const PRODUCTS: usize = 36;

/// F(4 × 4, 3 × 3): 36 products instead of 144.
pub(super) struct Four;

const P: f64 = 0.75;
const Q: f64 = 1.5;

/// `factor x + y`.
#[inline(always)]
fn scaled<S: Simd, T: Arithmetic>(simd: S, factor: f64, x: T::Vector<S>, y: T::Vector<S>) -> T::Vector<S> {
    T::multiply_add(simd, T::splat(simd, T::from_f64(factor)), x, y)
}

/// `a x + b y`.
#[inline(always)]
fn combined<S: Simd, T: Arithmetic>(simd: S, [a, b]: [f64; 2], [x, y]: [T::Vector<S>; 2]) -> T::Vector<S> {
    scaled::<S, T>(simd, a, x, T::multiply(simd, T::splat(simd, T::from_f64(b)), y))
}

impl Tiling<4, 6> for Four {
    #[inline(always)]
    fn input<S: Simd, T: Arithmetic>(simd: S, [a, b, c, d, e, f]: [T::Vector<S>; 6]) -> [T::Vector<S>; 6] {
        const OUTER: [f64; 2] = [P * P * Q * Q, -(P * P + Q * Q)];
        let [even, odd] = [scaled::<S, T>(simd, -Q * Q, c, e), scaled::<S, T>(simd, -Q * Q, b, d)];
        let first = [scaled::<S, T>(simd, P, odd, even), scaled::<S, T>(simd, -P, odd, even)];
        let [even, odd] = [scaled::<S, T>(simd, -P * P, c, e), scaled::<S, T>(simd, -P * P, b, d)];
        let second = [scaled::<S, T>(simd, Q, odd, even), scaled::<S, T>(simd, -Q, odd, even)];
        [
            T::add(simd, combined::<S, T>(simd, OUTER, [a, c]), e),
            first[0],
            first[1],
            second[0],
            second[1],
            T::add(simd, combined::<S, T>(simd, OUTER, [b, d]), f),
        ]
    }

    #[inline(always)]
    fn output<S: Simd, T: Arithmetic>(simd: S, [a, b, c, d, e, f]: [T::Vector<S>; 6]) -> [T::Vector<S>; 4] {
        let sums = [T::add(simd, b, c), T::add(simd, d, e)];
        let differences = [T::subtract(simd, b, c), T::subtract(simd, d, e)];
        [
            T::add(simd, a, T::add(simd, sums[0], sums[1])),
            combined::<S, T>(simd, [P, Q], differences),
            combined::<S, T>(simd, [P * P, Q * Q], sums),
            T::add(simd, combined::<S, T>(simd, [P * P * P, Q * Q * Q], differences), f),
        ]
    }

    #[inline(always)]
    fn weights([a, b, c]: [f64; 3]) -> [f64; 6] {
        const SCALES: [f64; 3] = [
            1.0 / (P * P * Q * Q),
            1.0 / (2.0 * P * P * (P * P - Q * Q)),
            1.0 / (2.0 * Q * Q * (Q * Q - P * P)),
        ];
        let at = |x: f64, scale: f64| scale * (a + x * b + x * x * c);
        [SCALES[0] * a, at(P, SCALES[1]), at(-P, SCALES[1]), at(Q, SCALES[2]), at(-Q, SCALES[2]), c]
    }
}
