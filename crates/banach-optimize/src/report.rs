//! Reports of solves, row by row, and counts of a layer over time.

use crate::error::Error;
use crate::termination::Termination;
use banach::OnFailure;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How the solve of a batch went; empty inside a trace, where nothing is solved yet.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct OptimizationReport {
    /// How each row ended.
    pub terminations: Vec<Termination>,
    /// The steps of the iteration of each row; 0 where the active set of an earlier solve is still the right one.
    pub steps: Vec<usize>,
    /// The largest residual of the optimality conditions of each row, relative to its scale; NaN where a row was
    /// not solved at all.
    pub errors: Vec<f64>,
    /// The largest violation of a constraint in each row, in the units of h and b.
    pub infeasibilities: Vec<f64>,
}

impl OptimizationReport {
    /// Returns whether every row has a solution.
    pub fn solved(&self) -> bool {
        !self.terminations.iter().any(|termination| termination.is_failure())
    }

    /// Returns whether the solution of every row is differentiable.
    pub fn differentiable(&self) -> bool {
        self.terminations.iter().all(|termination| termination.is_differentiable())
    }

    /// Returns the mean number of steps of a row.
    pub fn mean_steps(&self) -> f64 {
        self.steps.iter().sum::<usize>() as f64 / self.steps.len().max(1) as f64
    }

    /// Describes the solve in one line, with advice for the worst termination.
    pub fn explain(&self) -> String {
        let rows = self.terminations.len();
        let mut counts: Vec<(Termination, usize)> = vec![];
        for &termination in &self.terminations {
            match counts.iter_mut().find(|(known, _)| *known == termination) {
                Some((_, count)) => *count += 1,
                None => counts.push((termination, 1)),
            }
        }
        let listed: Vec<String> =
            counts.iter().map(|(termination, count)| format!("{count} {termination}")).collect();
        let line = format!("{rows} rows in {:.1} steps on average: {}", self.mean_steps(), listed.join(", "));
        let failed = |termination: &Termination| termination.is_failure();
        let rough = |termination: &Termination| !termination.is_differentiable();
        let worst = self.terminations.iter().position(failed);
        match worst.or_else(|| self.terminations.iter().position(rough)) {
            Some(row) => {
                let termination = self.terminations[row];
                format!("{line}; row {row} is {termination}: {}", termination.advice())
            }
            None => line,
        }
    }

    /// Refuses rows without a solution.
    ///
    /// # Errors
    /// [`Error::Unsolved`] names the first.
    pub fn check(&self) -> Result<(), Error> {
        let Some(row) = self.terminations.iter().position(|termination| termination.is_failure()) else {
            return Ok(());
        };
        let failed = self.terminations.iter().filter(|termination| termination.is_failure()).count();
        let (termination, rows) = (self.terminations[row], self.terminations.len());
        Err(Error::Unsolved { row, termination, failed, rows })
    }
}

/// Counts of all solves of a layer and its clones.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct OptimizationCounts {
    /// Solves of batches.
    pub solves: usize,
    /// Rows in all solves.
    pub rows: usize,
    /// Steps of all rows.
    pub steps: usize,
    /// Rows by how they ended.
    pub terminations: BTreeMap<String, usize>,
    /// Rows without a solution.
    pub failed: usize,
    /// Rows with a solution that is not differentiable.
    pub not_differentiable: usize,
}

/// The journal of a layer: its counts, and what was logged.
#[derive(Debug, Default)]
pub(crate) struct SolveJournal {
    counts: Mutex<OptimizationCounts>,
    /// The share of rows without a derivative that was logged last.
    logged: Mutex<f64>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SolveJournal {
    pub(crate) fn counts(&self) -> OptimizationCounts {
        locked(&self.counts).clone()
    }

    /// Counts a solve, and logs or refuses failed rows as `on_failure` says: by default at first and whenever their
    /// share has doubled.
    pub(crate) fn record(&self, report: &OptimizationReport, on_failure: OnFailure) -> Result<(), Error> {
        let rows = report.terminations.len();
        let rough = report.terminations.iter().filter(|ended| !ended.is_differentiable()).count();
        {
            let mut counts = locked(&self.counts);
            counts.solves += 1;
            counts.rows += rows;
            counts.steps += report.steps.iter().sum::<usize>();
            counts.failed += report.terminations.iter().filter(|ended| ended.is_failure()).count();
            for termination in &report.terminations {
                *counts.terminations.entry(termination.to_string()).or_default() += 1;
            }
            counts.not_differentiable =
                counts.rows - counts.failed - counts.terminations.get("optimal").copied().unwrap_or(0);
        }
        let share = rough as f64 / rows.max(1) as f64;
        let doubled = {
            let mut logged = locked(&self.logged);
            let doubled = rough > 0 && share >= 2.0 * *logged;
            if doubled {
                *logged = share;
            }
            doubled
        };
        match on_failure {
            OnFailure::Error => return report.check(),
            OnFailure::Warn if rough > 0 => log::warn!(target: "banach", "{}", report.explain()),
            OnFailure::Best | OnFailure::Skip if doubled => {
                log::warn!(target: "banach", "{} (logged once, and again whenever the share of such rows doubles)", report.explain());
            }
            OnFailure::Best | OnFailure::Skip | OnFailure::Warn => {}
        }
        Ok(())
    }
}
