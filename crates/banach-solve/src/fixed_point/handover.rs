//! Handover of failed rows from Auto to Newton's method.

use super::choice::FixedPointSolver;
use crate::state::rows::select_rows;
use crate::{Budget, Method, Outcome, Reason, Rows, Settings, Solution, Statistics, Switch};
use web_time::Instant;

/// The failed rows of a solution by [`Auto`](crate::Auto), and the settings to solve them by Newton's method.
///
/// [`fixed_point_smooth`](crate::fixed_point_smooth) includes the handover. A caller with an expensive
/// derivative can construct it only where there is a handover: solve without a derivative, create the
/// handover, solve again from the original start by [`settings`](Self::settings), and join both solutions.
#[derive(Debug, Clone)]
pub struct Handover {
    rows: Vec<bool>,
    settings: Settings<FixedPointSolver>,
}

impl Handover {
    /// Creates the handover after a solve by these settings that started at this time. `None` if the solver
    /// is not Auto, if no row may be solved again, or if the budget is spent.
    pub fn new<R>(
        first: &Solution<R>,
        settings: &Settings<FixedPointSolver>,
        started: Instant,
    ) -> Option<Self> {
        let FixedPointSolver::Auto(auto) = &settings.solver else { return None };
        let failed = |row: usize| reason(first.outcomes[row]).is_some() && first.statistics.steps[row] > 0;
        let rows: Vec<bool> = (0..first.outcomes.len()).map(failed).collect();
        let spent = first.statistics.calls();
        let evaluations = settings.budget.evaluations.map(|limit| limit.saturating_sub(spent));
        let left = evaluations != Some(0);
        let budget = Budget { evaluations, ..settings.budget.after(started.elapsed()) };
        let solver = FixedPointSolver::Newton(auto.newton);
        let settings = Settings { solver, budget, ..settings.clone() };
        (left && rows.contains(&true)).then_some(Self { rows, settings })
    }

    /// Returns the settings of the solve by Newton's method, with the remaining budget of evaluations and
    /// time.
    pub fn settings(&self) -> &Settings<FixedPointSolver> {
        &self.settings
    }

    /// Joins both solutions: takes the second one in rows handed over where it has converged or has the
    /// smaller residual, and the first one elsewhere. Steps and calls are added.
    pub fn joined<R: Rows>(self, first: Solution<R>, second: Solution<R>) -> Solution<R> {
        let rows = self.rows;
        let better = |row: usize| {
            let [before, after] = [&first, &second].map(|solution| solution.statistics.residuals[row]);
            let converged = second.outcomes[row].is_converged();
            rows[row] && (converged || after < before || before.is_nan())
        };
        let better: Vec<bool> = (0..rows.len()).map(better).collect();
        let switch = |row: usize| {
            let mut earlier = first.statistics.switches.iter().rev();
            let from = earlier.find(|switch| switch.row == row).map_or(Method::Picard, |switch| switch.to);
            let step = first.statistics.steps[row];
            reason(first.outcomes[row]).map(|reason| Switch { row, step, from, to: Method::Newton, reason })
        };
        let switches: Vec<Switch> = (0..rows.len()).filter(|row| rows[*row]).filter_map(switch).collect();
        let value = select_rows(&better, &second.value, &first.value);
        Solution {
            outcomes: either(&better, &second.outcomes, &first.outcomes),
            trends: either(&better, &second.trends, &first.trends),
            statistics: first.statistics.handed_over(second.statistics, (&rows, &better), switches),
            value,
            solver: first.solver,
        }
    }
}

/// The reason to hand over a row with this outcome, if it is handed over.
fn reason(outcome: Outcome) -> Option<Reason> {
    match outcome {
        Outcome::StepLimit => Some(Reason::Slow),
        Outcome::Stalled => Some(Reason::Stagnant),
        Outcome::Diverged => Some(Reason::Growing),
        Outcome::NonFinite => Some(Reason::NonFinite),
        Outcome::Converged | Outcome::Approximate | Outcome::EvaluationLimit | Outcome::TimeLimit => None,
        Outcome::Asymmetric | Outcome::Indefinite | Outcome::Singular | Outcome::Breakdown => None,
        Outcome::Stopped | Outcome::Unsolved => None,
    }
}

/// The entries of `yes` where `mask` holds, those of `no` elsewhere.
fn either<T: Copy>(mask: &[bool], yes: &[T], no: &[T]) -> Vec<T> {
    mask.iter().zip(yes.iter().zip(no)).map(|(mask, (yes, no))| if *mask { *yes } else { *no }).collect()
}

impl Statistics {
    /// The evaluations that count against a budget.
    fn calls(&self) -> usize {
        self.evaluations + self.derivative_applications + self.energy_evaluations
    }

    /// The statistics of both solves. The later one counts in `rows` alone, and its residuals, rates and
    /// growth in the rows of `better` alone.
    fn handed_over(self, mut later: Self, (rows, better): (&[bool], &[bool]), switches: Vec<Switch>) -> Self {
        for record in later.trace.iter_mut().flatten() {
            record.residuals = either(rows, &record.residuals, &self.residuals);
        }
        for row in (0..rows.len()).filter(|row| !rows[*row]) {
            later.steps[row] = 0;
        }
        let (residuals, relative) = (
            either(better, &later.residuals, &self.residuals),
            either(better, &later.relative, &self.relative),
        );
        let (rates, earlier) = (either(better, &later.rates, &self.rates), self.earlier);
        let growth = either(better, &later.growth, &self.growth);
        let mut all = later.after(self);
        all.switches.extend(switches);
        all.switches.sort_by_key(|switch| (switch.step, switch.row));
        Self { residuals, relative, rates, growth, earlier, ..all }
    }
}
