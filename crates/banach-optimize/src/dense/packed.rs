//! Triangular matrices of eight problems side by side: Cholesky factors, and solves with them.
//!
//! A lower triangle is stored row after row, row i with its i + 1 elements. A factor L holds the reciprocals of its
//! diagonal. Rows are treated four at a time where there are four, which depends on sizes alone, so every sum has one
//! order of its terms.

use super::lanes::Lanes;
use super::registers::{Kernel, Register, run};
use super::rows::{add_rows, fours, products};
use pulp::Simd;
use std::array::from_fn;

/// The number of elements of a triangle with n rows.
pub(crate) fn packed(n: usize) -> usize {
    n * (n + 1) / 2
}

/// Row i of a triangle.
#[inline(always)]
pub(crate) fn triangle_row(a: &[Lanes], i: usize) -> &[Lanes] {
    &a[packed(i)..packed(i) + i + 1]
}

/// Columns j to j + C of x <- x L⁻ᵀ for the R rows x of `rows` that begin at `starts`.
#[inline(always)]
fn eliminate_columns<S: Simd, const N: usize, const R: usize, const C: usize>(
    simd: S,
    l: &[Lanes],
    j: usize,
    rows: &mut [Lanes],
    starts: [usize; R],
) {
    let of: [&[Lanes]; C] = from_fn(|c| triangle_row(l, j + c));
    let sums =
        products::<S, N, R, C>(simd, starts.map(|start| &rows[start..start + j]), of.map(|row| &row[..j]));
    for (&start, sums) in starts.iter().zip(sums) {
        let x = &mut rows[start + j..start + j + C];
        let mut known = [Register::zero(simd); C];
        for c in 0..C {
            let mut rest = Register::load(simd, &x[c]).minus(sums[c]);
            for (u, known) in known.iter().take(c).enumerate() {
                rest = rest.minus_product(*known, Register::load(simd, &of[c][j + u]));
            }
            known[c] = rest.times(Register::load(simd, &of[c][j + c]));
            known[c].store(&mut x[c]);
        }
    }
}

/// x <- x L⁻ᵀ for n columns of R rows.
#[inline(always)]
fn eliminate<S: Simd, const N: usize, const R: usize>(
    simd: S,
    l: &[Lanes],
    n: usize,
    rows: &mut [Lanes],
    starts: [usize; R],
) {
    let (blocks, rest) = fours(n);
    for j in blocks {
        eliminate_columns::<S, N, R, 4>(simd, l, j, rows, starts);
    }
    for j in rest {
        eliminate_columns::<S, N, R, 1>(simd, l, j, rows, starts);
    }
}

/// Factors the rows i to i + R after the rows before them.
#[inline(always)]
fn factor_rows<S: Simd, const N: usize, const R: usize>(simd: S, a: &mut [Lanes], i: usize) {
    let (before, rows) = a.split_at_mut(packed(i));
    let starts: [usize; R] = from_fn(|r| packed(i + r) - packed(i));
    eliminate::<S, N, R>(simd, before, i, rows, starts);
    let of = starts.map(|start| &rows[start..start + i]);
    let sums = products::<S, N, R, R>(simd, of, of);
    let mut known = [[Register::zero(simd); R]; R];
    for r in 0..R {
        for c in 0..=r {
            let place = &mut rows[starts[r] + i + c];
            let mut rest = Register::load(simd, place).minus(sums[r][c]);
            for (a, b) in known[r].iter().zip(&known[c]).take(c) {
                rest = rest.minus_product(*a, *b);
            }
            known[r][c] = if r == c { rest.reciprocal_root() } else { rest.times(known[c][c]) };
            known[r][c].store(place);
        }
    }
}

