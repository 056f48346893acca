//! Counts of the solves of a layer, and its log of failed rows.

use crate::error::Error;
use crate::settings::configuration::OnFailure;
use crate::settings::lock::locked;
use crate::settings::report::{AdjointReport, Report, Statistics};
use crate::settings::trial::{is_trial, record_rows};
use std::sync::{Mutex, MutexGuard};

/// Consecutive escalations that solve no row, after which the second adjoint solver is skipped for a while.
const FUTILE: u32 = 3;
/// The largest number of escalations skipped before the second solver is tried again.
const MOST_SKIPPED: u32 = 256;

/// The counts and the log of a layer and its clones.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    statistics: Mutex<Statistics>,
    logged: Mutex<Logged>,
    escalation: Mutex<Escalation>,
}

/// The state of the log.
#[derive(Debug, Default)]
struct Logged {
    /// Whether the first solve has been summarized.
    begun: bool,
    /// The share of failed rows that was last logged for forward solves.
    forward: f64,
    /// The share of failed rows that was last logged for adjoint solves.
    adjoint: f64,
}

impl Logged {
    /// Returns whether a solve with failed rows is logged: the first one, and every one with twice the share last logged.
    fn is_due(share: &mut f64, failed: usize, rows: usize) -> bool {
        let found = failed as f64 / rows.max(1) as f64;
        let due = failed > 0 && found >= 2.0 * *share;
        if due {
            *share = found;
        }
        due
    }
}

/// The record of the second adjoint solver.
#[derive(Debug, Default)]
struct Escalation {
    /// Consecutive escalations that solved no row.
    futile: u32,
    /// Escalations still to be skipped.
    skips: u32,
}

const LATER: &str = "(Logged once, and again whenever the share of failed rows doubles; all are counted in \
                     `statistics()`. `OnFailure::Warn` logs every solve with failed rows, `OnFailure::Error` refuses them.)";

impl Journal {
    /// Locks the counts.
    pub(crate) fn statistics(&self) -> MutexGuard<'_, Statistics> {
        locked(&self.statistics)
    }

    /// Counts rows that began at a cached state.
    pub(crate) fn warmed(&self, rows: usize) {
        if !is_trial() {
            self.statistics().warm_rows += rows;
        }
    }

    /// Counts rows left out of a gradient because they failed forward.
    pub(crate) fn skipped(&self, failed: &[bool]) {
        if !is_trial() {
            self.statistics().skipped_rows += failed.iter().filter(|failed| **failed).count();
        }
    }

    /// Counts a forward solve, and logs it as the failure policy says.
    pub(crate) fn solved(&self, report: &Report, on_failure: OnFailure) {
        if record_rows(!report.converged()) {
            return;
        }
        self.statistics().count(report);
        let failed = report.outcomes.iter().filter(|outcome| outcome.is_failure()).count();
        let (first, doubled) = {
            let mut logged = locked(&self.logged);
            let first = !std::mem::replace(&mut logged.begun, true);
            (first, Logged::is_due(&mut logged.forward, failed, report.outcomes.len()))
        };
        if first {
            log::info!(target: "banach", "the first solve of a fixed point: {}", report.explain());
        }
        match on_failure {
            OnFailure::Best | OnFailure::Skip if doubled => warn(&format!("{} {LATER}", report.explain())),
            OnFailure::Warn if !report.converged() => warn(&report.explain()),
            OnFailure::Best | OnFailure::Skip | OnFailure::Warn | OnFailure::Error => {}
        }
    }

    /// Counts an adjoint solve, and logs it as the failure policy says.
    pub(crate) fn pulled_back(&self, report: &AdjointReport, on_failure: OnFailure) {
        if record_rows(report.failed().contains(&true)) {
            return;
        }
        let failed = report.failed().iter().filter(|failed| **failed).count();
        {
            let mut statistics = self.statistics();
            statistics.count_adjoint(report);
            statistics.skipped_rows += if on_failure == OnFailure::Skip { failed } else { 0 };
        }
        match report.check() {
            Ok(()) => {}
            Err(error) => self.log(&error, (failed, report.outcomes.len()), on_failure),
        }
    }

    /// Counts rows without a finite gradient inside a program, and logs or refuses them as the failure policy says.
    ///
    /// # Errors
    /// [`Error::NonFiniteGradient`] with [`OnFailure::Error`].
    pub(crate) fn without_gradient(&self, without: &[bool], on_failure: OnFailure) -> Result<(), Error> {
        let Some(row) = without.iter().position(|without| *without) else { return Ok(()) };
        let (failed, rows) = (without.iter().filter(|without| **without).count(), without.len());
        let error = Error::NonFiniteGradient { row, failed, rows };
        if !record_rows(true) {
            self.statistics().non_finite_gradients += failed;
            self.log(&error, (failed, rows), on_failure);
        }
        if on_failure == OnFailure::Error { Err(error) } else { Ok(()) }
    }

    /// Logs an adjoint solve in which rows failed.
    fn log(&self, error: &Error, (failed, rows): (usize, usize), on_failure: OnFailure) {
        let doubled = Logged::is_due(&mut locked(&self.logged).adjoint, failed, rows);
        match on_failure {
            OnFailure::Best | OnFailure::Skip if doubled => warn(&format!("{error} {LATER}")),
            OnFailure::Warn => warn(&error.to_string()),
            OnFailure::Best | OnFailure::Skip | OnFailure::Error => {}
        }
    }

    /// Returns whether the second adjoint solver is tried now. A solver that solves no rows is skipped for a while.
    pub(crate) fn escalates(&self) -> bool {
        let mut escalation = locked(&self.escalation);
        let escalates = escalation.skips == 0;
        escalation.skips = escalation.skips.saturating_sub(1);
        escalates
    }

    /// Records whether the second adjoint solver has solved a row that the first had not.
    pub(crate) fn escalated(&self, solved: bool) {
        let mut escalation = locked(&self.escalation);
        escalation.futile = if solved { 0 } else { escalation.futile + 1 };
        if escalation.futile >= FUTILE {
            escalation.skips = 2_u32.saturating_pow(escalation.futile).min(MOST_SKIPPED);
        }
    }
}

/// Logs a failure.
fn warn(text: &str) {
    log::warn!(target: "banach", "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_logged_at_first_and_whenever_it_doubles() {
        let mut share = 0.0;
        let logged: Vec<bool> =
            [0, 1, 1, 2, 3, 4, 0, 7, 8, 8].map(|failed| Logged::is_due(&mut share, failed, 8)).to_vec();
        assert_eq!(logged, [false, true, false, true, false, true, false, false, true, false]);
    }

    #[test]
    fn a_second_solver_that_solves_nothing_is_tried_ever_less_often() {
        let journal = Journal::default();
        let tries = |count: usize, solved: bool| {
            let tried = |_: &usize| {
                let escalates = journal.escalates();
                if escalates {
                    journal.escalated(solved);
                }
                escalates
            };
            (0..count).filter(tried).count()
        };
        assert_eq!(tries(3, false), 3);
        // 8 are skipped, then 16, then 32.
        assert_eq!(tries(9 + 17 + 33, false), 3);
        assert_eq!(tries(10_000, false), 10_000 / 257 + 2);
        while !journal.escalates() {}
        journal.escalated(true);
        assert_eq!(tries(100, true), 100);
    }
}
