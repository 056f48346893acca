//! Products with matrices of eight problems side by side.

use super::lanes::Lanes;
use super::packed::{packed, triangle_row};
use super::registers::{Kernel, Register, run};
use super::rows::{add_rows, fours, products};
use pulp::Simd;
use std::array::from_fn;

/// The lower triangle of V Vᵀ, for a matrix V with k rows of n columns.
pub(crate) fn gram(v: &[Lanes], n: usize, k: usize, out: &mut [Lanes]) {
    struct Gram<'a>(&'a [Lanes], usize, usize, &'a mut [Lanes]);

    #[inline(always)]
    fn block<S: Simd, const N: usize, const R: usize>(
        simd: S,
        v: &[Lanes],
        n: usize,
        i: usize,
        out: &mut [Lanes],
    ) {
        let of = |i: usize| &v[i * n..(i + 1) * n];
        let mine: [&[Lanes]; R] = from_fn(|r| of(i + r));
        let (blocks, rest) = fours(i + R);
        for j in blocks {
            let sums = products::<S, N, R, 4>(simd, mine, from_fn(|c| of(j + c)));
            for r in 0..R {
                for c in 0..4 {
                    if j + c <= i + r {
                        sums[r][c].store(&mut out[packed(i + r) + j + c]);
                    }
                }
            }
        }
        for j in rest {
            let sums = products::<S, N, R, 1>(simd, mine, [of(j)]);
            for r in 0..R {
                sums[r][0].store(&mut out[packed(i + r) + j]);
            }
        }
    }

    impl Kernel for Gram<'_> {
        #[inline(always)]
        fn run<S: Simd, const N: usize>(self, simd: S) {
            let Gram(v, n, k, out) = self;
            let (blocks, rest) = fours(k);
            for i in blocks {
                block::<S, N, 4>(simd, v, n, i, out);
            }
            for i in rest {
                block::<S, N, 1>(simd, v, n, i, out);
            }
        }
    }

    run(Gram(v, n, k, out));
}

/// y += A x for a symmetric A, of which the lower triangle is given.
pub(crate) fn add_symmetric_product(y: &mut [Lanes], a: &[Lanes], x: &[Lanes]) {
    struct Product<'a>(&'a mut [Lanes], &'a [Lanes], &'a [Lanes]);

    /// Rows i to i + R left of the diagonal and on it, and the columns above.
    #[inline(always)]
    fn block<S: Simd, const N: usize, const R: usize>(
        simd: S,
        y: &mut [Lanes],
        a: &[Lanes],
        x: &[Lanes],
        i: usize,
    ) {
        let of: [&[Lanes]; R] = from_fn(|r| triangle_row(a, i + r));
        let known: [Register<S, N>; R] = from_fn(|r| Register::load(simd, &x[i + r]));
        let mut sums: [Register<S, N>; R] = from_fn(|r| Register::load(simd, &y[i + r]));
        let left = of.map(|row| &row[..i]);
        let (before, x) = (&mut y[..i], &x[..i]);
        for at in 0..i {
            let (x, mut sum) = (Register::load(simd, &x[at]), Register::load(simd, &before[at]));
            for r in 0..R {
                let a = Register::load(simd, &left[r][at]);
                sum = sum.plus_product(a, known[r]);
                sums[r] = sums[r].plus_product(a, x);
            }
            sum.store(&mut before[at]);
        }
        for r in 0..R {
            for c in 0..=r {
                let a = Register::load(simd, &of[r][i + c]);
                sums[r] = sums[r].plus_product(a, known[c]);
                if c < r {
                    sums[c] = sums[c].plus_product(a, known[r]);
                }
            }
        }
        for r in 0..R {
            sums[r].store(&mut y[i + r]);
        }
    }

    impl Kernel for Product<'_> {
        #[inline(always)]
        fn run<S: Simd, const N: usize>(self, simd: S) {
            let Product(y, a, x) = self;
            let (blocks, rest) = fours(y.len());
            for i in blocks {
                block::<S, N, 4>(simd, y, a, x, i);
            }
            for i in rest {
                block::<S, N, 1>(simd, y, a, x, i);
            }
        }
    }

    run(Product(y, a, x));
}

/// y += A x for A of shape [y.len(), x.len()].
pub(crate) fn add_product(y: &mut [Lanes], a: &[Lanes], x: &[Lanes]) {
    struct Product<'a>(&'a mut [Lanes], &'a [Lanes], &'a [Lanes]);

    #[inline(always)]
    fn block<S: Simd, const N: usize, const R: usize>(simd: S, y: &mut [Lanes], a: &[Lanes], x: &[Lanes]) {
        let n = x.len();
        let sums = products::<S, N, R, 1>(simd, from_fn(|r| &a[r * n..(r + 1) * n]), [x]);
        for r in 0..R {
            sums[r][0].plus(Register::load(simd, &y[r])).store(&mut y[r]);
        }
    }

    impl Kernel for Product<'_> {
        #[inline(always)]
        fn run<S: Simd, const N: usize>(self, simd: S) {
            let Product(y, a, x) = self;
            let (blocks, rest) = fours(y.len());
            for i in blocks {
                block::<S, N, 4>(simd, &mut y[i..], &a[i * x.len()..], x);
            }
            for i in rest {
                block::<S, N, 1>(simd, &mut y[i..], &a[i * x.len()..], x);
            }
        }
    }

    run(Product(y, a, x));
}