/// Factors the symmetric A = L Lᵀ in place. A lane that is not positive definite becomes NaN.
pub(crate) fn factor(a: &mut [Lanes], n: usize) {
    struct Factor<'a>(&'a mut [Lanes], usize);

    impl Kernel for Factor<'_> {
        #[inline(always)]
        fn run<S: Simd, const N: usize>(self, simd: S) {
            let (blocks, rest) = fours(self.1);
            for i in blocks {
                factor_rows::<S, N, 4>(simd, self.0, i);
            }
            for i in rest {
                factor_rows::<S, N, 1>(simd, self.0, i);
            }
        }
    }

    run(Factor(a, n));
}

/// A triangle with the rows and columns of the lanes where `mask` is zero replaced by those of the identity; `mask` is
/// one elsewhere.
pub(crate) fn restrict(a: &[Lanes], mask: &[Lanes], out: &mut [Lanes]) {
    struct Restrict<'a>(&'a [Lanes], &'a [Lanes], &'a mut [Lanes]);

    impl Kernel for Restrict<'_> {
        #[inline(always)]
        fn run<S: Simd, const N: usize>(self, simd: S) {
            let Restrict(a, mask, out) = self;
            let one = Register::<S, N>::load(simd, &Lanes::ONE);
            for i in 0..mask.len() {
                let active = Register::load(simd, &mask[i]);
                let (row, out) = (triangle_row(a, i), &mut out[packed(i)..packed(i) + i + 1]);
                for j in 0..i {
                    let both = active.times(Register::load(simd, &mask[j]));
                    Register::load(simd, &row[j]).times(both).store(&mut out[j]);
                }
                let diagonal = one.minus(active).plus_product(Register::load(simd, &row[i]), active);
                diagonal.store(&mut out[i]);
            }
        }
    }

    run(Restrict(a, mask, out));
}

/// x <- L⁻¹ x for every row x of a matrix with n columns.
pub(crate) fn solve_rows(l: &[Lanes], n: usize, rows: &mut [Lanes]) {
    struct Solve<'a>(&'a [Lanes], usize, &'a mut [Lanes]);

    impl Kernel for Solve<'_> {
        #[inline(always)]
        fn run<S: Simd, const N: usize>(self, simd: S) {
            let Solve(l, n, x) = self;
            let (blocks, rest) = fours(x.len() / n.max(1));
            for i in blocks {
                eliminate::<S, N, 4>(simd, l, n, x, from_fn(|r| (i + r) * n));
            }
            for i in rest {
                eliminate::<S, N, 1>(simd, l, n, x, [i * n]);
            }
        }
    }

    run(Solve(l, n, rows));
}

/// Columns j to j + C of x <- L⁻ᵀ x, after those behind them.
#[inline(always)]
fn eliminate_back<S: Simd, const N: usize, const C: usize>(simd: S, l: &[Lanes], j: usize, x: &mut [Lanes]) {
    let of: [&[Lanes]; C] = from_fn(|c| triangle_row(l, j + c));
    let (before, x) = x.split_at_mut(j);
    let mut known: [Register<S, N>; C] = from_fn(|c| Register::load(simd, &x[c]));
    for c in (0..C).rev() {
        known[c] = known[c].times(Register::load(simd, &of[c][j + c]));
        for u in 0..c {
            known[u] = known[u].minus_product(known[c], Register::load(simd, &of[c][j + u]));
        }
        known[c].store(&mut x[c]);
    }
    add_rows(before, known.map(Register::negated), of, simd);
}

/// x <- L⁻ᵀ x
pub(crate) fn solve_transposed(l: &[Lanes], x: &mut [Lanes]) {
    struct Solve<'a>(&'a [Lanes], &'a mut [Lanes]);

    impl Kernel for Solve<'_> {
        #[inline(always)]
        fn run<S: Simd, const N: usize>(self, simd: S) {
            let (blocks, rest) = fours(self.1.len());
            for j in rest.rev() {
                eliminate_back::<S, N, 1>(simd, self.0, j, self.1);
            }
            for j in blocks.rev() {
                eliminate_back::<S, N, 4>(simd, self.0, j, self.1);
            }
        }
    }

    run(Solve(l, x));
}
