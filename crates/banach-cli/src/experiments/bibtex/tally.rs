//! What do the mini-batches of an epoch add up to?

use super::history::{Epoch, EpochReport};
use super::step::StepOutput;
use super::work::Work;

/// What an epoch's training adds up to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Time spent training.
    pub(crate) seconds: f64,
    loss: f64,
    rows_with_loss: usize,
    rows: usize,
    work: Work,
}

impl Tally {
    /// Adds a mini-batch. A loss that is not finite counts by its rows only, so that the mean stays a number.
    pub(crate) fn add(&mut self, output: &StepOutput) {
        if output.loss.is_finite() {
            self.loss += output.loss * output.rows as f64;
            self.rows_with_loss += output.rows;
        }
        self.rows += output.rows;
        self.work.forward_steps += output.work.forward_steps * output.rows as f64;
        self.work.adjoint_steps += output.work.adjoint_steps * output.rows as f64;
        self.work.add_rows(&output.work);
    }

    /// Adds the rows that an evaluation met.
    pub(crate) fn add_rows(&mut self, work: &Work) {
        self.work.add_rows(work);
    }

    /// The finished epoch.
    pub(crate) fn into_epoch(self, epoch: usize, figures: Figures) -> Epoch {
        let rows = self.rows.max(1) as f64;
        let report = EpochReport {
            epoch,
            seconds: self.seconds,
            train_loss: if self.rows_with_loss > 0 {
                self.loss / self.rows_with_loss as f64
            } else {
                f64::MAX
            },
            validation_f1: figures.validation_f1,
            test_f1_at_half: figures.test_f1_at_half,
            forward_steps: self.work.forward_steps / rows,
            adjoint_steps: self.work.adjoint_steps / rows,
            unconverged_rows: self.work.unconverged_rows,
            non_finite_rows: self.work.non_finite_rows,
        };
        Epoch { report, threshold: figures.threshold, test_f1: figures.test_f1 }
    }
}

/// F1 in percent, after an epoch.
pub(crate) struct Figures {
    pub(crate) threshold: f64,
    pub(crate) validation_f1: f64,
    pub(crate) test_f1: f64,
    pub(crate) test_f1_at_half: f64,
}
