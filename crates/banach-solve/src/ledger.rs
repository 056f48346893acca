//! The state of every row during a solve, and the rules that end rows.

use crate::advice::Course;
use crate::descent::{Fall, Seen, rounding};
use crate::growth::Growth;
use crate::rate::Recent;
use crate::settings::Rules;
use crate::{Observe, Outcome, Progress, Record, Rows, Solution, Statistics, Switch};
use std::time::Instant;

/// One line a row: the best point, its residual, and how the row ended.
///
/// No solver decides any of this for itself. A row that has ended is never touched again, and may leave the batch
/// ([`narrow`](Self::narrow)). Lines are of all rows; what is passed in and out is of the rows in the batch, by position.
pub(crate) struct Ledger<R> {
    rules: Rules,
    /// The row at each position of the batch.
    batch: Vec<usize>,
    /// Which of them are under way.
    active: Vec<bool>,
    /// The best points of the rows in the batch.
    best: R,
    /// Those of rows that have left it, among all rows; none before the first has left.
    left: Option<R>,
    outcomes: Vec<Option<Outcome>>,
    steps: Vec<usize>,
    residuals: Vec<f64>,
    sizes: Vec<f64>,
    /// The residual beyond which a row has diverged.
    ceilings: Vec<f64>,
    /// What the first point of every row says about its later ones.
    growth: Vec<Growth>,
    /// The bound on the residual at the best point.
    bounds: Vec<f64>,
    /// Whether a row has moved on from its best point by more than plain steps.
    strayed: Vec<bool>,
    /// Whether the size of every row was finite at its first point.
    given: Vec<bool>,
    precision: f64,
    /// How often a row was set back to its best point without finding a better one since.
    setbacks: Vec<usize>,
    /// Which rows of the batch the last visit has set back.
    back: Vec<bool>,
    /// The residual that was last an improvement, and the step it was reached in.
    milestones: Vec<(f64, usize)>,
    /// The energy at the best point; NaN where there is none.
    energies: Vec<f64>,
    falls: Vec<Fall>,
    /// Whether the last point met the tolerance.
    met: Vec<bool>,
    /// The last residuals.
    recent: Vec<Recent>,
    /// The residuals that were last reported.
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

/// What its energy says about the point of one row.
#[derive(Clone, Copy)]
struct At {
    energy: f64,
    arrived: bool,
    falling: bool,
}

/// Where there is no energy.
const NOTHING: At = At { energy: f64::NAN, arrived: false, falling: false };

impl<R: Rows> Ledger<R> {
    /// Nothing is known yet; `x0` is all there is to return.
    pub(crate) fn new(x0: &R, rules: Rules) -> Self {
        let rows = x0.rows();
        // Rows of no numbers are equal to their image, whatever the map.
        let (outcome, residual) =
            if x0.width() == 0 { (Some(Outcome::Converged), 0.0) } else { (None, f64::NAN) };
        Self {
            rules,
            batch: (0..rows).collect(),
            active: vec![outcome.is_none(); rows],
            best: x0.clone(),
            left: None,
            outcomes: vec![outcome; rows],
            steps: vec![0; rows],
            residuals: vec![residual; rows],
            sizes: vec![residual; rows],
            ceilings: vec![f64::NAN; rows],
            growth: vec![Growth::new(x0.precision(), rules.tolerance.absolute); rows],
            bounds: vec![f64::INFINITY; rows],
            strayed: vec![false; rows],
            given: vec![true; rows],
            precision: x0.precision(),
            setbacks: vec![0; rows],
            back: vec![false; rows],
            milestones: vec![(f64::INFINITY, 0); rows],
            energies: vec![f64::NAN; rows],
            falls: vec![Fall::default(); rows],
            met: vec![false; rows],
            recent: vec![Recent::default(); rows],
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

    /// Which rows of the batch are still under way.
    pub(crate) fn actives(&self) -> &[bool] {
        &self.active
    }

    /// Whether every row has ended.
    pub(crate) fn finished(&self) -> bool {
        !self.active.contains(&true)
    }

    /// Counts a call of the map on so many rows.
    pub(crate) fn evaluated(&mut self, rows: usize) {
        self.evaluations += 1;
        self.row_evaluations += rows;
    }

    /// Takes note of the point `x` that rows have reached after so many steps each, and ends those that are done.
    pub(crate) fn visit(&mut self, steps: impl Fn(usize) -> usize, x: &R, residuals: &[f64], sizes: &[f64]) {
        self.visit_descended(steps, x, (residuals, sizes), None);
    }

    /// As [`visit`](Self::visit). Where there are energies, a row makes progress while its own falls, and its best point is the
    /// lowest; rows that are said to fall go on though they meet the tolerance.
    pub(crate) fn visit_descended(
        &mut self,
        steps: impl Fn(usize) -> usize,
        x: &R,
        (residuals, sizes): (&[f64], &[f64]),
        seen: Option<&Seen>,
    ) {
        // Rows that have ended are frozen at their best points: `x` is as good there.
        self.back.fill(false);
        let mut worse = Vec::new();
        for position in 0..self.batch.len() {
            if !self.active[position] {
                continue;
            }
            let row = self.batch[position];
            let (residual, size) = (residuals[position], sizes[position]);
            self.steps[row] = steps(position);
            self.recent[row].note(self.steps[row], residual);
            let at = seen.map_or(NOTHING, |seen| At {
                energy: seen.energies[position],
                arrived: seen.arrived[position],
                falling: seen.falling[position],
            });
            let outcome = self.judge(row, (residual, size), at);
            let bound = self.growth[row].bound(residual, size);
            let better = self.better(row, bound, at.energy);
            self.back[position] =
                self.strayed[row] && self.lost(row, outcome, size, better && !at.energy.is_nan());
            let first = self.residuals[row].is_nan();
            let finite = outcome != Some(Outcome::NonFinite) && !self.back[position];
            let converged = outcome == Some(Outcome::Converged);
            if finite && (first || better || converged) {
                (self.residuals[row], self.sizes[row], self.bounds[row]) = (residual, size, bound);
                self.energies[row] = at.energy;
                (self.strayed[row], self.setbacks[row]) = (false, 0);
            } else {
                worse.push(position);
            }
            if self.back[position] {
                (self.strayed[row], self.setbacks[row]) = (false, self.setbacks[row] + 1);
            } else {
                self.outcomes[row] = outcome;
                self.active[position] = outcome.is_none();
            }
        }
        if worse.is_empty() {
            self.best = x.clone();
        } else if worse.len() < self.batch.len() {
            let mut better = vec![true; self.batch.len()];
            worse.iter().for_each(|position| better[*position] = false);
            self.best.replace(&better, x);
        }
    }

    /// Whether a point of the row is better than its best: lower, or as low to rounding and with a smaller residual.
    fn better(&self, row: usize, bound: f64, energy: f64) -> bool {
        let higher = energy - self.energies[row];
        if higher.abs() > rounding(energy, self.precision) { higher < 0.0 } else { bound < self.bounds[row] }
    }

    /// How the row ends with this residual, if it does.
    fn judge(&mut self, row: usize, (residual, size): (f64, f64), at: At) -> Option<Outcome> {
        if !(residual.is_finite() && size.is_finite()) {
            self.given[row] &= size.is_finite() || !self.residuals[row].is_nan();
            return Some(Outcome::NonFinite);
        }
        self.growth[row].begin(residual, size);
        self.met[row] = self.growth[row].met(&self.rules.tolerance, (residual, size), at.arrived);
        if self.met[row] && !at.falling {
            return Some(Outcome::Converged);
        }
        // An energy without a minimum keeps its slope: there it is the state that grows beyond all bounds.
        let descends = !at.energy.is_nan();
        let reach = residual.max(size);
        if self.ceilings[row].is_nan() {
            let reach = if descends { reach.max(1.0) } else { reach };
            self.ceilings[row] = self.rules.divergence.unwrap_or(f64::INFINITY) * reach;
        }
        if residual > self.ceilings[row] || descends && reach > self.ceilings[row] {
            return Some(Outcome::Diverged);
        }
        let patience = self.rules.patience?;
        let (milestone, reached) = self.milestones[row];
        let falls = self.falls[row].improves(at.energy, patience.improvement, self.precision);
        if residual < milestone * (1.0 - patience.improvement) || falls {
            self.milestones[row] = (residual.min(milestone), self.steps[row]);
            return None;
        }
        let stuck = if self.met[row] { Outcome::Converged } else { Outcome::Stalled };
        (self.steps[row] - reached >= patience.steps).then_some(stuck)
    }

    /// Whether the row is at a point from which nothing good comes: not finite, exploded, or so far away that no residual can be
    /// told from rounding, unless its energy is lower there.
    fn lost(&self, row: usize, outcome: Option<Outcome>, size: f64, lower: bool) -> bool {
        match outcome {
            Some(Outcome::NonFinite | Outcome::Diverged) => true,
            Some(_) => false,
            None => !lower && self.growth[row].beyond(size),
        }
    }

    /// Which rows of the batch the last visit has set back: a solver's step led them to where nothing good comes from. They go on
    /// from their best points.
    pub(crate) fn back(&self) -> &[bool] {
        &self.back
    }

    /// The best points of the rows in the batch.
    pub(crate) fn best(&self) -> &R {
        &self.best
    }

    /// Records which rows of the batch have moved on by more than a plain step.
    pub(crate) fn moved(&mut self, extrapolated: impl Fn(usize) -> bool) {
        for (position, row) in self.batch.iter().enumerate().filter(|(position, _)| self.active[*position]) {
            self.strayed[*row] |= !self.back[position] && extrapolated(position);
        }
    }

    /// Whether the row at this position takes plain steps alone, until it finds a better point: from its best one the solver has
    /// led it astray twice.
    pub(crate) fn plain(&self, position: usize) -> bool {
        self.setbacks[self.batch[position]] > 1
    }

    /// Ends the row at this position, if it is still under way: as converged where it was to go on though it meets the tolerance.
    pub(crate) fn end(&mut self, position: usize, outcome: Outcome) {
        let row = self.batch[position];
        let outcome = if self.met[row] { Outcome::Converged } else { outcome };
        self.outcomes[row].get_or_insert(outcome);
        self.active[position] = false;
    }

    /// Ends rows under way at `x`, which is what was asked for, though nobody has looked at its residual.
    pub(crate) fn accept(&mut self, step: usize, x: &R) {
        self.best.replace(&self.active, x);
        for position in (0..self.batch.len()).filter(|position| self.active[*position]).collect::<Vec<_>>() {
            let row = self.batch[position];
            (self.steps[row], self.residuals[row]) = (step, f64::NAN);
            self.end(position, Outcome::Approximate);
        }
    }

    /// Ends rows for reasons that are not numerical: an observer, or a budget that is spent.
    pub(crate) fn enforce(&mut self) {
        let budget = self.rules.budget;
        let (late, spent) = (self.late(), self.remaining() == 0);
        for position in 0..self.batch.len() {
            if self.stopped {
                self.end(position, Outcome::Stopped);
            } else if self.steps[self.batch[position]] >= budget.steps {
                self.end(position, Outcome::StepLimit);
            } else if late {
                self.end(position, Outcome::TimeLimit);
            } else if spent {
                self.end(position, Outcome::EvaluationLimit);
            }
        }
    }

    /// The time that is left, if there is a limit.
    pub(crate) fn seconds_left(&self) -> Option<f64> {
        self.rules.budget.seconds.map(|limit| limit - self.started.elapsed().as_secs_f64())
    }

    /// Whether the time is over.
    fn late(&self) -> bool {
        self.seconds_left().is_some_and(|seconds| seconds <= 0.0)
    }

    /// How many evaluations of any kind are left; none when the time is over.
    pub(crate) fn remaining(&self) -> usize {
        if self.late() {
            return 0;
        }
        let spent = self.evaluations + self.derivative_applications + self.energy_evaluations;
        self.rules.budget.evaluations.map_or(usize::MAX, |limit| limit.saturating_sub(spent))
    }

    /// Ends every row still under way, because what is left of the budget does not suffice for one more step.
    pub(crate) fn exhaust(&mut self) {
        let outcome = if self.late() { Outcome::TimeLimit } else { Outcome::EvaluationLimit };
        (0..self.batch.len()).for_each(|position| self.end(position, outcome));
    }

    /// Tells the trace and the observer; whether the observer asked to stop.
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

    /// Takes note of rows, by position, that have changed their method after so many steps.
    pub(crate) fn switched(&mut self, step: usize, switches: Vec<Switch>) {
        let named = |switch: Switch| Switch { row: self.batch[switch.row], step, ..switch };
        self.switches.extend(switches.into_iter().map(named));
    }

    /// `next` for rows under way, and the best point for rows that have ended or were set back.
    pub(crate) fn freeze(&self, mut next: R) -> R {
        let at_best: Vec<bool> =
            self.active.iter().zip(&self.back).map(|(active, back)| !active || *back).collect();
        if at_best.contains(&true) {
            next.replace(&at_best, &self.best);
        }
        next
    }

    /// Lets all rows but those at these positions leave the batch.
    pub(crate) fn narrow(&mut self, keep: &[usize]) {
        match &mut self.left {
            Some(left) => left.put(&self.batch, &self.best),
            None => self.left = Some(self.best.clone()),
        }
        let ended = self.batch.iter().zip(&self.active).filter(|(_, active)| !**active);
        ended.for_each(|(row, _)| self.reported[*row] = self.residuals[*row]);
        self.best = self.best.gather(keep);
        self.batch = picked(&self.batch, keep);
        self.active = picked(&self.active, keep);
        self.back = picked(&self.back, keep);
    }

    /// The result, when every row has ended.
    pub(crate) fn close(self) -> Solution<R> {
        let relative = |(residual, size): (&f64, &f64)| if *residual == 0.0 { 0.0 } else { residual / size };
        let relatives: Vec<f64> = self.residuals.iter().zip(&self.sizes).map(relative).collect();
        let course = |row: usize| {
            let start = (self.steps[row], self.given[row]);
            Course::of(&self.recent[row], start, relatives[row], self.precision)
        };
        let courses = (0..relatives.len()).map(course).collect();
        let statistics = Statistics {
            evaluations: self.evaluations,
            earlier: 0,
            row_evaluations: self.row_evaluations,
            derivative_applications: self.derivative_applications,
            energy_evaluations: self.energy_evaluations,
            steps: self.steps,
            relative: relatives,
            residuals: self.residuals,
            rates: self.recent.iter().map(Recent::rate).collect(),
            growth: self.growth.iter().zip(&self.sizes).map(|(growth, size)| growth.factor(*size)).collect(),
            switches: self.switches,
            trace: self.trace,
        };
        let value = match self.left {
            Some(mut all) => {
                all.put(&self.batch, &self.best);
                all
            }
            None => self.best,
        };
        let ended = |outcome: Option<Outcome>| outcome.unwrap_or(Outcome::Stopped);
        Solution::new(value, self.outcomes.into_iter().map(ended).collect(), courses, statistics)
    }
}

/// The entries at these positions.
pub(crate) fn picked<T: Clone>(all: &[T], keep: &[usize]) -> Vec<T> {
    keep.iter().map(|position| all[*position].clone()).collect()
}
