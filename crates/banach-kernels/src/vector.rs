//! Vector arithmetic of solvers, in double precision with one final rounding, bit for bit equal at every
//! level.

use crate::arithmetic::Arithmetic;
use crate::level::Level;
use pulp::{Simd, WithSimd};
use std::array;

/// The number of partial sums: enough to hide the latency of additions at every level.
pub(crate) const LANES: usize = 32;

/// Elements of a part of a block that are moved at once.
const PART: usize = 8;

/// The inner product.
pub(crate) fn dot<T: Arithmetic>(level: Level, a: &[T], b: &[T]) -> f64 {
    let [sum] = level.run(Sums(
        a,
        b,
        #[inline(always)]
        |a: Block, b: Block| [[a, b]],
    ));
    sum
}

/// The Euclidean norm, in two passes with scaling.
pub(crate) fn careful_norm<T: Arithmetic>(level: Level, x: &[T]) -> f64 {
    let largest = level.run(Largest(x));
    if largest == 0.0 || largest == f64::INFINITY {
        // For zeros, NaN and infinity the unscaled sum is right.
        return dot(level, x, x).sqrt();
    }
    let [sum] = level.run(Sums(
        x,
        x,
        #[inline(always)]
        |a: Block, _: Block| [[a.map(|x| x / largest); 2]],
    ));
    largest * sum.sqrt()
}

/// Adds `factor x` to y.
pub(crate) fn axpy<T: Arithmetic>(level: Level, y: &mut [T], factor: f64, x: &[T]) {
    assert_eq!(x.len(), y.len(), "the lengths of vectors must be equal");
    level.run(Axpy(y, factor, x));
}

/// Writes `a + b` to out.
pub(crate) fn add<T: Arithmetic>(level: Level, out: &mut [T], a: &[T], b: &[T]) {
    assert!(a.len() == out.len() && b.len() == out.len(), "the lengths of vectors must be equal");
    level.run(Elementwise(
        out,
        a,
        b,
        #[inline(always)]
        |a: f64, b: f64| a + b,
    ));
}

/// Writes `a - b` to out.
pub(crate) fn subtract<T: Arithmetic>(level: Level, out: &mut [T], a: &[T], b: &[T]) {
    assert!(a.len() == out.len() && b.len() == out.len(), "the lengths of vectors must be equal");
    level.run(Elementwise(
        out,
        a,
        b,
        #[inline(always)]
        |a: f64, b: f64| a - b,
    ));
}

/// Multiplies x by a factor.
pub(crate) fn scale<T: Arithmetic>(level: Level, x: &mut [T], factor: f64) {
    level.run(Scale(x, factor));
}

/// Elements of a vector that are added to the partial sums at once, in double precision.
pub(crate) type Block = [f64; LANES];

/// The sum of `left right` over elements of two vectors, where `factors` makes the factors of a block.
struct Sums<'a, T, F>(&'a [T], &'a [T], F);

impl<T: Arithmetic, F: Fn(Block, Block) -> [[Block; 2]; K], const K: usize> WithSimd for Sums<'_, T, F> {
    type Output = [f64; K];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; K] {
        let Sums(a, b, factors) = self;
        assert_eq!(a.len(), b.len(), "the lengths of vectors must be equal");
        sums(simd, a, b, factors)
    }
}

/// K sums of products over elements of two vectors of equal length, where `factors` makes the factors of a block.
#[inline(always)]
pub(crate) fn sums<S: Simd, T: Arithmetic, const K: usize>(
    simd: S,
    a: &[T],
    b: &[T],
    factors: impl Fn(Block, Block) -> [[Block; 2]; K],
) -> [f64; K] {
    let mut sums = [[0.0; LANES]; K];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        let factors = factors(wide(a), wide(b));
        for k in 0..K {
            add_products(simd, &mut sums[k], &factors[k]);
        }
    }
    if !a_rest.is_empty() {
        let factors = factors(padded(a_rest), padded(b_rest));
        for k in 0..K {
            add_products(simd, &mut sums[k], &factors[k]);
        }
    }
    sums.map(folded)
}

#[inline(always)]
fn wide<T: Arithmetic>(block: &[T; LANES]) -> Block {
    array::from_fn(
        #[inline(always)]
        |lane| block[lane].to_f64(),
    )
}

/// The elements of a part of a block, and zeros.
#[inline(always)]
pub(crate) fn padded<T: Arithmetic>(rest: &[T]) -> Block {
    let mut block = [0.0; LANES];
    let ((parts, _), (whole, last)) = (block.as_chunks_mut::<PART>(), rest.as_chunks::<PART>());
    for (part, numbers) in parts.iter_mut().zip(whole) {
        *part = array::from_fn(
            #[inline(always)]
            |lane| numbers[lane].to_f64(),
        );
    }
    for (sum, number) in block[rest.len() - last.len()..].iter_mut().zip(last) {
        *sum = number.to_f64();
    }
    block
}

/// Adds products to partial sums, in vectors.
#[inline(always)]
fn add_products<S: Simd>(simd: S, sums: &mut Block, [left, right]: &[Block; 2]) {
    let (sums, _) = S::as_mut_simd_f64s(sums);
    let ((left, _), (right, _)) = (S::as_simd_f64s(left), S::as_simd_f64s(right));
    for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
        *sum = simd.add_f64s(*sum, simd.mul_f64s(*left, *right));
    }
}

/// The sum of partial sums, by pairwise halving.
#[inline(always)]
fn folded(mut sums: [f64; LANES]) -> f64 {
    for half in [LANES / 2, LANES / 4, LANES / 8] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3])
}

/// The largest absolute value, ignoring NaN.
struct Largest<'a, T>(&'a [T]);

impl<T: Arithmetic> WithSimd for Largest<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut largest = [0.0f64; LANES];
        let (chunks, rest) = self.0.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                let size = chunk[lane].to_f64().abs();
                largest[lane] = if size > largest[lane] { size } else { largest[lane] };
            }
        }
        rest.iter().map(|x| x.to_f64()).chain(largest).fold(0.0, |most, x| most.max(x.abs()))
    }
}

struct Axpy<'a, T>(&'a mut [T], f64, &'a [T]);

impl<T: Arithmetic> WithSimd for Axpy<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Axpy(y, factor, x) = self;
        for (y, x) in y.iter_mut().zip(x) {
            *y = T::from_f64(y.to_f64() + factor * x.to_f64());
        }
    }
}

/// A function of the elements of two vectors.
struct Elementwise<'a, T, F>(&'a mut [T], &'a [T], &'a [T], F);

impl<T: Arithmetic, F: Fn(f64, f64) -> f64> WithSimd for Elementwise<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Elementwise(out, a, b, function) = self;
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = T::from_f64(function(a.to_f64(), b.to_f64()));
        }
    }
}

struct Scale<'a, T>(&'a mut [T], f64);

impl<T: Arithmetic> WithSimd for Scale<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Scale(x, factor) = self;
        for x in x {
            *x = T::from_f64(x.to_f64() * factor);
        }
    }
}
