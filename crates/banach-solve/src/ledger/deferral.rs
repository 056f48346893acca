//! What deferred solves need of a ledger: best iterates set from outside, and predictions.

use super::Ledger;
use crate::Rows;

impl<R: Rows> Ledger<R> {
    /// Sets the best iterates of the rows in the batch.
    pub(crate) fn set_best(&mut self, best: R) {
        self.best = best;
    }

    /// The most steps that an active row is likely to need from here on, at its rate and from its last
    /// residual and size; `usize::MAX` where the residual does not fall.
    pub(crate) fn predicted_steps(&self, residuals: &[f64], sizes: &[f64]) -> usize {
        let remaining = |position: usize| {
            let threshold = self.rules.tolerance.threshold(sizes[position]);
            let rate = self.states[self.batch[position]].history.rate();
            let steps = (threshold / residuals[position]).ln() / rate.ln();
            // NaN without a rate; a rate of zero needs no more steps.
            if rate < 1.0 && !steps.is_nan() { steps.max(0.0).ceil() as usize } else { usize::MAX }
        };
        let active = (0..self.batch.len()).filter(|position| self.active[*position]);
        active.map(remaining).max().unwrap_or(0)
    }
}
