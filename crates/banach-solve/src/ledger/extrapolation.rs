//! Extrapolated steps of rows: which have failed, and which rows are restricted to plain steps.

use super::Ledger;
use crate::{Outcome, Rows};

impl<R: Rows> Ledger<R> {
    /// Whether the row cannot converge from this point: it is not finite, has diverged, or has grown so far
    /// that rounding hides every acceptable residual.
    pub(super) fn is_hopeless(&self, row: usize, outcome: Option<Outcome>, size: f64) -> bool {
        match outcome {
            Some(Outcome::NonFinite | Outcome::Diverged) => true,
            Some(_) => false,
            None => self.growth[row].beyond(size),
        }
    }

    /// Rows of the batch that the last call of [`record`](Self::record) has reset to their best iterates,
    /// because an extrapolated step led to a point from which they cannot converge.
    pub(crate) fn reset(&self) -> &[bool] {
        &self.reset
    }

    /// Records which rows of the batch have taken an extrapolated step.
    pub(crate) fn record_extrapolations(&mut self, extrapolated: impl Fn(usize) -> bool) {
        for (position, row) in self.batch.iter().enumerate().filter(|(position, _)| self.active[*position]) {
            self.extrapolated[*row] |= !self.reset[position] && extrapolated(position);
        }
    }

    /// Whether the row at this position is restricted to plain steps until it finds a better iterate:
    /// extrapolated steps have failed twice from its best one.
    pub(crate) fn needs_plain_steps(&self, position: usize) -> bool {
        self.resets[self.batch[position]] > 1
    }
}
