//! Logarithms, as `e log 2 + 2 atanh(s)` of a reduced argument.
//!
//! The method is that of P. T. P. Tang, Table-driven implementation of the logarithm function in IEEE
//! floating-point arithmetic, 1990, without tables: `log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2)))` with
//! `s = f / (2 + f)`.

use super::exponential::{exp, polynomial};
use crate::arithmetic::Arithmetic;
use pulp::Simd;

/// `e log 2 + log(1 + f) + correction` for `1 + f` between √½ and √2.
#[inline(always)]
fn assembled<S: Simd, T: Arithmetic>(
    simd: S,
    e: T::Vector<S>,
    f: T::Vector<S>,
    correction: T::Vector<S>,
) -> T::Vector<S> {
    let two = T::splat(simd, T::from_f64(2.0));
    let s = T::divide(simd, f, T::add(simd, two, f));
    let z = T::multiply(simd, s, s);
    let rest = T::multiply(simd, z, polynomial(simd, T::LOGARITHM, z));
    let half_square = T::multiply(simd, T::splat(simd, T::from_f64(0.5)), T::multiply(simd, f, f));
    let (high, low) = T::LOG_TWO;
    let small = T::multiply_add(simd, e, T::splat(simd, low), correction);
    let small = T::multiply_add(simd, s, T::add(simd, half_square, rest), small);
    let fraction = T::subtract(simd, f, T::subtract(simd, half_square, small));
    T::multiply_add(simd, e, T::splat(simd, high), fraction)
}

/// Sets the logarithm of zero, negative numbers, infinity and NaN.
#[inline(always)]
fn with_edges<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>, result: T::Vector<S>) -> T::Vector<S> {
    let (zero, infinity) = (T::splat(simd, T::ZERO), T::splat(simd, T::INFINITY));
    let result = T::select(simd, T::less(simd, x, infinity), result, x);
    let result = T::select(simd, T::equal(simd, x, zero), T::subtract(simd, zero, infinity), result);
    T::select(simd, T::less(simd, x, zero), T::splat(simd, T::NAN), result)
}

/// The natural logarithm.
#[inline(always)]
pub(crate) fn log<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>) -> T::Vector<S> {
    let (least, factor, exponent) = T::SUBNORMAL;
    let tiny = T::less(simd, x, T::splat(simd, least));
    let normal = T::select(simd, tiny, T::multiply(simd, x, T::splat(simd, factor)), x);
    let (e, m) = T::split_exponent(simd, normal);
    let e = T::select(simd, tiny, T::subtract(simd, e, T::splat(simd, exponent)), e);
    let f = T::subtract(simd, m, T::splat(simd, T::ONE));
    let result = assembled::<S, T>(simd, e, f, T::splat(simd, T::ZERO));
    with_edges::<S, T>(simd, x, result)
}

/// The natural logarithm of 1 + x: the logarithm of the rounded sum, corrected for its rounding error.
#[inline(always)]
pub(crate) fn log1p<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>) -> T::Vector<S> {
    let one = T::splat(simd, T::ONE);
    let sum = T::add(simd, one, x);
    let large = T::less(simd, one, x);
    let (bigger, smaller) = (T::select(simd, large, x, one), T::select(simd, large, one, x));
    let rounding = T::subtract(simd, smaller, T::subtract(simd, sum, bigger));
    let (e, m) = T::split_exponent(simd, sum);
    let f = T::subtract(simd, m, one);
    let result = assembled::<S, T>(simd, e, f, T::divide(simd, rounding, sum));
    let result = with_edges::<S, T>(simd, sum, result);
    T::select(simd, T::equal(simd, sum, one), x, result)
}

/// The logarithm of the logistic function, `min(x, 0) - log(1 + exp(-|x|))`.
#[inline(always)]
pub(crate) fn log_sigmoid<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>) -> T::Vector<S> {
    let zero = T::splat(simd, T::ZERO);
    let small = exp::<S, T>(simd, T::subtract(simd, zero, T::absolute(simd, x)));
    // -0 instead of 0, so that a result that rounds to zero is -0.
    let none = T::splat(simd, T::from_f64(-0.0));
    let negative = T::select(simd, T::less(simd, x, zero), x, none);
    T::subtract(simd, negative, log1p::<S, T>(simd, small))
}
