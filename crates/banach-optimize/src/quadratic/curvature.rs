//! Curvature of the objective: Cholesky factors that are computed once, outside the iteration.

use super::row::{Row, Sizes};
use crate::dense::cholesky::{Scratch, add_gram, factor, solve_lower_columns};
use crate::dense::eigen::Eigen;
use std::sync::Arc;

/// Below this pivot ratio, Q is treated as semidefinite.
pub(super) const WELL_CONDITIONED: f64 = 1e-9;
/// Eigenvalues above minus this share of the largest element of Q count as zero.
const ROUNDING: f64 = 1e-10;

/// The curvature of ½ xᵀQx.
#[derive(Clone, Debug)]
pub(crate) enum Curvature {
    /// Q = L Lᵀ, with L column by column.
    Definite(Arc<Vec<f64>>),
    /// Q has eigenvalues near zero.
    Semidefinite,
    /// Q has a negative eigenvalue.
    Indefinite,
}

/// ½ (Q + Qᵀ).
pub(crate) fn symmetric(q: &[f64], n: usize) -> Vec<f64> {
    let mut out = q.to_vec();
    for i in 0..n {
        for j in 0..i {
            let mean = 0.5 * (q[i * n + j] + q[j * n + i]);
            (out[i * n + j], out[j * n + i]) = (mean, mean);
        }
    }
    out
}

impl Curvature {
    /// Factors the symmetric part of Q.
    pub(crate) fn new(q: &[f64], n: usize, scratch: &mut Scratch) -> Self {
        let mut l = symmetric(q, n);
        match factor(&mut l, n, scratch) {
            Some(ratio) if ratio > WELL_CONDITIONED => return Curvature::Definite(Arc::new(l)),
            Some(_) => return Curvature::Semidefinite,
            None => {}
        }
        let scale = q.iter().fold(0.0, |scale: f64, q| scale.max(q.abs()));
        let smallest =
            Eigen::new(q, n).map_or(f64::NAN, |eigen| eigen.values.first().copied().unwrap_or(0.0));
        if smallest >= -ROUNDING * scale * n as f64 { Curvature::Semidefinite } else { Curvature::Indefinite }
    }
}

/// What the range-space method needs of C = [G; A] and Q = L Lᵀ: V = L⁻¹ Cᵀ and VᵀV.
#[derive(Clone, Debug)]
pub(crate) struct RangeSpace {
    pub(crate) l: Arc<Vec<f64>>,
    /// One column for every constraint.
    pub(crate) v: Arc<Vec<f64>>,
    /// The lower triangle, column by column.
    pub(crate) gram: Arc<Vec<f64>>,
}

impl RangeSpace {
    /// Computes V and its Gram matrix.
    pub(crate) fn new(row: &Row<'_>, l: &Arc<Vec<f64>>) -> Self {
        let (n, k) = (row.sizes.n, row.sizes.m + row.sizes.p);
        let mut v = Vec::with_capacity(n * k);
        v.extend_from_slice(row.g);
        v.extend_from_slice(row.a);
        solve_lower_columns(l, n, &mut v);
        let mut gram = vec![0.0; k * k];
        add_gram(&v, n, k, &mut gram);
        RangeSpace { l: Arc::clone(l), v: Arc::new(v), gram: Arc::new(gram) }
    }

    /// Returns whether a step by the range-space method costs less than one by the normal equations.
    pub(crate) fn is_cheaper(sizes: Sizes, steps: usize) -> bool {
        let (n, m, p) = (sizes.n as f64, sizes.m as f64, sizes.p as f64);
        let (k, steps) = (m + p, steps as f64);
        let once = n * n * k / 2.0 + n * k * k / 2.0;
        let range = once + steps * k * k * k / 6.0;
        range <= steps * (n * n * (m + p) / 2.0 + n * n * n / 6.0)
    }
}
