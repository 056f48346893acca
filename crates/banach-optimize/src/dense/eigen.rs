//! Eigenvalues and eigenvectors of symmetric matrices.

use faer::{MatRef, Side};

/// The decomposition A = V diag(λ) Vᵀ of a symmetric matrix.
#[derive(Clone, Debug)]
pub(crate) struct Eigen {
    /// The eigenvalues, in ascending order.
    pub(crate) values: Vec<f64>,
    /// The eigenvectors, one after the other.
    pub(crate) vectors: Vec<f64>,
}

impl Eigen {
    /// Decomposes the symmetric part of a row-major matrix; None where there are no finite eigenvalues.
    pub(crate) fn new(a: &[f64], n: usize) -> Option<Self> {
        if !a.iter().all(|x| x.is_finite()) {
            return None;
        }
        let symmetric: Vec<f64> = (0..n * n).map(|at| 0.5 * (a[at] + a[at % n * n + at / n])).collect();
        let found = MatRef::from_row_major_slice(&symmetric, n, n).self_adjoint_eigen(Side::Lower).ok()?;
        let (vectors, values) = (found.U(), found.S());
        let values: Vec<f64> = (0..n).map(|i| values[i]).collect();
        let vectors: Vec<f64> = (0..n * n).map(|at| vectors[(at % n, at / n)]).collect();
        Some(Eigen { values, vectors })
    }

    /// Returns Σ f(λᵢ) vᵢ vᵢᵀ, row-major.
    pub(crate) fn spectral(&self, f: impl Fn(f64) -> f64) -> Vec<f64> {
        let n = self.values.len();
        let mut out = vec![0.0; n * n];
        for (value, v) in self.values.iter().zip(self.vectors.chunks_exact(n.max(1))) {
            let factor = f(*value);
            if factor != 0.0 {
                super::vector::add_outer_product(&mut out, factor, v, v);
            }
        }
        out
    }
}
