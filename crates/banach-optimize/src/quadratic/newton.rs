//! Newton systems of the interior-point method.
//!
//! ```text
//! [ Q  Gᵀ  Aᵀ ]
//! [ G  -D  0  ]      D = diag(s / λ)
//! [ A  0   0  ]
//! ```
//!
//! Two eliminations: with Q = L Lᵀ computed once, the Schur complement C Q⁻¹ Cᵀ + D of all constraints C = [G; A]
//! is factored in every step (range space). Otherwise Q + Gᵀ D⁻¹ G + ρ AᵀA is factored in every step (normal
//! equations). Both are refined against the system itself.

use super::curvature::{RangeSpace, symmetric};
use super::row::{Row, parts, parts_mut};
use crate::dense::cholesky::{
    Scratch, add_gram, add_gram_of_rows, factor, solve_lower, solve_lower_columns, solve_lower_transposed,
};
use crate::dense::vector::{add_product, add_scaled, add_transposed_product, dot, largest};

/// The share of the diagonal that keeps a factor positive definite; refinement removes its effect.
pub(super) const REGULARIZATION: f64 = 1e-13;
const REFINEMENTS: usize = 3;
/// Refinement ends at this residual, relative to the right-hand side. The next step corrects what is left, and the
/// active-set finish is exact.
const ACCURACY: f64 = 1e-10;

/// A Newton system, whose memory is reused in every step.
#[derive(Debug)]
pub(super) struct Newton<'a> {
    row: &'a Row<'a>,
    range: Option<&'a RangeSpace>,
    /// The symmetric part of Q, for the normal equations alone.
    hessian: Vec<f64>,
    rho: f64,
    d: Vec<f64>,
    l: Vec<f64>,
    v: Vec<f64>,
    k: Vec<f64>,
    scaled: Vec<f64>,
    rest: Vec<f64>,
    product: Vec<f64>,
    scratch: Scratch,
}

impl<'a> Newton<'a> {
    pub(super) fn new(row: &'a Row<'a>, range: Option<&'a RangeSpace>) -> Self {
        let (n, m, p) = (row.sizes.n, row.sizes.m, row.sizes.p);
        let size = row.sizes.point();
        let normal = range.is_none();
        let hessian = if normal { symmetric(row.hessian, n) } else { vec![] };
        let norm = row.a.chunks_exact(n).fold(0.0, |norm: f64, a| norm.max(dot(a, a)));
        let rho = if norm > 0.0 { largest(&hessian).max(1.0) / norm } else { 0.0 };
        let k = if normal { p } else { m + p };
        Newton {
            row,
            range,
            hessian,
            rho,
            d: vec![0.0; m],
            l: if normal { vec![0.0; n * n] } else { vec![] },
            v: if normal { vec![0.0; p * n] } else { vec![] },
            k: vec![0.0; k * k],
            scaled: if normal { vec![0.0; m.max(p) * n] } else { vec![] },
            rest: vec![0.0; size],
            product: vec![0.0; size],
            scratch: Scratch::default(),
        }
    }

    /// Factors the system for a diagonal D; false where rounding leaves no positive definite matrix.
    pub(super) fn factor(&mut self, d: &[f64]) -> bool {
        self.d.copy_from_slice(d);
        match self.range {
            Some(range) => {
                let k = self.row.sizes.m + self.row.sizes.p;
                self.k.copy_from_slice(&range.gram);
                let largest = (0..k).fold(0.0, |largest: f64, i| largest.max(self.k[i * k + i]));
                for i in 0..k {
                    self.k[i * k + i] += REGULARIZATION * largest + d.get(i).copied().unwrap_or(0.0);
                }
                factor(&mut self.k, k, &mut self.scratch).is_some()
            }
            None => self.factor_normal(d),
        }
    }

