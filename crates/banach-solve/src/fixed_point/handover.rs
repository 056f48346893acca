//! Handover of rows from Auto, which needs no derivative, to Newton's method, which does.

use crate::rows::choose;
use crate::{
    Budget, FixedPointSolver, Method, Outcome, Reason, Rows, Settings, Solution, Statistics, Switch,
};
use std::time::Instant;

/// The rows of a solution by [`Auto`](crate::Auto) that Newton's method is to solve, and the settings for that.
///
/// [`fixed_point_smooth`](crate::fixed_point_smooth) does all of it. A caller to whom a derivative costs something makes it only
/// where there is a handover: it solves without one, asks for the handover, solves from the same start by
/// [`settings`](Self::settings), and joins both.
#[derive(Debug, Clone)]
pub struct Handover {
    rows: Vec<bool>,
    settings: Settings<FixedPointSolver>,
}

impl Handover {
    /// The handover after a solve by these settings that began at this time; none where the solver is another one, where no row
    /// failed that may be tried again, and where the budget is spent.
    pub fn new<R>(
        first: &Solution<R>,
        settings: &Settings<FixedPointSolver>,
        started: Instant,
    ) -> Option<Self> {
        let FixedPointSolver::Auto(auto) = &settings.solver else { return None };
        let open = |row: usize| reason(first.outcomes[row]).is_some() && first.statistics.steps[row] > 0;
        let rows: Vec<bool> = (0..first.outcomes.len()).map(open).collect();
        let spent = first.statistics.calls();
        let evaluations = settings.budget.evaluations.map(|limit| limit.saturating_sub(spent));
        let left = evaluations != Some(0);
        let budget = Budget { evaluations, ..settings.budget.after(started.elapsed()) };
        let solver = FixedPointSolver::Newton(auto.newton);
        let settings = Settings { solver, budget, ..settings.clone() };
        (left && rows.contains(&true)).then_some(Self { rows, settings })
    }

    /// The settings of the solve by Newton's method, with what is left of evaluations and time.
    pub fn settings(&self) -> &Settings<FixedPointSolver> {
        &self.settings
    }

    /// Both solutions as one: in rows handed over the point that converged, or else the one with the smaller residual; in all
    /// others the first. Steps and calls of both are added.
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
        let value = choose(&better, &second.value, &first.value);
        Solution {
            outcomes: either(&better, &second.outcomes, &first.outcomes),
            courses: either(&better, &second.courses, &first.courses),
            statistics: first.statistics.handed_over(second.statistics, (&rows, &better), switches),
            value,
            solver: first.solver,
        }
    }
}

/// Why Newton's method takes over a row that ended in this way; none where it does not.
fn reason(outcome: Outcome) -> Option<Reason> {
    match outcome {
        Outcome::StepLimit => Some(Reason::Slow),
        Outcome::Stalled => Some(Reason::Stagnant),
        Outcome::Diverged => Some(Reason::Growing),
        Outcome::NonFinite => Some(Reason::NonFinite),
        Outcome::Converged | Outcome::Approximate | Outcome::EvaluationLimit | Outcome::TimeLimit => None,
        Outcome::Asymmetric | Outcome::Indefinite | Outcome::Singular | Outcome::Breakdown => None,
        Outcome::Stopped => None,
    }
}

/// The entries of `yes` where `mask` holds, those of `no` elsewhere.
fn either<T: Copy>(mask: &[bool], yes: &[T], no: &[T]) -> Vec<T> {
    mask.iter().zip(yes.iter().zip(no)).map(|(mask, (yes, no))| if *mask { *yes } else { *no }).collect()
}

impl Statistics {
    /// What was spent of a budget of evaluations.
    fn calls(&self) -> usize {
        self.evaluations + self.derivative_applications + self.energy_evaluations
    }

    /// The statistics of both solves, the later one of these rows alone; what it says of a point counts in those where it is better.
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
