//! One instruction of a chain on a block, with a loop for every operation.

use super::choose::{compare, unless};
use super::map::{Block, Source, each, each_lane};
use super::operation::{Binary, Operation, Unary};
use super::plan::{First, Second, Work};
use crate::arithmetic::Arithmetic;
use crate::functions::{erf, exp, log, log_sigmoid, log1p, sigmoid, tanh};
use crate::scalar::ScalarFunction;
use pulp::{Simd, WithSimd};

/// Computes an instruction on a block.
///
/// # Safety
///
/// The operands of the operation must be readable and the target writable at every position of the extent. A
/// source may overlap the target only if both have each position at the same address.
#[inline(always)]
pub(super) unsafe fn apply<S: Simd, T: Arithmetic>(simd: S, work: Work, block: Block<T>) {
    let operation = match work {
        Work::Then(first, second) => return simd.vectorize(Pair(block, first, second)),
        Work::One(operation) => operation,
    };
    let (zero, one) = (T::splat(simd, T::ZERO), T::splat(simd, T::ONE));
    // SAFETY: the caller's contract is that of every loop below.
    unsafe {
        match operation {
            Operation::Unary(unary) => simd.vectorize(One(block, unary)),
            Operation::Binary(binary) => simd.vectorize(Two(block, binary)),
            Operation::Power(exponent) => simd.vectorize(Power(block, exponent)),
            Operation::Compare(comparison) => compare(simd, block, comparison),
            Operation::CompareScalar(comparison, number) => {
                let number = T::from_f64(number);
                let [a, _, c] = block.sources;
                let b = Source { pointer: &raw const number, row_stride: 0, column_stride: 0 };
                compare(simd, Block { sources: [a, b, c], ..block }, comparison);
            }
            Operation::Scale(factor) => {
                let factor = T::splat(simd, T::from_f64(factor));
                each!(simd, block, |x| T::multiply(simd, x, factor));
            }
            Operation::Offset(number) => {
                let number = T::splat(simd, T::from_f64(number));
                each!(simd, block, |x| T::add(simd, x, number));
            }
            Operation::Copy => each!(simd, block, |x| x),
            Operation::Constant(number) => {
                let number = T::splat(simd, T::from_f64(number));
                each!(simd, block, || number);
            }
            Operation::And => each!(simd, block, |a, b| unless::<S, T>(simd, a, zero, b)),
            Operation::Or => each!(simd, block, |a, b| unless::<S, T>(simd, a, b, one)),
            Operation::Xor => each!(simd, block, |a, b| T::select(simd, T::equal(simd, a, b), zero, one)),
            Operation::Not => each!(simd, block, |a| unless::<S, T>(simd, a, one, zero)),
            Operation::Choose => each!(simd, block, |mask, yes, no| unless::<S, T>(simd, mask, no, yes)),
            Operation::Erase => each!(simd, block, |mask, x| unless::<S, T>(simd, mask, x, zero)),
        }
    }
}

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
fn relu<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>) -> T::Vector<S> {
    let zero = T::splat(simd, T::ZERO);
    T::select(simd, T::less_or_equal(simd, x, zero), zero, x)
}

/// -1, 0 or 1; 0 for NaN.
#[inline(always)]
fn sign<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>) -> T::Vector<S> {
    let (zero, one) = (T::splat(simd, T::ZERO), T::splat(simd, T::ONE));
    let below = T::select(simd, T::less(simd, x, zero), T::subtract(simd, zero, one), zero);
    T::select(simd, T::less(simd, zero, x), one, below)
}

/// A unary function on a block; constructed under the contract of [`apply`].
struct One<T>(Block<T>, Unary);

impl<T: Arithmetic> WithSimd for One<T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let One(block, function) = self;
        let one = T::splat(simd, T::ONE);
        // SAFETY: constructed under the contract of `apply`.
        unsafe {
            match function {
                Unary::Abs => each!(simd, block, |x| T::absolute(simd, x)),
                Unary::Exp => each!(simd, block, |x| exp::<S, T>(simd, x)),
                Unary::Log => each!(simd, block, |x| log::<S, T>(simd, x)),
                Unary::Log1p => each!(simd, block, |x| log1p::<S, T>(simd, x)),
                Unary::LogSigmoid => each!(simd, block, |x| log_sigmoid::<S, T>(simd, x)),
                Unary::Reciprocal => each!(simd, block, |x| T::divide(simd, one, x)),
                Unary::Relu => each!(simd, block, |x| relu::<S, T>(simd, x)),
                Unary::Sigmoid => each!(simd, block, |x| sigmoid::<S, T>(simd, x)),
                Unary::Sign => each!(simd, block, |x| sign::<S, T>(simd, x)),
                Unary::Sqrt => each!(simd, block, |x| T::square_root(simd, x)),
                Unary::Tanh => each!(simd, block, |x| tanh::<S, T>(simd, x)),
                Unary::Acos => each_lane!(block, |x| x.lane(ScalarFunction::Acos)),
                Unary::Acosh => each_lane!(block, |x| x.lane(ScalarFunction::Acosh)),
                Unary::Asin => each_lane!(block, |x| x.lane(ScalarFunction::Asin)),
                Unary::Asinh => each_lane!(block, |x| x.lane(ScalarFunction::Asinh)),
                Unary::Atan => each_lane!(block, |x| x.lane(ScalarFunction::Atan)),
                Unary::Atanh => each_lane!(block, |x| x.lane(ScalarFunction::Atanh)),
                Unary::Ceil => each_lane!(block, |x| x.lane(ScalarFunction::Ceil)),
                Unary::Cos => each_lane!(block, |x| x.lane(ScalarFunction::Cos)),
                Unary::Cosh => each_lane!(block, |x| x.lane(ScalarFunction::Cosh)),
                Unary::Erf => each!(simd, block, |x| erf::<S, T>(simd, x)),
                Unary::Floor => each_lane!(block, |x| x.lane(ScalarFunction::Floor)),
                Unary::Round => each_lane!(block, |x| x.lane(ScalarFunction::Round)),
                Unary::Sin => each_lane!(block, |x| x.lane(ScalarFunction::Sin)),
                Unary::Sinh => each_lane!(block, |x| x.lane(ScalarFunction::Sinh)),
                Unary::Tan => each_lane!(block, |x| x.lane(ScalarFunction::Tan)),
                Unary::Trunc => each_lane!(block, |x| x.lane(ScalarFunction::Trunc)),
            }
        }
    }
}

