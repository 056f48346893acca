//! Vector arithmetic of solvers, in double precision with one final rounding, bit for bit equal at every
//! level.

use crate::arithmetic::Arithmetic;
use crate::level::Level;
use pulp::{Simd, WithSimd};
use std::array;

/// The number of partial sums: enough to hide the latency of additions at every level.
const LANES: usize = 32;

/// The inner product.
pub(crate) fn dot<T: Arithmetic>(level: Level, a: &[T], b: &[T]) -> f64 {
    let [sum] = level.run(Sums(
        a,
        b,
        #[inline(always)]
        |a: f64, b: f64| [a * b],
    ));
    sum
}

/// The sums of `(gx - x)^2` and of `gx^2`, in one pass.
pub(crate) fn distance_and_size<T: Arithmetic>(level: Level, x: &[T], gx: &[T]) -> (f64, f64) {
    let [distance, size] = level.run(Sums(
        x,
        gx,
        #[inline(always)]
        |x: f64, gx: f64| [(gx - x) * (gx - x), gx * gx],
    ));
    (distance, size)
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
        |a: f64, _: f64| [(a / largest) * (a / largest)],
    ));
    largest * sum.sqrt()
}

/// Adds all `factor x` to y in order, in one pass.
pub(crate) fn combine<T: Arithmetic>(level: Level, y: &mut [T], terms: &[(f64, &[T])]) {
    for (_, x) in terms {
        assert_eq!(x.len(), y.len(), "the lengths of vectors must be equal");
    }
    level.run(Combine(y, terms));
}

/// Writes `a - b` to out.
pub(crate) fn subtract<T: Arithmetic>(level: Level, out: &mut [T], a: &[T], b: &[T]) {
    assert!(a.len() == out.len() && b.len() == out.len(), "the lengths of vectors must be equal");
    level.run(Subtract(out, a, b));
}

/// Multiplies x by a factor.
pub(crate) fn scale<T: Arithmetic>(level: Level, x: &mut [T], factor: f64) {
    level.run(Scale(x, factor));
}

/// K sums over elements of two vectors.
struct Sums<'a, T, F>(&'a [T], &'a [T], F);

impl<T: Arithmetic, F: Fn(f64, f64) -> [f64; K], const K: usize> WithSimd for Sums<'_, T, F> {
    type Output = [f64; K];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [f64; K] {
        let Sums(a, b, term) = self;
        assert_eq!(a.len(), b.len(), "the lengths of vectors must be equal");
        let mut sums = [[0.0; LANES]; K];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                let terms = term(a[lane].to_f64(), b[lane].to_f64());
                for k in 0..K {
                    sums[k][lane] += terms[k];
                }
            }
        }
        for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
            let terms = term(a.to_f64(), b.to_f64());
            for k in 0..K {
                sums[k][lane] += terms[k];
            }
        }
        sums.map(folded)
    }
}

/// The sum of partial sums, by pairwise halving.
#[inline(always)]
fn folded(sums: [f64; LANES]) -> f64 {
    let sums: [f64; LANES / 2] = array::from_fn(|lane| sums[lane] + sums[lane + LANES / 2]);
    let sums: [f64; LANES / 4] = array::from_fn(|lane| sums[lane] + sums[lane + LANES / 4]);
    let sums: [f64; LANES / 8] = array::from_fn(|lane| sums[lane] + sums[lane + LANES / 8]);
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

struct Combine<'a, 'b, T>(&'a mut [T], &'a [(f64, &'b [T])]);

impl<T: Arithmetic> WithSimd for Combine<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Combine(y, terms) = self;
        let (chunks, rest) = y.as_chunks_mut::<LANES>();
        let mut start = 0;
        for chunk in chunks {
            let mut sums: [f64; LANES] = array::from_fn(|lane| chunk[lane].to_f64());
            for (factor, x) in terms {
                let x = &x[start..start + LANES];
                for lane in 0..LANES {
                    sums[lane] += factor * x[lane].to_f64();
                }
            }
            for lane in 0..LANES {
                chunk[lane] = T::from_f64(sums[lane]);
            }
            start += LANES;
        }
        for (lane, y) in rest.iter_mut().enumerate() {
            let add = |sum: f64, (factor, x): &(f64, &[T])| sum + factor * x[start + lane].to_f64();
            *y = T::from_f64(terms.iter().fold(y.to_f64(), add));
        }
    }
}

struct Subtract<'a, T>(&'a mut [T], &'a [T], &'a [T]);

impl<T: Arithmetic> WithSimd for Subtract<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Subtract(out, a, b) = self;
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = T::from_f64(a.to_f64() - b.to_f64());
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