    fn factor_normal(&mut self, d: &[f64]) -> bool {
        let (n, m, p) = (self.row.sizes.n, self.row.sizes.m, self.row.sizes.p);
        self.l.copy_from_slice(&self.hessian);
        for ((scaled, g), d) in self.scaled.chunks_exact_mut(n).zip(self.row.g.chunks_exact(n)).zip(d) {
            let factor = 1.0 / d.sqrt();
            scaled.iter_mut().zip(g).for_each(|(scaled, g)| *scaled = factor * g);
        }
        add_gram_of_rows(&self.scaled[..m * n], n, m, &mut self.l);
        let factor_a = self.rho.sqrt();
        self.scaled.iter_mut().zip(self.row.a).for_each(|(scaled, a)| *scaled = factor_a * a);
        add_gram_of_rows(&self.scaled[..p * n], n, p, &mut self.l);
        let largest = (0..n).fold(0.0, |largest: f64, i| largest.max(self.l[i * n + i]));
        let added = REGULARIZATION * if largest > 0.0 { largest } else { 1.0 };
        (0..n).for_each(|i| self.l[i * n + i] += added);
        if factor(&mut self.l, n, &mut self.scratch).is_none() {
            return false;
        }
        self.v.copy_from_slice(self.row.a);
        solve_lower_columns(&self.l, n, &mut self.v);
        self.k.fill(0.0);
        add_gram(&self.v, n, p, &mut self.k);
        let largest = (0..p).fold(0.0, |largest: f64, i| largest.max(self.k[i * p + i]));
        (0..p).for_each(|i| self.k[i * p + i] += REGULARIZATION * largest);
        factor(&mut self.k, p, &mut self.scratch).is_some()
    }

    /// Solves for a right-hand side [r, rλ, rν] into `out`, refined.
    pub(super) fn solve(&mut self, given: &[f64], out: &mut [f64]) {
        let scale = largest(given);
        out.fill(0.0);
        let mut rest = std::mem::take(&mut self.rest);
        rest.copy_from_slice(given);
        let mut before = f64::INFINITY;
        for _ in 0..=REFINEMENTS {
            self.solve_once(&mut rest);
            add_scaled(out, 1.0, &rest);
            rest.copy_from_slice(given);
            self.subtract_product(out, &mut rest);
            let size = largest(&rest);
            if size.is_nan() || size <= ACCURACY * scale || size >= 0.5 * before {
                break;
            }
            before = size;
        }
        self.rest = rest;
    }

    fn solve_once(&self, b: &mut [f64]) {
        let (r, duals) = b.split_at_mut(self.row.sizes.n);
        if let Some(range) = self.range {
            eliminate((&range.l, &range.v, &self.k), r, duals);
            return;
        }
        let (lambda, nu) = duals.split_at_mut(self.row.sizes.m);
        lambda.iter_mut().zip(&self.d).for_each(|(lambda, d)| *lambda /= d);
        add_transposed_product(r, 1.0, self.row.g, lambda);
        add_transposed_product(r, self.rho, self.row.a, nu);
        eliminate((&self.l, &self.v, &self.k), r, nu);
        for ((lambda, d), g) in lambda.iter_mut().zip(&self.d).zip(self.row.g.chunks_exact(r.len())) {
            *lambda = dot(g, r) / d - *lambda;
        }
    }

    fn subtract_product(&mut self, y: &[f64], out: &mut [f64]) {
        let sizes = self.row.sizes;
        let (x, lambda, nu) = parts(y, sizes);
        let product = &mut self.product[..sizes.n];
        product.fill(0.0);
        self.row.add_hessian_product(x, product);
        self.row.add_pulled_duals(lambda, nu, product);
        let (out_x, out_lambda, out_nu) = parts_mut(out, sizes);
        add_scaled(out_x, -1.0, product);
        add_product(out_lambda, -1.0, self.row.g, x);
        for ((out, d), lambda) in out_lambda.iter_mut().zip(&self.d).zip(lambda) {
            *out += d * lambda;
        }
        add_product(out_nu, -1.0, self.row.a, x);
    }
}

/// Solves [[L Lᵀ, C], [Cᵀ, -D]] in place, with V = L⁻¹ C and the Cholesky factor of VᵀV + D.
fn eliminate((l, v, k): (&[f64], &[f64], &[f64]), r: &mut [f64], d: &mut [f64]) {
    solve_lower(l, r);
    d.iter_mut().for_each(|d| *d = -*d);
    add_product(d, 1.0, v, r);
    solve_lower(k, d);
    solve_lower_transposed(k, d);
    add_transposed_product(r, -1.0, v, d);
    solve_lower_transposed(l, r);
}
