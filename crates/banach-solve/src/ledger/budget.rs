//! Budgets and observers of a solve: what remains, and the rows that end when nothing does.

use super::Ledger;
use crate::{Outcome, Rows};

impl<R: Rows> Ledger<R> {
    /// Ends rows that an observer has stopped or whose budget is spent.
    pub(crate) fn enforce(&mut self) {
        let budget = self.rules.budget;
        let (late, spent) = (self.late(), self.evaluations_left() == 0);
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

    /// Remaining wall-clock budget, or `None` without a limit.
    pub(crate) fn seconds_left(&self) -> Option<f64> {
        self.rules.budget.seconds.map(|limit| limit - self.started.elapsed().as_secs_f64())
    }

    /// Whether the wall-clock budget is spent.
    fn late(&self) -> bool {
        self.seconds_left().is_some_and(|seconds| seconds <= 0.0)
    }

    /// The remaining budget of evaluations of any kind; zero once the wall-clock budget is spent.
    pub(crate) fn remaining(&self) -> usize {
        if self.late() { 0 } else { self.evaluations_left() }
    }

    /// The remaining budget of evaluations of any kind, whatever the clock says.
    fn evaluations_left(&self) -> usize {
        let spent = self.evaluations + self.derivative_applications + self.energy_evaluations;
        self.rules.budget.evaluations.map_or(usize::MAX, |limit| limit.saturating_sub(spent))
    }

    /// Ends every active row, because the remaining budget does not suffice for another step.
    pub(crate) fn exhaust(&mut self) {
        let outcome = if self.late() { Outcome::TimeLimit } else { Outcome::EvaluationLimit };
        (0..self.batch.len()).for_each(|position| self.end(position, outcome));
    }
}
