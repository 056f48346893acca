//! Primal-dual interior-point iteration with Mehrotra's predictor and corrector.
//!
//! S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optim. 2 (1992), for
//! quadratic programs as in J. Mattingley and S. Boyd, "CVXGEN" (2012), section 5.

use super::curvature::RangeSpace;
use super::newton::Newton;
use super::row::{Row, Sizes, parts_mut};
use crate::dense::vector::{add_scaled, dot, largest};

/// The share of the way to the boundary that a step takes at most.
pub(super) const NEAR_BOUNDARY: f64 = 0.995;
/// Steps shorter than this make no progress.
pub(super) const SHORTEST: f64 = 1e-9;
/// Slacks and multipliers stay above this number, so that their quotients are finite.
pub(super) const SMALLEST: f64 = 1e-200;

/// A point of the iteration: y = [x, λ, ν] and the slacks s of the inequalities.
#[derive(Clone, Debug)]
pub(super) struct Iterate {
    pub(super) y: Vec<f64>,
    pub(super) s: Vec<f64>,
    /// The largest of the residuals and of the complementarity gap, each relative to its scale.
    pub(super) error: f64,
}

/// The iteration of one row.
#[derive(Debug)]
pub(super) struct InteriorPoint<'a> {
    row: &'a Row<'a>,
    newton: Newton<'a>,
    pub(super) iterate: Iterate,
    /// The point with the smallest error.
    pub(super) best: Iterate,
    residuals: Vec<f64>,
    right: Vec<f64>,
    step: Vec<f64>,
    slack_step: Vec<f64>,
    d: Vec<f64>,
    scratch: Vec<f64>,
}

impl<'a> InteriorPoint<'a> {
    /// Begins at the minimiser of ½ xᵀQx + qᵀx + ½ ‖Gx - h‖² subject to Ax = b, moved into the interior; None where
    /// the first system has no factor.
    pub(super) fn new(row: &'a Row<'a>, range: Option<&'a RangeSpace>) -> Option<Self> {
        let Sizes { n, m, .. } = row.sizes;
        let size = row.sizes.point();
        let mut newton = Newton::new(row, range);
        let mut right = vec![0.0; size];
        let mut y = vec![0.0; size];
        right[..n].iter_mut().zip(row.linear).for_each(|(right, q)| *right = -q);
        right[n..n + m].copy_from_slice(row.h);
        right[n + m..].copy_from_slice(row.b);
        let d = vec![1.0; m];
        if !newton.factor(&d) {
            return None;
        }
        newton.solve(&right, &mut y);
        let lambda = &mut y[n..n + m];
        let mut s: Vec<f64> = lambda.iter().map(|lambda| -lambda).collect();
        into_interior(&mut s);
        into_interior(lambda);
        let iterate = Iterate { y, s, error: f64::INFINITY };
        Some(InteriorPoint {
            row,
            newton,
            best: iterate.clone(),
            iterate,
            residuals: vec![0.0; size],
            right,
            step: vec![0.0; size],
            slack_step: vec![0.0; m],
            d,
            scratch: vec![0.0; size],
        })
    }

    /// Measures the iterate, and remembers the best one.
    pub(super) fn measure(&mut self) -> f64 {
        let Sizes { n, .. } = self.row.sizes;
        let Iterate { y, s, error } = &mut self.iterate;
        self.row.residuals(y, s, &mut self.residuals);
        let (dual, primal) = self.row.scales(y, &mut self.scratch);
        let gap = dot(s, &y[n..n + s.len()]);
        let objective = dot(&y[..n], self.row.linear).abs();
        let found = (largest(&self.residuals[..n]) / dual)
            .max(largest(&self.residuals[n..]) / primal)
            .max(gap / (1.0 + objective));
        // The maximum of numbers ignores NaN.
        let finite = self.residuals.iter().all(|residual| residual.is_finite()) && gap.is_finite();
        *error = if finite { found } else { f64::NAN };
        if *error < self.best.error {
            self.best.error = *error;
            self.best.y.copy_from_slice(y);
            self.best.s.copy_from_slice(s);
        }
        self.iterate.error
    }

    /// Takes a step from a measured iterate; false where none is left to take.
    pub(super) fn advance(&mut self) -> bool {
        let Sizes { n, m, .. } = self.row.sizes;
        for (i, d) in self.d.iter_mut().enumerate() {
            *d = self.iterate.s[i] / self.iterate.y[n + i];
        }
        if !self.newton.factor(&self.d) {
            return false;
        }
        // The predictor aims at complementarity zero.
        self.solve(|_| 0.0);
        let mu = dot(&self.iterate.s, &self.iterate.y[n..n + m]) / m.max(1) as f64;
        let length = self.length();
        let ahead: f64 = (0..m)
            .map(|i| {
                (self.iterate.s[i] + length * self.slack_step[i])
                    * (self.iterate.y[n + i] + length * self.step[n + i])
            })
            .sum();
        let centring = (ahead / m.max(1) as f64 / mu).clamp(0.0, 1.0).powi(3);
        if m > 0 {
            let second: Vec<f64> = (0..m).map(|i| self.slack_step[i] * self.step[n + i]).collect();
            self.solve(|i| second[i] - centring * mu);
        }
        let length = (NEAR_BOUNDARY * self.length()).min(1.0);
        if length.is_nan() || length <= SHORTEST || !self.step.iter().all(|step| step.is_finite()) {
            return false;
        }
        let Iterate { y, s, .. } = &mut self.iterate;
        add_scaled(y, length, &self.step);
        add_scaled(s, length, &self.slack_step);
        let (_, lambda, _) = parts_mut(y, self.row.sizes);
        s.iter_mut().chain(lambda).for_each(|number| *number = number.max(SMALLEST));
        true
    }

    /// The Newton step for complementarity s λ + `correction`.
    fn solve(&mut self, correction: impl Fn(usize) -> f64) {
        let Sizes { n, m, .. } = self.row.sizes;
        let Iterate { y, s, .. } = &self.iterate;
        self.right.iter_mut().zip(&self.residuals).for_each(|(right, residual)| *right = -residual);
        for i in 0..m {
            self.right[n + i] += s[i] + correction(i) / y[n + i];
        }
        self.newton.solve(&self.right, &mut self.step);
        for i in 0..m {
            self.slack_step[i] = -(s[i] + correction(i) / y[n + i]) - self.d[i] * self.step[n + i];
        }
    }

    /// The longest step, at most 1 / 0.995, at which slacks and multipliers are not negative.
    fn length(&self) -> f64 {
        let Sizes { n, m, .. } = self.row.sizes;
        let positions = self.iterate.s.iter().chain(&self.iterate.y[n..n + m]);
        let steps = self.slack_step.iter().chain(&self.step[n..n + m]);
        positions.zip(steps).fold(1.0 / NEAR_BOUNDARY, |length: f64, (at, step)| {
            if *step < 0.0 { length.min(-at / step) } else { length }
        })
    }
}

/// Moves numbers that are not all positive so that the smallest is 1.
fn into_interior(numbers: &mut [f64]) {
    let smallest = numbers.iter().fold(f64::INFINITY, |smallest: f64, number| smallest.min(*number));
    if smallest <= 1e-8 {
        numbers.iter_mut().for_each(|number| *number += 1.0 - smallest);
    }
}
