//! Cholesky factors, triangular solves with them, and Gram matrices.

use super::vector::{accumulate, inner, wide};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltParams, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Accum, MatMut, MatRef, Par, Spec};

/// Scratch memory of factorisations, reused between calls.
#[derive(Default)]
pub(crate) struct Scratch {
    buffer: Option<(usize, MemBuffer)>,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scratch for {:?}", self.buffer.as_ref().map(|(size, _)| size))
    }
}

impl Scratch {
    fn stack(&mut self, n: usize) -> &mut MemStack {
        let large_enough = self.buffer.as_ref().is_some_and(|(size, _)| *size >= n);
        if !large_enough {
            self.buffer = None;
        }
        let new = || {
            let params = Spec::<LltParams, f64>::default();
            (n, MemBuffer::new(cholesky_in_place_scratch::<f64>(n, Par::Seq, params)))
        };
        MemStack::new(&mut self.buffer.get_or_insert_with(new).1)
    }
}

/// Factors the symmetric A = L Lᵀ in place, from and to its lower triangle.
///
/// Returns the smallest pivot as a share of the diagonal element it began as, which is small where A is nearly
/// singular; None where A is not positive definite.
pub(crate) fn factor(a: &mut [f64], n: usize, scratch: &mut Scratch) -> Option<f64> {
    let diagonal = |a: &[f64], i: usize| a[i * n + i];
    if !(0..n).all(|i| diagonal(a, i) > 0.0 && diagonal(a, i).is_finite()) {
        return None;
    }
    let before: f64 = (0..n).fold(0.0, |largest, i| diagonal(a, i).max(largest));
    let matrix = MatMut::from_column_major_slice_mut(&mut *a, n, n);
    cholesky_in_place(matrix, Default::default(), Par::Seq, scratch.stack(n), Default::default()).ok()?;
    let smallest = (0..n).fold(f64::INFINITY, |smallest: f64, i| smallest.min(diagonal(a, i)));
    let ratio = if n == 0 { 1.0 } else { smallest * smallest / before };
    (ratio > 0.0).then_some(ratio)
}

/// B <- L⁻¹ B for k right-hand sides, column by column.
pub(crate) fn solve_lower_columns(l: &[f64], n: usize, b: &mut [f64]) {
    if n == 0 || b.is_empty() {
        return;
    }
    let (l, columns) = (MatRef::from_column_major_slice(l, n, n), b.len() / n);
    solve_lower_triangular_in_place(l, MatMut::from_column_major_slice_mut(b, n, columns), Par::Seq);
}

/// b <- L⁻¹ b
pub(crate) fn solve_lower(l: &[f64], b: &mut [f64]) {
    let n = b.len();
    wide(
        #[inline(always)]
        || {
            for i in 0..n {
                let column = &l[i * n..(i + 1) * n];
                let x = b[i] / column[i];
                b[i] = x;
                accumulate(&mut b[i + 1..], -x, &column[i + 1..]);
            }
        },
    );
}

/// b <- L⁻ᵀ b
pub(crate) fn solve_lower_transposed(l: &[f64], b: &mut [f64]) {
    let n = b.len();
    wide(
        #[inline(always)]
        || {
            for i in (0..n).rev() {
                let column = &l[i * n..(i + 1) * n];
                b[i] = (b[i] - inner(&column[i + 1..], &b[i + 1..])) / column[i];
            }
        },
    );
}

/// Adds V Vᵀ to the lower triangle of `out`, for V of shape [n, k] column by column.
pub(crate) fn add_gram_of_rows(v: &[f64], n: usize, k: usize, out: &mut [f64]) {
    if k > 0 && n > 0 {
        let v = MatRef::from_column_major_slice(v, n, k);
        add_lower_product(v, v.transpose(), out);
    }
}

/// Adds VᵀV to the lower triangle of `out`, for V of shape [n, k] column by column.
pub(crate) fn add_gram(v: &[f64], n: usize, k: usize, out: &mut [f64]) {
    if k > 0 && n > 0 {
        let v = MatRef::from_column_major_slice(v, n, k);
        add_lower_product(v.transpose(), v, out);
    }
}

fn add_lower_product(a: MatRef<'_, f64>, b: MatRef<'_, f64>, out: &mut [f64]) {
    let size = a.nrows();
    matmul(
        MatMut::from_column_major_slice_mut(out, size, size),
        BlockStructure::TriangularLower,
        Accum::Add,
        a,
        BlockStructure::Rectangular,
        b,
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
}
