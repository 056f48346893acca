//! Trial evaluations: user code run once more to compare a trace with Burn, outside all statistics and logs.

use crate::error::Error;
use std::cell::RefCell;

/// The record of one trial evaluation.
#[derive(Debug, Default)]
pub(crate) struct Trial {
    /// Whether a row of a fixed point inside failed. Then two evaluations need not agree.
    pub(crate) failed: bool,
    /// The first error of a comparison inside, which would be lost as text in a panic.
    pub(crate) error: Option<Error>,
}

thread_local! {
    /// The trials under way on this thread, the innermost last.
    static TRIALS: RefCell<Vec<Trial>> = const { RefCell::new(Vec::new()) };
}

/// Runs a closure as a trial. The closure must not unwind.
pub(crate) fn trial<T>(run: impl FnOnce() -> T) -> (T, Trial) {
    TRIALS.with_borrow_mut(|trials| trials.push(Trial::default()));
    let result = run();
    (result, TRIALS.with_borrow_mut(Vec::pop).unwrap_or_default())
}

/// Whether a trial is under way on this thread.
pub(crate) fn is_trial() -> bool {
    TRIALS.with_borrow(|trials| !trials.is_empty())
}

/// Records in the innermost trial that rows failed. Returns whether there is a trial.
pub(crate) fn record_rows(failed: bool) -> bool {
    TRIALS.with_borrow_mut(|trials| trials.last_mut().map(|trial| trial.failed |= failed).is_some())
}

/// Records in the innermost trial, if there is one, the error of a comparison inside.
pub(crate) fn record_error(error: &Error) {
    TRIALS.with_borrow_mut(|trials| {
        if let Some(trial) = trials.last_mut() {
            trial.error.get_or_insert_with(|| error.clone());
        }
    });
}
