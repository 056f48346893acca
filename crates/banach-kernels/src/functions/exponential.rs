//! exp, tanh, sigmoid and erf, from `exp(r) - 1` of a reduced argument r.
//!
//! The argument is reduced after W. J. Cody and W. Waite, Software Manual for the Elementary Scalar, 1980.

use crate::arithmetic::Arithmetic;
use pulp::Simd;

/// `c0 + c1 x + c2 x^2 + ..`.
#[inline(always)]
pub(super) fn polynomial<S: Simd, T: Arithmetic>(
    simd: S,
    coefficients: &[T],
    x: T::Vector<S>,
) -> T::Vector<S> {
    let mut sum = T::splat(simd, T::ZERO);
    for (position, &coefficient) in coefficients.iter().rev().enumerate() {
        let coefficient = T::splat(simd, coefficient);
        sum = if position == 0 { coefficient } else { T::multiply_add(simd, sum, x, coefficient) };
    }
    sum
}

/// `(k, k + rounder, exp(x) 2^-k - 1)` with whole k.
#[inline(always)]
fn reduced<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>) -> (T::Vector<S>, T::Vector<S>, T::Vector<S>) {
    let rounder = T::splat(simd, T::ROUNDER);
    let shifted = T::multiply_add(simd, x, T::splat(simd, T::INVERSE_LOG_TWO), rounder);
    let k = T::subtract(simd, shifted, rounder);
    let (high, low) = negated_log_two::<S, T>(simd);
    let r = T::multiply_add(simd, k, high, x);
    let r = T::multiply_add(simd, k, low, r);
    let square = T::multiply(simd, r, r);
    let rest = polynomial(simd, T::EXPONENTIAL, r);
    (k, shifted, T::multiply_add(simd, square, rest, r))
}

#[inline(always)]
fn negated_log_two<S: Simd, T: Arithmetic>(simd: S) -> (T::Vector<S>, T::Vector<S>) {
    let zero = T::splat(simd, T::ZERO);
    let (high, low) = T::LOG_TWO;
    (T::subtract(simd, zero, T::splat(simd, high)), T::subtract(simd, zero, T::splat(simd, low)))
}

/// Clamps x to the limits; NaN stays NaN.
#[inline(always)]
fn clamp<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>, least: T, most: T) -> T::Vector<S> {
    let (least, most) = (T::splat(simd, least), T::splat(simd, most));
    let x = T::select(simd, T::less(simd, x, least), least, x);
    T::select(simd, T::less(simd, most, x), most, x)
}

/// The exponential.
#[inline(always)]
pub(crate) fn exp<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>) -> T::Vector<S> {
    let (least, most) = T::EXPONENTIAL_RANGE;
    let (k, _, rest) = reduced::<S, T>(simd, clamp(simd, x, least, most));
    // 2^k in two factors: the first product is exact, the second may overflow or lose bits gradually.
    let rounder = T::splat(simd, T::ROUNDER);
    let half = T::multiply_add(simd, k, T::splat(simd, T::from_f64(0.5)), rounder);
    let other = T::add(simd, T::subtract(simd, k, T::subtract(simd, half, rounder)), rounder);
    let fraction = T::add(simd, rest, T::splat(simd, T::ONE));
    let scaled = T::multiply(simd, fraction, T::power_of_two(simd, half));
    T::multiply(simd, scaled, T::power_of_two(simd, other))
}

/// The hyperbolic tangent, `t / (t + 2)` with `t = exp(2 |x|) - 1`.
#[inline(always)]
pub(crate) fn tanh<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>) -> T::Vector<S> {
    let limit = T::splat(simd, T::TANH_LIMIT);
    let size = T::absolute(simd, x);
    let size = T::select(simd, T::less(simd, limit, size), limit, size);
    let (_, shifted, rest) = reduced::<S, T>(simd, T::add(simd, size, size));
    let power = T::power_of_two(simd, shifted);
    let grown = T::multiply_add(simd, power, rest, T::subtract(simd, power, T::splat(simd, T::ONE)));
    let two = T::splat(simd, T::from_f64(2.0));
    let below = T::add(simd, grown, two);
    if T::EPSILON > 1e-10 {
        return T::with_sign(simd, T::divide(simd, grown, below), x);
    }
    let small = T::less(simd, grown, two);
    let (ratio, difference) = careful_ratio::<S, T>(simd, T::select(simd, small, grown, two), grown, 2.0);
    T::with_sign(simd, T::select(simd, small, ratio, difference), x)
}

/// The logistic function `1 / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>) -> T::Vector<S> {
    let (zero, one) = (T::splat(simd, T::ZERO), T::splat(simd, T::ONE));
    let small = exp::<S, T>(simd, T::subtract(simd, zero, T::absolute(simd, x)));
    let negative = T::less(simd, x, zero);
    if T::EPSILON > 1e-10 {
        let above = T::select(simd, negative, small, one);
        return T::divide(simd, above, T::add(simd, one, small));
    }
    let (ratio, difference) = careful_ratio::<S, T>(simd, small, small, 1.0);
    T::select(simd, negative, ratio, difference)
}

/// `a / d` and `1 - a / d` for `d = b + unit`. Where a is b, the first is corrected for the rounding error of
/// d, with `(1 - a / d) / unit` for `1 / d`; without the correction, the error in double precision would be
/// two units in the last place.
#[inline(always)]
fn careful_ratio<S: Simd, T: Arithmetic>(
    simd: S,
    a: T::Vector<S>,
    b: T::Vector<S>,
    unit: f64,
) -> (T::Vector<S>, T::Vector<S>) {
    let (one, whole) = (T::splat(simd, T::ONE), T::splat(simd, T::from_f64(unit)));
    let below = T::add(simd, b, whole);
    let ratio = T::divide(simd, a, below);
    let difference = T::subtract(simd, one, ratio);
    let rounding = T::subtract(simd, T::subtract(simd, below, whole), b);
    let rounding = T::multiply(simd, rounding, T::splat(simd, T::from_f64(1.0 / unit)));
    (T::multiply_add(simd, ratio, T::multiply(simd, rounding, difference), ratio), difference)
}

/// The error function: a series of the argument where it is small, else `1 - exp(-x^2)` times a slowly
/// varying factor, after W. J. Cody, Rational Chebyshev approximations for the error function, 1969.
#[inline(always)]
pub(crate) fn erf<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>) -> T::Vector<S> {
    let (zero, one) = (T::splat(simd, T::ZERO), T::splat(simd, T::ONE));
    let (shift, middle, limit) = T::ERF_RANGE;
    let size = clamp(simd, T::absolute(simd, x), T::ZERO, limit);
    let square = T::multiply(simd, size, size);
    let small = T::multiply(simd, size, polynomial(simd, T::ERF_SMALL, square));
    let inverse = T::divide(simd, one, T::add(simd, size, T::splat(simd, shift)));
    let rest = polynomial(simd, T::ERF_LARGE, T::subtract(simd, inverse, T::splat(simd, middle)));
    let bell = exp::<S, T>(simd, T::subtract(simd, zero, square));
    let large = T::subtract(simd, one, T::multiply(simd, bell, rest));
    T::with_sign(simd, T::select(simd, T::less(simd, size, one), small, large), x)
}
