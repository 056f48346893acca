//! The loop of solvers with short recurrences, which verifies the residual that a recurrence claims.

use super::system::LinearSystem;
use crate::state::rows::{entries_at, normalized_rows};
use crate::{Error, Map, Outcome, Rows, Solution};

/// The image of a vector under `I - A`, counted as one evaluation.
pub(super) type Shifted<'a, R> = &'a mut dyn FnMut(&R) -> Result<R, Error>;

/// A method that updates its remainder by recurrence, in units of the residual at the start.
pub(super) trait Recurrence<R: Rows> {
    /// Applications of the map in one step.
    const APPLICATIONS: usize;

    /// The displacement of each row from its start.
    fn point(&self) -> &R;

    /// The norm of a row's remainder, by recurrence.
    fn length(&self, row: usize) -> f64;

    /// Takes one step in the open rows. Returns the outcome of each row that cannot take it.
    fn step(&mut self, open: &[bool], apply: Shifted<'_, R>) -> Result<Vec<Option<Outcome>>, Error>;

    /// Replaces the recurrence's remainder by the true one in these rows, and restarts them from it.
    fn restart(&mut self, rows: &[bool], remainder: &R, lengths: &[f64]);

    /// Keeps the rows at these positions; the others leave the batch.
    fn narrow(&mut self, keep: &[usize]);
}

/// Steps until every row has ended. Where the remainder by recurrence meets the tolerance, or the budget
/// allows no further step, the true remainder is computed, and it alone decides.
pub(super) fn solve<R: Rows, M: Map<R> + ?Sized, S: Recurrence<R>>(
    mut system: LinearSystem<'_, '_, R, M>,
    mut state: S,
) -> Result<Solution<R>, Error> {
    let (mut origin, mut units) = (system.c.clone(), system.residuals.clone());
    let mut steps = vec![0; units.len()];
    while !system.ledger.finished() {
        // One step, and the verification of its result.
        if system.ledger.remaining() < S::APPLICATIONS + 1 {
            system.ledger.exhaust();
            break;
        }
        if let Some(keep) = system.narrow() {
            state.narrow(&keep);
            origin = origin.gather(&keep);
            (units, steps) = (entries_at(&units, &keep), entries_at(&steps, &keep));
        }
        let open = system.ledger.actives().to_vec();
        let failed = state.step(&open, &mut |p| system.apply_shifted(p))?;
        for (row, failure) in failed.into_iter().enumerate().filter(|(row, _)| open[*row]) {
            match failure {
                Some(outcome) => system.ledger.end(row, outcome),
                None => steps[row] += 1,
            }
        }
        system.c = system.ledger.freeze(origin.add_scaled(&[(&units, state.point())]));
        system.residuals = units.iter().enumerate().map(|(row, unit)| state.length(row) * unit).collect();
        let last = system.ledger.remaining() < S::APPLICATIONS + 2;
        let done = |row: usize| {
            let met = system.rules.tolerance.met(system.residuals[row], system.sizes[row]);
            system.ledger.actives()[row] && (met || last || steps[row] >= system.rules.budget.steps)
        };
        let done: Vec<bool> = (0..steps.len()).map(done).collect();
        if done.contains(&true) {
            let found = system.update_remainder()?;
            let lengths: Vec<f64> = found.iter().zip(&units).map(|(found, unit)| found / unit).collect();
            state.restart(&done, &normalized_rows(&system.remainder, &units, &done), &lengths);
            (0..done.len()).filter(|row| done[*row]).for_each(|row| system.residuals[row] = found[row]);
        }
        system.record(|row| steps[row]);
        system.report(steps.iter().max().copied().unwrap_or(0));
    }
    Ok(system.ledger.close())
}
