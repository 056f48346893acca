//! Extrapolated steps of rows: which have failed, and which rows are restricted to plain steps.

use super::Ledger;
use crate::Rows;

impl<R: Rows> Ledger<R> {
    /// Rows of the batch that the last call of [`record`](Self::record) has reset to their best iterates,
    /// because an extrapolated step led to a point from which they cannot converge.
    pub(crate) fn reset(&self) -> &[bool] {
        &self.reset
    }

    /// Records which rows of the batch have taken an extrapolated step.
    pub(crate) fn record_extrapolations(&mut self, extrapolated: impl Fn(usize) -> bool) {
        for (position, row) in self.batch.iter().enumerate().filter(|(position, _)| self.active[*position]) {
            self.states[*row].extrapolated |= !self.reset[position] && extrapolated(position);
        }
    }

    /// Whether the row at this position is restricted to plain steps until it finds a better iterate:
    /// extrapolated steps have failed twice from its best one.
    pub(crate) fn needs_plain_steps(&self, position: usize) -> bool {
        self.states[self.batch[position]].resets > 1
    }
}
