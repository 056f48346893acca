//! The state of one row during a solve, and the rules that end it.

use crate::Outcome;
use crate::descent::{EnergyDecrease, rounding};
use crate::growth::Growth;
use crate::report::rate::ResidualHistory;
use crate::settings::StoppingRules;

/// The state of a row, beside its best iterate.
#[derive(Clone)]
pub(super) struct Row {
    precision: f64,
    /// The residual above which the row has diverged.
    divergence_limit: f64,
    /// The growth since its first point.
    pub(super) growth: Growth,
    /// The bound on the true residual at the best iterate.
    pub(super) bound: f64,
    /// Whether the row has taken an extrapolated step since its best iterate.
    pub(super) extrapolated: bool,
    /// Whether the size was finite at the first point.
    pub(super) finite_data: bool,
    /// How often the row was reset to its best iterate without finding a better one since.
    pub(super) resets: usize,
    /// The last residual that counted as an improvement, and its step.
    milestone: (f64, usize),
    /// The energy at the best iterate; NaN without one.
    pub(super) energy: f64,
    decrease: EnergyDecrease,
    /// Whether the last iterate met the tolerance.
    pub(super) met: bool,
    /// The last residuals.
    pub(super) history: ResidualHistory,
}

/// The energy of one row, and what it is evidence of.
#[derive(Clone, Copy)]
pub(super) struct RowEvidence {
    pub(super) energy: f64,
    pub(super) arrived: bool,
    pub(super) falling: bool,
}

/// The evidence of a row without an energy.
pub(super) const NO_ENERGY: RowEvidence = RowEvidence { energy: f64::NAN, arrived: false, falling: false };

/// The step of a point, and whether it is the first of its row.
#[derive(Clone, Copy)]
pub(super) struct Point {
    pub(super) step: usize,
    pub(super) first: bool,
}

impl Row {
    /// A row before its first point.
    pub(super) fn new(precision: f64, absolute: f64) -> Self {
        Self {
            precision,
            divergence_limit: f64::NAN,
            growth: Growth::new(precision, absolute),
            bound: f64::INFINITY,
            extrapolated: false,
            finite_data: true,
            resets: 0,
            milestone: (f64::INFINITY, 0),
            energy: f64::NAN,
            decrease: EnergyDecrease::default(),
            met: false,
            history: ResidualHistory::default(),
        }
    }

    /// The outcome of the row with this residual and size, if it ends here.
    pub(super) fn judge(
        &mut self,
        rules: &StoppingRules,
        (residual, size): (f64, f64),
        at: RowEvidence,
        Point { step, first }: Point,
    ) -> Option<Outcome> {
        if !(residual.is_finite() && size.is_finite()) {
            self.finite_data &= size.is_finite() || !first;
            return Some(Outcome::NonFinite);
        }
        self.growth.begin(residual, size);
        self.met = self.growth.met(&rules.tolerance, (residual, size), at.arrived);
        if self.met && !at.falling {
            return Some(Outcome::Converged);
        }
        // Along an energy without a minimum the residual stays, and the state grows.
        let (descends, reach) = (!at.energy.is_nan(), residual.max(size));
        if self.divergence_limit.is_nan() {
            let reach = if descends { reach.max(1.0) } else { reach };
            self.divergence_limit = rules.divergence.unwrap_or(f64::INFINITY) * reach;
        }
        if residual > self.divergence_limit || descends && reach > self.divergence_limit {
            return Some(Outcome::Diverged);
        }
        let patience = rules.patience?;
        let (milestone, reached) = self.milestone;
        let falls = self.decrease.improves(at.energy, self.precision);
        if residual < milestone * (1.0 - patience.improvement) || falls {
            self.milestone = (residual.min(milestone), step);
            return None;
        }
        let outcome = if self.met { Outcome::Converged } else { Outcome::Stalled };
        (step - reached >= patience.steps).then_some(outcome)
    }

    /// Whether an iterate is better than the best one: lower, or as low up to rounding and with a smaller bound on the
    /// residual.
    pub(super) fn better(&self, bound: f64, energy: f64) -> bool {
        let higher = energy - self.energy;
        if higher.abs() > rounding(energy, self.precision) { higher < 0.0 } else { bound < self.bound }
    }

    /// Whether the row cannot converge from this point: it is not finite, has diverged, or has grown so far
    /// that rounding hides every acceptable residual.
    pub(super) fn is_hopeless(&self, outcome: Option<Outcome>, size: f64) -> bool {
        match outcome {
            Some(Outcome::NonFinite | Outcome::Diverged) => true,
            Some(_) => false,
            None => self.growth.beyond(size),
        }
    }
}
