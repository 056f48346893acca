//! The loop of short recurrences, with a check of the residual they claim.

use super::normalized;
use super::start::Start;
use crate::ledger::{Ledger, picked};
use crate::present::Present;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Outcome, Rows, Solution};

/// The image of a vector under `I - A`, counted.
pub(super) type Shifted<'a, R> = &'a mut dyn FnMut(&R) -> Result<R, Error>;

/// A method that keeps its remainder up to date without computing it, in units of the residual it started from.
pub(super) trait Recurrence<R: Rows> {
    /// Applications of the map in one step.
    const APPLICATIONS: usize;

    /// How far each row has moved from its start.
    fn point(&self) -> &R;

    /// The length that the remainder of a row has by recurrence.
    fn length(&self, row: usize) -> f64;

    /// One step of open rows; how rows have ended that could not take it.
    fn step(&mut self, open: &[bool], apply: Shifted<'_, R>) -> Result<Vec<Option<Outcome>>, Error>;

    /// Puts the true remainder in place of the one kept by recurrence, and starts again from it, in these rows.
    fn restart(&mut self, rows: &[bool], remainder: &R, lengths: &[f64]);

    /// Keeps the rows at these positions; the others leave the batch.
    fn narrow(&mut self, keep: &[usize]);
}

/// The system of a batch, and how its solve is watched over.
pub(super) struct Run<'a, 'm, R, M: ?Sized> {
    pub(super) present: Present<'m, R, M>,
    pub(super) v: &'a R,
    pub(super) start: Start<R>,
    pub(super) ledger: Ledger<R>,
    pub(super) rules: Rules,
    pub(super) observer: &'a mut dyn Observe,
}

impl<R: Rows, M: Map<R> + ?Sized> Run<'_, '_, R, M> {
    /// Steps until every row has ended. Where a remainder seems to suffice, or is the last, the true one is computed:
    /// it alone decides.
    pub(super) fn by<S: Recurrence<R>>(self, mut state: S) -> Result<Solution<R>, Error> {
        let Self { mut present, v, start, mut ledger, rules, observer } = self;
        let Start { c: mut origin, residuals: mut units, mut sizes, .. } = start;
        let (mut v, mut steps) = (v.clone(), vec![0; v.rows()]);
        while !ledger.finished() {
            // A step, and a look at what it has reached.
            if ledger.remaining() < S::APPLICATIONS + 1 {
                ledger.exhaust();
                break;
            }
            if let Some(keep) = present.narrow(ledger.batch(), ledger.actives()) {
                ledger.narrow(&keep);
                state.narrow(&keep);
                (origin, v, steps) = (origin.gather(&keep), v.gather(&keep), picked(&steps, &keep));
                (units, sizes) = (picked(&units, &keep), picked(&sizes, &keep));
            }
            let open = ledger.actives().to_vec();
            let failed = state.step(&open, &mut |p| present.apply_shifted(p, &mut ledger))?;
            for (row, failure) in failed.into_iter().enumerate().filter(|(row, _)| open[*row]) {
                match failure {
                    Some(outcome) => ledger.end(row, outcome),
                    None => steps[row] += 1,
                }
            }
            let c = ledger.freeze(origin.add_scaled(&[(&units, state.point())]));
            let mut residuals: Vec<f64> =
                units.iter().enumerate().map(|(row, unit)| state.length(row) * unit).collect();
            let last = ledger.remaining() < S::APPLICATIONS + 2;
            let done = |row: usize| {
                let met = rules.tolerance.met(residuals[row], sizes[row]);
                ledger.actives()[row] && (met || last || steps[row] >= rules.budget.steps)
            };
            let done: Vec<bool> = (0..steps.len()).map(done).collect();
            if done.contains(&true) {
                let remainder = v.minus(&present.apply_shifted(&c, &mut ledger)?);
                let found = R::norms(&[&remainder]).swap_remove(0);
                let lengths: Vec<f64> = found.iter().zip(&units).map(|(found, unit)| found / unit).collect();
                state.restart(&done, &normalized(&remainder, &units, &done), &lengths);
                (0..done.len()).filter(|row| done[*row]).for_each(|row| residuals[row] = found[row]);
            }
            ledger.visit(|row| steps[row], &c, &residuals, &sizes);
            ledger.report(steps.iter().max().copied().unwrap_or(0), &residuals, observer);
            ledger.enforce();
        }
        Ok(ledger.close())
    }
}
