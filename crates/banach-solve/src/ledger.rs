//! The state of every row during a solve, and the rules that end rows.

mod budget;
mod deferral;
mod extrapolation;
mod row;

use crate::descent::EnergyEvidence;
use crate::report::advice::ResidualTrend;
use crate::settings::StoppingRules;
use crate::state::rows::entries_at;
use crate::{Observe, Outcome, Progress, Record, Rows, Solution, Statistics, Switch};
use row::{NO_ENERGY, Point, Row, RowEvidence};
use web_time::Instant;

/// The best iterate, the residual and the outcome of every row.
///
/// The ledger alone applies the stopping rules, for every solver. A row that has ended does not change any
/// more, and may leave the batch ([`narrow`](Self::narrow)). The ledger stores all rows; arguments and
/// results of its methods describe the rows of the batch, by position.
pub(crate) struct Ledger<R> {
    rules: StoppingRules,
    /// The row at each position of the batch.
    batch: Vec<usize>,
    /// The active rows of the batch.
    active: Vec<bool>,
    /// The best iterates of the rows in the batch.
    best: R,
    /// The best iterates of rows that have left the batch, as a matrix of all rows; `None` while the batch is
    /// whole.
    departed: Option<R>,
    outcomes: Vec<Option<Outcome>>,
    steps: Vec<usize>,
    residuals: Vec<f64>,
    sizes: Vec<f64>,
    /// What the rules need to know of every row.
    states: Vec<Row>,
    /// Rows of the batch that the last call of [`record`](Self::record) has reset.
    reset: Vec<bool>,
    /// The residuals of the last report.
    reported: Vec<f64>,
    trace: Option<Vec<Record>>,
    stopped: bool,
    started: Instant,
    switches: Vec<Switch>,
    pub(crate) evaluations: usize,
    pub(crate) row_evaluations: usize,
    pub(crate) derivative_applications: usize,
    pub(crate) energy_evaluations: usize,
}

impl<R: Rows> Ledger<R> {
    /// Creates a ledger in which `x0` is the best iterate of every row, with no residual.
    pub(crate) fn new(x0: &R, rules: StoppingRules) -> Self {
        let rows = x0.rows();
        // Rows of width zero equal their image, whatever the map.
        let (outcome, residual) =
            if x0.width() == 0 { (Some(Outcome::Converged), 0.0) } else { (None, f64::NAN) };
        Self {
            rules,
            batch: (0..rows).collect(),
            active: vec![outcome.is_none(); rows],
            best: x0.clone(),
            departed: None,
            outcomes: vec![outcome; rows],
            steps: vec![0; rows],
            residuals: vec![residual; rows],
            sizes: vec![residual; rows],
            states: vec![Row::new(x0.precision(), rules.tolerance.absolute); rows],
            reset: vec![false; rows],
            reported: vec![residual; rows],
            trace: rules.trace.then(Vec::new),
            stopped: false,
            started: Instant::now(),
            switches: Vec::new(),
            evaluations: 0,
            row_evaluations: 0,
            derivative_applications: 0,
            energy_evaluations: 0,
        }
    }

    /// The row at each position of the batch.
    pub(crate) fn batch(&self) -> &[usize] {
        &self.batch
    }

    /// The active rows of the batch.
    pub(crate) fn actives(&self) -> &[bool] {
        &self.active
    }

    /// Whether every row has ended.
    pub(crate) fn finished(&self) -> bool {
        !self.active.contains(&true)
    }

    /// Counts an evaluation of the map on a number of rows.
    pub(crate) fn evaluated(&mut self, rows: usize) {
        self.evaluations += 1;
        self.row_evaluations += rows;
    }

    /// Records the iterates `x` and the residuals of the active rows, and ends rows that meet a stopping
    /// rule; `steps` counts the steps of a row.
    pub(crate) fn record(&mut self, steps: impl Fn(usize) -> usize, x: &R, residuals: &[f64], sizes: &[f64]) {
        self.record_descent(steps, x, (residuals, sizes), None);
    }

    /// As [`record`](Self::record). With energies, a row whose energy falls makes progress, and the best
    /// iterate is the lowest.
    pub(crate) fn record_descent(
        &mut self,
        steps: impl Fn(usize) -> usize,
        x: &R,
        measured: (&[f64], &[f64]),
        evidence: Option<&EnergyEvidence>,
    ) {
        let worse = self.apply_rules(steps, measured, evidence);
        // Rows that have ended are frozen at their best iterates, which equal `x` there.
        if worse.is_empty() {
            self.best = x.clone();
        } else if worse.len() < self.batch.len() {
            let mut better = vec![true; self.batch.len()];
            worse.iter().for_each(|position| better[*position] = false);
            self.best.replace(&better, x);
        }
    }