/// `a b`, and 0 where a or b is 0.
#[inline(always)]
fn absorbing_product<S: Simd, T: Arithmetic>(simd: S, a: T::Vector<S>, b: T::Vector<S>) -> T::Vector<S> {
    let zero = T::splat(simd, T::ZERO);
    let product = T::select(simd, T::equal(simd, a, zero), zero, T::multiply(simd, a, b));
    T::select(simd, T::equal(simd, b, zero), zero, product)
}

/// A binary function on a block; constructed under the contract of [`apply`].
struct Two<T>(Block<T>, Binary);

impl<T: Arithmetic> WithSimd for Two<T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Two(block, function) = self;
        // SAFETY: constructed under the contract of `apply`.
        unsafe {
            match function {
                Binary::Add => each!(simd, block, |a, b| T::add(simd, a, b)),
                Binary::Subtract => each!(simd, block, |a, b| T::subtract(simd, a, b)),
                Binary::Multiply => each!(simd, block, |a, b| T::multiply(simd, a, b)),
                Binary::AbsorbingProduct => each!(simd, block, |a, b| absorbing_product::<S, T>(simd, a, b)),
                Binary::Divide => each!(simd, block, |a, b| T::divide(simd, a, b)),
                Binary::Power => each_lane!(block, |a, b| a.power(b)),
                Binary::Remainder => each_lane!(block, |a, b| a.remainder(b)),
                Binary::Atan2 => each_lane!(block, |a, b| a.angle(b)),
            }
        }
    }
}

/// A sum, difference or product, and a function of it, on a block; constructed under the contract of
/// [`apply`].
struct Pair<T>(Block<T>, First, Second);

macro_rules! then {
    ($simd:ident, $block:ident, $second:ident, $first:path) => {
        match $second {
            Second::Tanh => each!($simd, $block, |a, b| tanh::<S, T>($simd, $first($simd, a, b))),
            Second::Sigmoid => each!($simd, $block, |a, b| sigmoid::<S, T>($simd, $first($simd, a, b))),
            Second::Relu => each!($simd, $block, |a, b| relu::<S, T>($simd, $first($simd, a, b))),
        }
    };
}

impl<T: Arithmetic> WithSimd for Pair<T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Pair(block, first, second) = self;
        // SAFETY: constructed under the contract of `apply`.
        unsafe {
            match first {
                First::Subtract => then!(simd, block, second, T::subtract),
                First::Multiply => then!(simd, block, second, T::multiply),
                First::Add => then!(simd, block, second, T::add),
            }
        }
    }
}

/// A constant power on a block; constructed under the contract of [`apply`].
struct Power<T>(Block<T>, f64);

#[inline(always)]
fn square<S: Simd, T: Arithmetic>(simd: S, x: T::Vector<S>) -> T::Vector<S> {
    T::multiply(simd, x, x)
}

impl<T: Arithmetic> WithSimd for Power<T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Power(block, exponent) = self;
        let one = T::splat(simd, T::ONE);
        // SAFETY: constructed under the contract of `apply`.
        unsafe {
            match exponent {
                0.0 => each!(simd, block, || one),
                1.0 => each!(simd, block, |x| x),
                2.0 => each!(simd, block, |x| square::<S, T>(simd, x)),
                3.0 => each!(simd, block, |x| T::multiply(simd, square::<S, T>(simd, x), x)),
                4.0 => each!(simd, block, |x| square::<S, T>(simd, square::<S, T>(simd, x))),
                -1.0 => each!(simd, block, |x| T::divide(simd, one, x)),
                -2.0 => each!(simd, block, |x| T::divide(simd, one, square::<S, T>(simd, x))),
                _ => {
                    let exponent = T::from_f64(exponent);
                    each_lane!(block, |x| x.power(exponent));
                }
            }
        }
    }
}
