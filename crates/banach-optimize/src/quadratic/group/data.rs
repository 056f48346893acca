//! The data of eight rows side by side, and what the iteration does not change.
//!
//! With Q = L Lᵀ, C = [G; A] and d = [h; b], the dual of a program is
//!
//! ```text
//! minimise ½ yᵀ M y + cᵀ y   subject to   λ ≥ 0,      M = W Wᵀ,  W = C L⁻ᵀ,  c = d + W L⁻¹ q
//! ```
//!
//! and the constraints have the slacks d - Cx = M y + c at x = -Q⁻¹ (q + Cᵀy).

use crate::dense::buffer::Buffer;
use crate::dense::lanes::{LANES, Lanes};
use crate::dense::packed::{factor, packed, solve_rows, triangle_row};
use crate::dense::product::{add_product, gram};
use crate::quadratic::row::{Row, Sizes};
use std::array::from_fn;

/// The data of a group. Triangles are packed row after row.
#[derive(Clone, Debug)]
pub(super) struct Data {
    pub(super) sizes: Sizes,
    /// The lower triangle of Q.
    pub(super) hessian: Buffer<Lanes>,
    /// L
    pub(super) factor: Buffer<Lanes>,
    /// q
    pub(super) linear: Buffer<Lanes>,
    /// C
    pub(super) constraints: Buffer<Lanes>,
    /// d
    pub(super) bounds: Buffer<Lanes>,
    /// W
    pub(super) reduced: Buffer<Lanes>,
}

/// The dual programs of a group.
#[derive(Clone, Debug)]
pub(super) struct Dual {
    /// The lower triangle of M.
    pub(super) gram: Buffer<Lanes>,
    /// c
    pub(super) linear: Buffer<Lanes>,
    /// W L⁻¹ q = C Q⁻¹ q
    pub(super) pulled: Buffer<Lanes>,
    /// 1 + max |d|
    pub(super) scale: Lanes,
}

/// One vector or matrix of every row, and another below it.
fn side_by_side<'a>(rows: &[Row<'a>; LANES], of: impl Fn(&Row<'a>) -> [&'a [f64]; 2]) -> Buffer<Lanes> {
    let all: [[&[f64]; 2]; LANES] = from_fn(|lane| of(&rows[lane]));
    let part = |part: usize| {
        let slices = all.map(|parts| &parts[part][..all[0][part].len()]);
        (0..slices[0].len()).map(move |at| Lanes(from_fn(|lane| slices[lane][at])))
    };
    Buffer::collect(all[0][0].len() + all[0][1].len(), part(0).chain(part(1)))
}

impl Data {
    /// Factors Q and reduces the constraints. A lane whose Q is not positive definite becomes NaN.
    pub(super) fn new(rows: &[Row<'_>; LANES]) -> Self {
        let sizes = rows[0].sizes;
        let n = sizes.n;
        let mut hessian = Buffer::zeros(packed(n));
        for i in 0..n {
            let mean = |row: &Row<'_>, j: usize| 0.5 * (row.hessian[i * n + j] + row.hessian[j * n + i]);
            for (j, out) in hessian[packed(i)..=packed(i) + i].iter_mut().enumerate() {
                *out = Lanes(from_fn(|lane| mean(&rows[lane], j)));
            }
        }
        let mut l = hessian.clone();
        factor(&mut l, n);
        let constraints = side_by_side(rows, |row| [row.g, row.a]);
        let mut reduced = constraints.clone();
        solve_rows(&l, n, &mut reduced);
        Data {
            sizes,
            hessian,
            factor: l,
            linear: side_by_side(rows, |row| [row.linear, &[]]),
            constraints,
            bounds: side_by_side(rows, |row| [row.h, row.b]),
            reduced,
        }
    }

    /// The number of constraints.
    pub(super) fn constraint_count(&self) -> usize {
        self.sizes.m + self.sizes.p
    }

    pub(super) fn dual(&self) -> Dual {
        let (n, k) = (self.sizes.n, self.constraint_count());
        let mut gram_matrix = Buffer::zeros(packed(k));
        gram(&self.reduced, n, k, &mut gram_matrix);
        let mut start = self.linear.clone();
        solve_rows(&self.factor, n, &mut start);
        let mut pulled = Buffer::zeros(k);
        add_product(&mut pulled, &self.reduced, &start);
        let sums = self.bounds.iter().zip(&pulled[..]).map(|(d, pulled)| *d + *pulled);
        let linear = Buffer::collect(k, sums);
        let scale = self.bounds.iter().fold(Lanes::ZERO, |scale, d| scale.max(d.map(f64::abs)));
        Dual { gram: gram_matrix, linear, pulled, scale: scale + Lanes::ONE }
    }
}

/// The smallest pivot of a factor as a share of the largest diagonal element of its matrix, in one lane, over the
/// rows that count; NaN where the matrix is not positive definite.
pub(super) fn pivot_ratio(
    matrix: &[Lanes],
    factor: &[Lanes],
    lane: usize,
    rows: impl Iterator<Item = usize>,
) -> f64 {
    let diagonal = |a: &[Lanes], i: usize| triangle_row(a, i)[i].0[lane];
    let (mut largest, mut reciprocal): (f64, f64) = (0.0, 0.0);
    for i in rows {
        let found = diagonal(factor, i);
        if found.is_nan() {
            return f64::NAN;
        }
        largest = largest.max(diagonal(matrix, i));
        reciprocal = reciprocal.max(found);
    }
    if largest == 0.0 { 1.0 } else { 1.0 / (reciprocal * reciprocal) / largest }
}