    /// Records the residuals and sizes of the active rows, and ends rows that meet a stopping rule. Returns
    /// the positions of the active rows whose iterate is not their best one; the best iterates are those of
    /// the caller to set.
    pub(crate) fn apply_rules(
        &mut self,
        steps: impl Fn(usize) -> usize,
        (residuals, sizes): (&[f64], &[f64]),
        evidence: Option<&EnergyEvidence>,
    ) -> Vec<usize> {
        self.reset.fill(false);
        let mut worse = Vec::new();
        for position in 0..self.batch.len() {
            if !self.active[position] {
                continue;
            }
            let row = self.batch[position];
            let (residual, size) = (residuals[position], sizes[position]);
            let (step, state) = (steps(position), &mut self.states[row]);
            self.steps[row] = step;
            state.history.push(step, residual);
            let at = evidence.map_or(NO_ENERGY, |evidence| RowEvidence {
                energy: evidence.energies[position],
                arrived: evidence.arrived[position],
                falling: evidence.falling[position],
            });
            let first = self.residuals[row].is_nan();
            let outcome = state.judge(&self.rules, (residual, size), at, Point { step, first });
            let bound = state.growth.bound(residual, size);
            let better = state.better(bound, at.energy);
            let lower = better && !at.energy.is_nan();
            let reset =
                state.extrapolated && state.is_hopeless(outcome, size) && !(lower && outcome.is_none());
            let finite = outcome != Some(Outcome::NonFinite) && !reset;
            let converged = outcome == Some(Outcome::Converged);
            if finite && (first || better || converged) {
                (self.residuals[row], self.sizes[row], state.bound) = (residual, size, bound);
                state.energy = at.energy;
                (state.extrapolated, state.resets) = (false, 0);
            } else {
                worse.push(position);
            }
            if reset {
                (state.extrapolated, state.resets) = (false, state.resets + 1);
            } else {
                self.outcomes[row] = outcome;
                self.active[position] = outcome.is_none();
            }
            self.reset[position] = reset;
        }
        worse
    }

    /// The best iterates of the rows in the batch.
    pub(crate) fn best(&self) -> &R {
        &self.best
    }

    /// Ends the row at this position, if it is active: as converged if it continued although it met the
    /// tolerance.
    pub(crate) fn end(&mut self, position: usize, outcome: Outcome) {
        let row = self.batch[position];
        let outcome = if self.states[row].met { Outcome::Converged } else { outcome };
        self.outcomes[row].get_or_insert(outcome);
        self.active[position] = false;
    }

    /// Ends active rows at `x` as approximate, with an unknown residual.
    pub(crate) fn accept(&mut self, step: usize, x: &R) {
        self.best.replace(&self.active, x);
        for position in (0..self.batch.len()).filter(|position| self.active[*position]).collect::<Vec<_>>() {
            let row = self.batch[position];
            (self.steps[row], self.residuals[row]) = (step, f64::NAN);
            self.end(position, Outcome::Approximate);
        }
    }

    /// Appends to the trace and calls the observer. Returns whether the observer has stopped the solve.
    pub(crate) fn report(&mut self, step: usize, residuals: &[f64], observer: &mut dyn Observe) -> bool {
        for (position, row) in self.batch.iter().enumerate() {
            let active = self.active[position];
            self.reported[*row] = if active { residuals[position] } else { self.residuals[*row] };
        }
        let evaluations = self.evaluations;
        let progress = Progress { step, evaluations, residuals: &self.reported, outcomes: &self.outcomes };
        self.stopped |= observer.observe(&progress).is_break();
        if let Some(trace) = &mut self.trace {
            trace.push(Record { step, evaluations, residuals: self.reported.clone() });
        }
        self.stopped
    }

    /// Records changes of method after a step; rows are given by position.
    pub(crate) fn record_switches(&mut self, step: usize, switches: Vec<Switch>) {
        let named = |switch: Switch| Switch { row: self.batch[switch.row], step, ..switch };
        self.switches.extend(switches.into_iter().map(named));
    }

    /// `next` in active rows, and the best iterate in rows that have ended or were reset.
    pub(crate) fn freeze(&self, mut next: R) -> R {
        if self.active.contains(&false) || self.reset.contains(&true) {
            let at_best: Vec<bool> =
                self.active.iter().zip(&self.reset).map(|(active, reset)| !active || *reset).collect();
            next.replace(&at_best, &self.best);
        }
        next
    }

    /// Keeps the rows at these positions in the batch; the others leave it.
    pub(crate) fn narrow(&mut self, keep: &[usize]) {
        match &mut self.departed {
            Some(departed) => departed.put(&self.batch, &self.best),
            None => self.departed = Some(self.best.clone()),
        }
        let ended = self.batch.iter().zip(&self.active).filter(|(_, active)| !**active);
        ended.for_each(|(row, _)| self.reported[*row] = self.residuals[*row]);
        self.best = self.best.gather(keep);
        self.batch = entries_at(&self.batch, keep);
        self.active = entries_at(&self.active, keep);
        self.reset = entries_at(&self.reset, keep);
    }

    /// Returns the solution, when every row has ended.
    pub(crate) fn close(self) -> Solution<R> {
        let precision = self.best.precision();
        let relative = |(residual, size): (&f64, &f64)| if *residual == 0.0 { 0.0 } else { residual / size };
        let relatives: Vec<f64> = self.residuals.iter().zip(&self.sizes).map(relative).collect();
        let trend = |row: usize| {
            let Row { history, finite_data, .. } = &self.states[row];
            ResidualTrend::of(history, (self.steps[row], *finite_data), relatives[row], precision)
        };
        let trends = (0..relatives.len()).map(trend).collect();
        let statistics = Statistics {
            evaluations: self.evaluations,
            earlier: 0,
            row_evaluations: self.row_evaluations,
            derivative_applications: self.derivative_applications,
            energy_evaluations: self.energy_evaluations,
            steps: self.steps,
            relative: relatives,
            residuals: self.residuals,
            rates: self.states.iter().map(|state| state.history.rate()).collect(),
            growth: self
                .states
                .iter()
                .zip(&self.sizes)
                .map(|(state, size)| state.growth.factor(*size))
                .collect(),
            switches: self.switches,
            transfers: None,
            trace: self.trace,
        };
        let value = match self.departed {
            Some(mut all) => {
                all.put(&self.batch, &self.best);
                all
            }
            None => self.best,
        };
        let ended = |outcome: Option<Outcome>| outcome.unwrap_or(Outcome::Stopped);
        Solution::new(value, self.outcomes.into_iter().map(ended).collect(), trends, statistics)
    }
}
