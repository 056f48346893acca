//! The interior-point iteration of the dual programs of a group, in lockstep.
//!
//! The steps are those of the iteration of one row, from which x is eliminated.

use super::data::Dual;
use crate::dense::lanes::Lanes;
use crate::dense::packed::{add_symmetric_product, factor, packed, solve_rows, solve_transposed};
use crate::dense::vector::wide;
use crate::quadratic::interior_point::{NEAR_BOUNDARY, SHORTEST, SMALLEST};
use crate::quadratic::newton::REGULARIZATION;

/// The iterates of a group: y = [λ, ν], and the slacks s of the inequalities.
#[derive(Debug)]
pub(super) struct Iteration<'a> {
    dual: &'a Dual,
    pub(super) y: Vec<Lanes>,
    pub(super) s: Vec<Lanes>,
    /// M y + c, which s tends to.
    slack: Vec<Lanes>,
    /// The number added to the diagonal of M.
    added: Lanes,
    d: Vec<Lanes>,
    factor: Vec<Lanes>,
    right: Vec<Lanes>,
    step: Vec<Lanes>,
    slack_step: Vec<Lanes>,
    second: Vec<Lanes>,
}

impl<'a> Iteration<'a> {
    /// Begins at the minimiser of ½ yᵀMy + cᵀy + ½ ‖λ‖², moved into the interior.
    pub(super) fn new(dual: &'a Dual, m: usize) -> Self {
        let k = dual.linear.len();
        let diagonal = (0..k).map(|i| dual.gram[packed(i) + i]);
        let largest = diagonal.fold(Lanes::ZERO, Lanes::max);
        let mut iteration = Iteration {
            dual,
            y: vec![],
            s: vec![],
            slack: dual.linear.clone(),
            added: largest.map(|largest| REGULARIZATION * largest),
            d: vec![Lanes::ONE; m],
            factor: dual.gram.clone(),
            right: dual.linear.iter().map(|c| -*c).collect(),
            step: vec![Lanes::ZERO; k],
            slack_step: vec![Lanes::ZERO; m],
            second: vec![Lanes::ZERO; m],
        };
        iteration.factor();
        iteration.solve();
        iteration.y = iteration.step.clone();
        iteration.s = iteration.y[..m].iter().map(|lambda| -*lambda).collect();
        into_interior(&mut iteration.s);
        into_interior(&mut iteration.y[..m]);
        add_symmetric_product(&mut iteration.slack, &dual.gram, &iteration.y);
        iteration
    }

    /// The largest of the residuals and of the complementarity gap, each relative to its scale.
    pub(super) fn error(&self) -> Lanes {
        let mut residual = Lanes::ZERO;
        for (i, slack) in self.slack.iter().enumerate() {
            let distance = *slack - self.s.get(i).copied().unwrap_or(Lanes::ZERO);
            residual = residual.max(distance.map(f64::abs));
        }
        let objective = dot(&self.dual.pulled, &self.y).map(|objective| 1.0 + objective.abs());
        let gap = dot(&self.s, &self.y).zip(objective, |gap, objective| gap / objective);
        let residual = residual.zip(self.dual.scale, |residual, scale| residual / scale);
        residual.zip(gap, |residual, gap| if gap.is_nan() { gap } else { residual.max(gap) })
    }

    /// Takes a step, and returns its length; the lanes of a length of zero or NaN make no progress.
    pub(super) fn advance(&mut self) -> Lanes {
        let m = self.s.len();
        wide(
            #[inline(always)]
            || {
                for i in 0..m {
                    self.d[i] = self.s[i].zip(self.y[i], |s, lambda| s / lambda);
                }
            },
        );
        self.factor();
        // The predictor aims at complementarity zero.
        self.right.iter_mut().zip(&self.slack).for_each(|(right, slack)| *right = -*slack);
        self.solve();
        let (mut mu, mut ahead) = (Lanes::ZERO, Lanes::ZERO);
        wide(
            #[inline(always)]
            || {
                for i in 0..m {
                    self.slack_step[i] = -self.s[i] - self.d[i] * self.step[i];
                }
                let length = self.length();
                for i in 0..m {
                    let (s, lambda) = (self.s[i], self.y[i]);
                    mu += s * lambda;
                    ahead += (s + length * self.slack_step[i]) * (lambda + length * self.step[i]);
                }
                let share = ahead.zip(mu, |ahead, mu| (ahead / mu).clamp(0.0, 1.0));
                let target = share * share * share * mu.map(|mu| mu / m.max(1) as f64);
                for i in 0..m {
                    let correction = self.slack_step[i] * self.step[i] - target;
                    self.second[i] = correction.zip(self.y[i], |correction, lambda| correction / lambda);
                    self.right[i] -= self.second[i];
                }
            },
        );
        if m > 0 {
            self.solve();
        }
        let mut taken = Lanes::ZERO;
        wide(
            #[inline(always)]
            || {
                for i in 0..m {
                    self.slack_step[i] = -(self.s[i] + self.second[i]) - self.d[i] * self.step[i];
                }
                taken = self.length().map(|length| (NEAR_BOUNDARY * length).min(1.0));
                for i in 0..self.y.len() {
                    // M times the step, by the system that the step solves.
                    let mut change = self.right[i];
                    self.y[i] += taken * self.step[i];
                    if i < m {
                        change -= self.d[i] * self.step[i];
                        self.s[i] += taken * self.slack_step[i];
                        self.s[i] = self.s[i].map(|s| s.max(SMALLEST));
                        self.y[i] = self.y[i].map(|lambda| lambda.max(SMALLEST));
                    }
                    self.slack[i] += taken * change;
                }
            },
        );
        taken.map(|length| if length <= SHORTEST { 0.0 } else { length })
    }

    /// Factors M + D.
    fn factor(&mut self) {
        self.factor.copy_from_slice(&self.dual.gram);
        let k = self.right.len();
        for i in 0..k {
            self.factor[packed(i) + i] += self.added + self.d.get(i).copied().unwrap_or(Lanes::ZERO);
        }
        factor(&mut self.factor, k);
    }

    /// Solves for the right-hand side.
    fn solve(&mut self) {
        self.step.copy_from_slice(&self.right);
        solve_rows(&self.factor, self.right.len(), &mut self.step);
        solve_transposed(&self.factor, &mut self.step);
    }

    /// The longest step, at most 1 / 0.995, at which slacks and multipliers are not negative.
    #[inline(always)]
    fn length(&self) -> Lanes {
        let mut length = Lanes([1.0 / NEAR_BOUNDARY; _]);
        let pairs = self.s.iter().zip(&self.slack_step).chain(self.y.iter().zip(&self.step[..self.s.len()]));
        for (at, step) in pairs {
            let bound = at.zip(*step, |at, step| if step < 0.0 { -at / step } else { f64::INFINITY });
            length = length.min(bound);
        }
        length
    }
}

/// Σ aᵢ bᵢ over the shorter length.
fn dot(a: &[Lanes], b: &[Lanes]) -> Lanes {
    a.iter().zip(b).fold(Lanes::ZERO, |sum, (a, b)| sum + *a * *b)
}

/// Moves numbers that are not all positive so that the smallest in a lane is 1.
fn into_interior(numbers: &mut [Lanes]) {
    let smallest = numbers.iter().fold(Lanes([f64::INFINITY; _]), |smallest, number| smallest.min(*number));
    let added = smallest.map(|smallest| if smallest <= 1e-8 { 1.0 - smallest } else { 0.0 });
    numbers.iter_mut().for_each(|number| *number += added);
}
