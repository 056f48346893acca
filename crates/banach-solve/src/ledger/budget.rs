//! Budgets and observers of a solve: what is left, and which rows end when nothing is.

use super::Ledger;
use crate::{Outcome, Rows};

impl<R: Rows> Ledger<R> {
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
}
