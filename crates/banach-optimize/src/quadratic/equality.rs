//! The optimality system of active constraints, factored once for the solution and its derivatives.
//!
//! With the active rows C of G and all of A, the system is
//!
//! ```text
//! [ Q  Cᵀ ] [ x ]   [ r ]
//! [ C  0  ] [ y ] = [ d ]
//! ```
//!
//! It is solved by elimination of x with H = Q + ρ CᵀC = L Lᵀ, which has the solution of the system with Q
//! (ρ = 0 where Q is positive definite), and refined against the system itself.

use super::curvature::{RangeSpace, symmetric};
use super::row::Row;
use crate::dense::cholesky::{
    Scratch, add_gram, add_gram_of_rows, factor, solve_lower, solve_lower_columns, solve_lower_transposed,
};
use crate::dense::vector::{add_product, add_scaled, add_transposed_product, dot, largest};
use std::sync::Arc;

/// Pivot ratios below these count as zero.
const FLAT: f64 = 1e-12;
pub(super) const DEPENDENT: f64 = 1e-12;
/// The share of the largest diagonal element that is added where a matrix is singular.
const REGULARIZATION: f64 = 1e-9;
const REFINEMENTS: usize = 3;

/// The factored system of an active set.
#[derive(Clone, Debug)]
pub(crate) struct EqualitySystem {
    /// The active inequalities.
    pub(crate) active: Vec<usize>,
    /// Whether H is singular: the objective is flat along the active constraints.
    pub(crate) flat: bool,
    /// Whether the active constraints depend on one another.
    pub(crate) dependent: bool,
    rho: f64,
    l: Arc<Vec<f64>>,
    /// L⁻¹ Cᵀ
    v: Vec<f64>,
    /// The Cholesky factor of VᵀV.
    k: Vec<f64>,
}

/// Factors A, and where that fails A with a regularized diagonal; returns whether A is singular.
fn factor_regularized(a: &mut Vec<f64>, n: usize, threshold: f64, scratch: &mut Scratch) -> Option<bool> {
    let given = a.clone();
    if factor(a, n, scratch).is_some_and(|ratio| ratio > threshold) {
        return Some(false);
    }
    let largest = (0..n).fold(0.0, |largest: f64, i| largest.max(given[i * n + i]));
    let added = REGULARIZATION * if largest > 0.0 { largest } else { 1.0 };
    *a = given;
    (0..n).for_each(|i| a[i * n + i] += added);
    factor(a, n, scratch).map(|_| true)
}

impl EqualitySystem {
    /// Factors the system of the active inequalities; None where numbers overflow.
    pub(crate) fn new(
        row: &Row<'_>,
        range: Option<&RangeSpace>,
        active: Vec<usize>,
        scratch: &mut Scratch,
    ) -> Option<Self> {
        let (n, m, p) = (row.sizes.n, row.sizes.m, row.sizes.p);
        let constraints: Vec<usize> = active.iter().copied().chain(m..m + p).collect();
        let k = constraints.len();
        if let Some(range) = range {
            let all = m + p;
            let column = |at: usize| &range.v[at * n..(at + 1) * n];
            let v: Vec<f64> = constraints.iter().flat_map(|&at| column(at)).copied().collect();
            let mut gram = vec![0.0; k * k];
            for (j, &column) in constraints.iter().enumerate() {
                for (i, &other) in constraints.iter().enumerate().skip(j) {
                    gram[j * k + i] = range.gram[column * all + other];
                }
            }
            let dependent = factor_regularized(&mut gram, k, DEPENDENT, scratch)?;
            let l = Arc::clone(&range.l);
            return Some(EqualitySystem { active, flat: false, dependent, rho: 0.0, l, v, k: gram });
        }
        let mut v: Vec<f64> = constraints.iter().flat_map(|&at| row.constraint(at)).copied().collect();
        let mut h = symmetric(row.hessian, n);
        let size = v.chunks_exact(n).fold(0.0, |size: f64, c| size.max(dot(c, c)));
        let curvature = largest(&h);
        let rho = if size > 0.0 { if curvature > 0.0 { curvature / size } else { 1.0 / size } } else { 0.0 };
        let scaled: Vec<f64> = v.iter().map(|c| c * rho.sqrt()).collect();
        add_gram_of_rows(&scaled, n, k, &mut h);
        let flat = factor_regularized(&mut h, n, FLAT, scratch)?;
        solve_lower_columns(&h, n, &mut v);
        let mut gram = vec![0.0; k * k];
        add_gram(&v, n, k, &mut gram);
        let dependent = factor_regularized(&mut gram, k, DEPENDENT, scratch)?;
        Some(EqualitySystem { active, flat, dependent, rho, l: Arc::new(h), v, k: gram })
    }

    /// The number of unknowns: of x and of the multipliers of the active constraints.
    pub(crate) fn len(&self, row: &Row<'_>) -> usize {
        row.sizes.n + self.active.len() + row.sizes.p
    }

    /// b <- the solution, refined.
    pub(crate) fn solve(&self, row: &Row<'_>, b: &mut [f64]) {
        let mut rest = b.to_vec();
        let given = b.to_vec();
        let scale = largest(&given);
        b.fill(0.0);
        let mut before = f64::INFINITY;
        for _ in 0..=REFINEMENTS {
            self.solve_once(row, &mut rest);
            add_scaled(b, 1.0, &rest);
            rest.copy_from_slice(&given);
            self.subtract_product(row, b, &mut rest);
            let size = largest(&rest);
            if size.is_nan() || size <= 1e-16 * scale || size >= 0.5 * before {
                break;
            }
            before = size;
        }
    }

    fn solve_once(&self, row: &Row<'_>, b: &mut [f64]) {
        let (r, d) = b.split_at_mut(row.sizes.n);
        if self.rho > 0.0 {
            self.add_pulled(row, self.rho, d, r);
        }
        solve_lower(&self.l, r);
        d.iter_mut().for_each(|d| *d = -*d);
        add_product(d, 1.0, &self.v, r);
        solve_lower(&self.k, d);
        solve_lower_transposed(&self.k, d);
        add_transposed_product(r, -1.0, &self.v, d);
        solve_lower_transposed(&self.l, r);
    }

    /// out += factor Cᵀ y
    fn add_pulled(&self, row: &Row<'_>, factor: f64, y: &[f64], out: &mut [f64]) {
        let (of_active, of_equalities) = y.split_at(self.active.len());
        for (&at, y) in self.active.iter().zip(of_active) {
            add_scaled(out, factor * y, row.constraint(at));
        }
        add_transposed_product(out, factor, row.a, of_equalities);
    }

    fn subtract_product(&self, row: &Row<'_>, z: &[f64], out: &mut [f64]) {
        let (x, y) = z.split_at(row.sizes.n);
        let (out_x, out_y) = out.split_at_mut(row.sizes.n);
        let mut product = vec![0.0; x.len()];
        row.add_hessian_product(x, &mut product);
        self.add_pulled(row, 1.0, y, &mut product);
        add_scaled(out_x, -1.0, &product);
        let (out_active, out_equalities) = out_y.split_at_mut(self.active.len());
        for (&at, out) in self.active.iter().zip(out_active) {
            *out -= dot(row.constraint(at), x);
        }
        add_product(out_equalities, -1.0, row.a, x);
    }
}
