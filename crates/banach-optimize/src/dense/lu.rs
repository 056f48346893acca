//! LU factors of row-major matrices, with scaled rows and one step of iterative refinement.

use super::vector::{add_product, add_transposed_product, largest};
use faer::linalg::solvers::{PartialPivLu, Solve};
use faer::{MatMut, MatRef};

/// A pivot below this share of the largest element of its scaled row counts as zero.
const SINGULAR: f64 = 1e-14;

/// Factors of a square matrix A, whose rows are scaled to a largest element of 1.
#[derive(Debug)]
pub(crate) struct Lu {
    a: Vec<f64>,
    n: usize,
    scales: Vec<f64>,
    factors: PartialPivLu<f64>,
}

impl Lu {
    /// Factors a row-major matrix; None where it is singular to working precision or not finite.
    pub(crate) fn new(a: Vec<f64>, n: usize) -> Option<Self> {
        let scales: Vec<f64> = a.chunks_exact(n.max(1)).map(|row| 1.0 / largest(row)).collect();
        if !scales.iter().all(|scale| scale.is_finite() && *scale > 0.0) {
            return None;
        }
        let scaled: Vec<f64> = a
            .chunks_exact(n)
            .zip(&scales)
            .flat_map(|(row, scale)| row.iter().map(move |x| x * scale))
            .collect();
        let factors = MatRef::from_row_major_slice(&scaled, n, n).partial_piv_lu();
        let upper = factors.U();
        let regular = (0..n).all(|i| upper[(i, i)].abs() > SINGULAR);
        regular.then_some(Lu { a, n, scales, factors })
    }

    /// b <- A⁻¹ b, or A⁻ᵀ b.
    pub(crate) fn solve(&self, b: &mut [f64], transposed: bool) {
        let given = b.to_vec();
        self.solve_once(b, transposed);
        let mut rest = given;
        if transposed {
            add_transposed_product(&mut rest, -1.0, &self.a, b);
        } else {
            add_product(&mut rest, -1.0, &self.a, b);
        }
        self.solve_once(&mut rest, transposed);
        b.iter_mut().zip(&rest).for_each(|(b, correction)| *b += correction);
    }

    fn solve_once(&self, b: &mut [f64], transposed: bool) {
        let scale = |b: &mut [f64]| b.iter_mut().zip(&self.scales).for_each(|(b, scale)| *b *= scale);
        if !transposed {
            scale(b);
        }
        let column = MatMut::from_column_major_slice_mut(&mut *b, self.n, 1);
        if transposed {
            self.factors.solve_transpose_in_place(column);
            scale(b);
        } else {
            self.factors.solve_in_place(column);
        }
    }
}
