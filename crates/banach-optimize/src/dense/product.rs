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
