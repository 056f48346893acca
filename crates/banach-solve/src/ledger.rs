//! What is known about every row so far, and which rows have ended?

use crate::settings::Rules;
use crate::{Observe, Outcome, Progress, Record, Rows, Solution, Statistics};

/// One line a row: the best point, its residual, and how the row ended.
///
/// No solver decides any of this for itself. A row that has ended is never touched again.
pub(crate) struct Ledger<R> {
    rules: Rules,
    best: R,
    outcomes: Vec<Option<Outcome>>,
    steps: Vec<usize>,
    residuals: Vec<f64>,
    sizes: Vec<f64>,
    /// The residual beyond which a row has diverged.
    ceilings: Vec<f64>,
    /// The residual that was last an improvement, and the step it was reached in.
    milestones: Vec<(f64, usize)>,
    trace: Option<Vec<Record>>,
    stopped: bool,
    pub(crate) evaluations: usize,
    pub(crate) derivative_applications: usize,
    pub(crate) energy_evaluations: usize,
}

impl<R: Rows> Ledger<R> {
    /// Nothing is known yet; `x0` is all there is to return.
    pub(crate) fn new(x0: &R, rules: Rules) -> Self {
        let rows = x0.rows();
        // Rows of no numbers are equal to their image, whatever the map.
        let (outcome, residual) =
            if x0.width() == 0 { (Some(Outcome::Converged), 0.0) } else { (None, f64::NAN) };
        Self {
            rules,
            best: x0.clone(),
            outcomes: vec![outcome; rows],
            steps: vec![0; rows],
            residuals: vec![residual; rows],
            sizes: vec![residual; rows],
            ceilings: vec![f64::NAN; rows],
            milestones: vec![(f64::INFINITY, 0); rows],
            trace: rules.trace.then(Vec::new),
            stopped: false,
            evaluations: 0,
            derivative_applications: 0,
            energy_evaluations: 0,
        }
    }

    /// Whether the row is still under way.
    pub(crate) fn active(&self, row: usize) -> bool {
        self.outcomes[row].is_none()
    }

    /// Which rows are still under way.
    pub(crate) fn actives(&self) -> Vec<bool> {
        self.outcomes.iter().map(Option::is_none).collect()
    }

    /// Whether every row has ended.
    pub(crate) fn finished(&self) -> bool {
        self.outcomes.iter().all(Option::is_some)
    }

    /// Takes note of the point `x` that rows have reached after `steps`, and ends those that are done.
    pub(crate) fn visit(&mut self, steps: &[usize], x: &R, residuals: &[f64], sizes: &[f64]) {
        let mut better = vec![false; residuals.len()];
        for row in 0..residuals.len() {
            if !self.active(row) {
                continue;
            }
            let (residual, size) = (residuals[row], sizes[row]);
            self.steps[row] = steps[row];
            let outcome = self.judge(row, residual, size);
            let first = self.residuals[row].is_nan();
            let finite = outcome != Some(Outcome::NonFinite);
            let converged = outcome == Some(Outcome::Converged);
            better[row] = finite && (first || residual < self.residuals[row] || converged);
            if better[row] {
                self.residuals[row] = residual;
                self.sizes[row] = size;
            }
            self.outcomes[row] = outcome;
        }
        self.best = choose(&better, x, &self.best);
    }

    /// How the row ends with this residual, if it does.
    fn judge(&mut self, row: usize, residual: f64, size: f64) -> Option<Outcome> {
        if !(residual.is_finite() && size.is_finite()) {
            return Some(Outcome::NonFinite);
        }
        if self.rules.tolerance.met(residual, size) {
            return Some(Outcome::Converged);
        }
        if self.ceilings[row].is_nan() {
            self.ceilings[row] = self.rules.divergence.unwrap_or(f64::INFINITY) * residual.max(size);
        }
        if residual > self.ceilings[row] {
            return Some(Outcome::Diverged);
        }
        let patience = self.rules.patience?;
        let (milestone, reached) = self.milestones[row];
        if residual < milestone * (1.0 - patience.improvement) {
            self.milestones[row] = (residual, self.steps[row]);
            return None;
        }
        (self.steps[row] - reached >= patience.steps).then_some(Outcome::Stalled)
    }

    /// Ends a row that is still under way.
    pub(crate) fn end(&mut self, row: usize, outcome: Outcome) {
        self.outcomes[row].get_or_insert(outcome);
    }

    /// Ends rows for reasons that are not numerical: an observer, or a budget that is spent.
    pub(crate) fn enforce(&mut self) {
        let budget = self.rules.budget;
        let spent = self.remaining() == 0;
        for row in 0..self.outcomes.len() {
            if self.stopped {
                self.end(row, Outcome::Stopped);
            } else if self.steps[row] >= budget.steps {
                self.end(row, Outcome::StepLimit);
            } else if spent {
                self.end(row, Outcome::EvaluationLimit);
            }
        }
    }

    /// How many evaluations of any kind are left.
    pub(crate) fn remaining(&self) -> usize {
        let spent = self.evaluations + self.derivative_applications + self.energy_evaluations;
        self.rules.budget.evaluations.map_or(usize::MAX, |limit| limit.saturating_sub(spent))
    }

    /// Ends every row still under way, because what is left of the budget does not suffice for one more step.
    pub(crate) fn exhaust(&mut self) {
        (0..self.outcomes.len()).for_each(|row| self.end(row, Outcome::EvaluationLimit));
    }

    /// Tells the trace and the observer; whether the observer asked to stop.
    pub(crate) fn report(&mut self, step: usize, residuals: &[f64], observer: &mut dyn Observe) -> bool {
        let present: Vec<f64> = (0..residuals.len())
            .map(|row| if self.active(row) { residuals[row] } else { self.residuals[row] })
            .collect();
        let evaluations = self.evaluations;
        let progress = Progress { step, evaluations, residuals: &present, outcomes: &self.outcomes };
        self.stopped |= observer.observe(&progress).is_break();
        if let Some(trace) = &mut self.trace {
            trace.push(Record { step, evaluations, residuals: present });
        }
        self.stopped
    }

    /// `next` for rows under way, and the best point for rows that have ended.
    pub(crate) fn freeze(&self, next: &R) -> R {
        choose(&self.actives(), next, &self.best)
    }

    /// The result, when every row has ended.
    pub(crate) fn close(self) -> Solution<R> {
        let relative = |(residual, size): (&f64, &f64)| if *residual == 0.0 { 0.0 } else { residual / size };
        let statistics = Statistics {
            evaluations: self.evaluations,
            derivative_applications: self.derivative_applications,
            energy_evaluations: self.energy_evaluations,
            steps: self.steps,
            relative: self.residuals.iter().zip(&self.sizes).map(relative).collect(),
            residuals: self.residuals,
            trace: self.trace,
        };
        let ended = |outcome: Option<Outcome>| outcome.unwrap_or(Outcome::Stopped);
        Solution::new(self.best, self.outcomes.into_iter().map(ended).collect(), statistics)
    }
}

/// [`Rows::select`], without work where all rows agree.
pub(crate) fn choose<R: Rows>(mask: &[bool], yes: &R, no: &R) -> R {
    if mask.iter().all(|chosen| *chosen) {
        yes.clone()
    } else if mask.iter().any(|chosen| *chosen) {
        R::select(mask, yes, no)
    } else {
        no.clone()
    }
}
