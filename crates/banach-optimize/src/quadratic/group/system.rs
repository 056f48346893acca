//! The optimality systems of a group's active sets, factored once for the solutions and their derivatives.
//!
//! A constraint that is not active in a lane has zeros for its row and column of M there, and a diagonal element of
//! one, so that its multiplier is zero.

use super::data::{Data, Dual, pivot_ratio};
use crate::dense::buffer::Buffer;
use crate::dense::lanes::{LANES, Lanes};
use crate::dense::packed::{factor, restrict, solve_rows, solve_transposed};
use crate::dense::product::{add_product, add_symmetric_product, add_transposed_product};
use crate::quadratic::equality::DEPENDENT;
use std::array::from_fn;

/// One for an active constraint, zero for another.
pub(super) type Mask = Buffer<Lanes>;

/// The factored systems of a group.
#[derive(Clone, Debug)]
pub(crate) struct GroupSystem {
    pub(super) data: Data,
    pub(super) mask: Mask,
    /// The factor of M with the rows and columns of inactive constraints replaced.
    pub(super) factor: Buffer<Lanes>,
}

impl Dual {
    /// Factors M with the rows and columns of inactive constraints replaced.
    pub(super) fn factor_active(&self, mask: &[Lanes], out: &mut [Lanes]) {
        restrict(&self.gram, mask, out);
        factor(out, mask.len());
    }

    /// The multipliers of the active constraints as equalities, and the slacks d - Cx of all constraints.
    pub(super) fn minimiser(&self, mask: &[Lanes], factor: &[Lanes]) -> (Buffer<Lanes>, Buffer<Lanes>) {
        let right = self.linear.iter().zip(mask).map(|(c, active)| -(*c * *active));
        let mut y = Buffer::collect(mask.len(), right);
        solve_rows(factor, mask.len(), &mut y);
        solve_transposed(factor, &mut y);
        let mut slack = self.linear.clone();
        add_symmetric_product(&mut slack, &self.gram, &y);
        (y, slack)
    }

    /// Returns whether the active constraints of a lane, whose system is factored, are independent.
    pub(super) fn is_regular(&self, mask: &[Lanes], factor: &[Lanes], lane: usize) -> bool {
        let active = (0..mask.len()).filter(|i| mask[*i].0[lane] > 0.0);
        pivot_ratio(&self.gram, factor, lane, active) > DEPENDENT
    }
}

impl GroupSystem {
    /// Returns whether a lane's active constraints are independent.
    pub(super) fn is_regular(&self, dual: &Dual, lane: usize) -> bool {
        dual.is_regular(&self.mask, &self.factor, lane)
    }

    /// Returns whether a constraint is active in a lane.
    pub(super) fn is_active(&self, constraint: usize, lane: usize) -> bool {
        self.mask[constraint].0[lane] > 0.0
    }

    /// w = K⁻¹ v for the cotangents v of the rows one after the other, with zeros for inactive constraints.
    pub(crate) fn adjoints(&self, v: &[f64]) -> [Vec<f64>; LANES] {
        let size = self.data.sizes.point();
        let at = |lane: usize, i: usize| v.get(lane * size + i).copied().unwrap_or(0.0);
        let right = Buffer::collect(size, (0..size).map(|i| Lanes(from_fn(|lane| at(lane, i)))));
        let w = self.solve(&right);
        from_fn(|lane| w.iter().map(|w| w.0[lane]).collect())
    }

    /// Solves for the right-hand sides [r, d], refined once.
    pub(super) fn solve(&self, right: &[Lanes]) -> Buffer<Lanes> {
        let mut solution = Buffer::from(right);
        self.solve_once(&mut solution);
        let mut rest = Buffer::from(right);
        self.subtract_product(&solution, &mut rest);
        self.solve_once(&mut rest);
        solution.iter_mut().zip(&rest[..]).for_each(|(solution, rest)| *solution += *rest);
        solution
    }

    fn solve_once(&self, b: &mut [Lanes]) {
        let n = self.data.sizes.n;
        let (r, y) = b.split_at_mut(n);
        solve_rows(&self.data.factor, n, r);
        y.iter_mut().for_each(|y| *y = -*y);
        add_product(y, &self.data.reduced, r);
        y.iter_mut().zip(&self.mask[..]).for_each(|(y, active)| *y = *y * *active);
        solve_rows(&self.factor, self.mask.len(), y);
        solve_transposed(&self.factor, y);
        let minus = Buffer::collect(y.len(), y.iter().map(|y| -*y));
        add_transposed_product(r, &self.data.reduced, &minus);
        solve_transposed(&self.data.factor, r);
    }

    /// out -= [Qx + Cᵀy, Cx]
    pub(super) fn subtract_product(&self, point: &[Lanes], out: &mut [Lanes]) {
        let minus = Buffer::collect(point.len(), point.iter().map(|point| -*point));
        let ((x, y), (out_x, out_y)) =
            (minus.split_at(self.data.sizes.n), out.split_at_mut(self.data.sizes.n));
        add_symmetric_product(out_x, &self.data.hessian, x);
        add_transposed_product(out_x, &self.data.constraints, y);
        add_product(out_y, &self.data.constraints, x);
    }
}