/// y += Aᵀ x for A of shape [x.len(), y.len()].
pub(crate) fn add_transposed_product(y: &mut [Lanes], a: &[Lanes], x: &[Lanes]) {
    struct Product<'a>(&'a mut [Lanes], &'a [Lanes], &'a [Lanes]);

    #[inline(always)]
    fn block<S: Simd, const N: usize, const R: usize>(simd: S, y: &mut [Lanes], a: &[Lanes], x: &[Lanes]) {
        let n = y.len();
        let factors: [Register<S, N>; R] = from_fn(|r| Register::load(simd, &x[r]));
        add_rows(y, factors, from_fn(|r| &a[r * n..(r + 1) * n]), simd);
    }

    impl Kernel for Product<'_> {
        #[inline(always)]
        fn run<S: Simd, const N: usize>(self, simd: S) {
            let Product(y, a, x) = self;
            let (blocks, rest) = fours(x.len());
            for i in blocks {
                block::<S, N, 4>(simd, y, &a[i * y.len()..], &x[i..]);
            }
            for i in rest {
                block::<S, N, 1>(simd, y, &a[i * y.len()..], &x[i..]);
            }
        }
    }

    run(Product(y, a, x));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dense::lanes::LANES;
    use crate::dense::packed::{factor, restrict, solve_rows, solve_transposed};
    use crate::dense::registers::forced::{Level, at};

    fn lanes(count: usize, seed: usize) -> Vec<Lanes> {
        let number = |i: usize, lane: usize| ((i * 31 + lane * 17 + seed * 7) % 23) as f64 / 23.0 - 0.4;
        (0..count).map(|i| Lanes(from_fn(|lane| number(i, lane)))).collect()
    }

    /// One lane.
    fn of(lanes: &[Lanes], lane: usize) -> Vec<f64> {
        lanes.iter().map(|lanes| lanes.0[lane]).collect()
    }

    #[track_caller]
    fn assert_lanes(found: &[Lanes], expected: impl Fn(usize, usize) -> f64) {
        for (i, found) in found.iter().enumerate() {
            for lane in 0..LANES {
                let expected = expected(i, lane);
                assert!((found.0[lane] - expected).abs() < 1e-10, "{i}, lane {lane}: {found:?}, {expected}");
            }
        }
    }

    fn on_every_level(check: impl Fn()) {
        let levels = Level::all().into_iter().map(Some).chain([None]);
        levels.for_each(|level| at(level, &check));
    }

    #[test]
    fn products_are_sums_over_rows_and_columns_with_all_instructions() {
        on_every_level(|| {
            for (k, n) in [(1, 1), (3, 5), (4, 4), (9, 6)] {
                let (a, x, y) = (lanes(k * n, 1), lanes(n, 2), lanes(k, 3));
                let mut found = y.clone();
                add_product(&mut found, &a, &x);
                let row =
                    |i: usize, lane: usize| (0..n).map(|j| a[i * n + j].0[lane] * x[j].0[lane]).sum::<f64>();
                assert_lanes(&found, |i, lane| y[i].0[lane] + row(i, lane));
                let mut found = x.clone();
                add_transposed_product(&mut found, &a, &y);
                let column =
                    |j: usize, lane: usize| (0..k).map(|i| a[i * n + j].0[lane] * y[i].0[lane]).sum::<f64>();
                assert_lanes(&found, |j, lane| x[j].0[lane] + column(j, lane));
                let mut found = vec![Lanes::ZERO; packed(k)];
                gram(&a, n, k, &mut found);
                let element = |i: usize, j: usize, lane: usize| {
                    (0..n).map(|at| a[i * n + at].0[lane] * a[j * n + at].0[lane]).sum::<f64>()
                };
                for i in 0..k {
                    assert_lanes(&found[packed(i)..=packed(i) + i], |j, lane| element(i, j, lane));
                }
            }
        });
    }

    #[test]
    fn factors_solve_the_system_of_their_matrix_with_all_instructions() {
        on_every_level(|| {
            for n in [1, 3, 4, 7, 10] {
                let mut a = vec![Lanes::ZERO; packed(n)];
                gram(&lanes(n * (n + 2), 5), n + 2, n, &mut a);
                (0..n).for_each(|i| a[packed(i) + i] += Lanes::ONE);
                let x = lanes(n, 6);
                let mut solved = vec![Lanes::ZERO; n];
                add_symmetric_product(&mut solved, &a, &x);
                let product = |i: usize, lane: usize| {
                    let a = of(&a, lane);
                    (0..n).map(|j| a[packed(i.max(j)) + i.min(j)] * x[j].0[lane]).sum::<f64>()
                };
                assert_lanes(&solved, product);
                let mut l = a.clone();
                factor(&mut l, n);
                solve_rows(&l, n, &mut solved);
                solve_transposed(&l, &mut solved);
                assert_lanes(&solved, |i, lane| x[i].0[lane]);
            }
        });
    }

    #[test]
    fn a_restricted_triangle_has_rows_of_the_identity_with_all_instructions() {
        on_every_level(|| {
            let (n, a) = (6, lanes(packed(6), 8));
            let is_active = |i: usize, lane: usize| !(i + lane).is_multiple_of(3);
            let one = |there: bool| if there { 1.0 } else { 0.0 };
            let mask: Vec<Lanes> = (0..n).map(|i| Lanes(from_fn(|lane| one(is_active(i, lane))))).collect();
            let mut found = vec![Lanes::ZERO; packed(n)];
            restrict(&a, &mask, &mut found);
            for i in 0..n {
                assert_lanes(&found[packed(i)..=packed(i) + i], |j, lane| {
                    let both = is_active(i, lane) && is_active(j, lane);
                    if both { a[packed(i) + j].0[lane] } else { one(i == j) }
                });
            }
        });
    }
}
