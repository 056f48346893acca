//! What is known about each finished epoch, which one is best, and is it time to stop?

use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::train::EarlyStoppingStrategy;
use burn::train::metric::store::EventStoreClient;

/// What the report says about one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpochReport {
    pub(crate) epoch: usize,
    /// Time spent training, without the evaluations.
    pub(crate) seconds: f64,
    /// Mean over the examples while the weights were changing.
    pub(crate) train_loss: f64,
    /// In percent, at this epoch's best threshold on the validation split.
    pub(crate) validation_f1: f64,
    /// In percent, with outputs rounded at one half.
    pub(crate) test_f1_at_half: f64,
    /// Mean a row, while training.
    pub(crate) forward_steps: f64,
    /// Mean a row, while training.
    pub(crate) adjoint_steps: f64,
    /// While training and evaluating.
    pub(crate) unconverged_rows: usize,
    /// While training and evaluating.
    pub(crate) non_finite_rows: usize,
}

/// An epoch with what is reported only if it turns out best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Epoch {
    #[serde(flatten)]
    pub(crate) report: EpochReport,
    /// Chosen on the validation split.
    pub(crate) threshold: f64,
    /// In percent, at that threshold.
    pub(crate) test_f1: f64,
}

/// The finished epochs of a run, shared between its parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    epochs: Arc<Mutex<Vec<Epoch>>>,
}

impl History {
    /// A history that starts with the epochs of an earlier part of the run.
    pub(crate) fn new(epochs: Vec<Epoch>) -> Self {
        Self { epochs: Arc::new(Mutex::new(epochs)) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Epoch>> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a finished epoch; true if it is the best so far.
    pub(crate) fn push(&self, epoch: Epoch) -> bool {
        let mut epochs = self.lock();
        epochs.push(epoch);
        best(&epochs).is_some_and(|best| best.report.epoch == epochs.len())
    }

    /// The finished epochs.
    pub(crate) fn epochs(&self) -> Vec<Epoch> {
        self.lock().clone()
    }

    /// The best epoch by validation F1, the first of equals.
    pub(crate) fn best(&self) -> Option<Epoch> {
        best(&self.lock()).cloned()
    }

    /// Whether the last `patience` epochs brought nothing better.
    pub(crate) fn is_exhausted(&self, patience: usize) -> bool {
        let epochs = self.lock();
        best(&epochs).is_some_and(|best| epochs.len() - best.report.epoch >= patience)
    }
}

fn best(epochs: &[Epoch]) -> Option<&Epoch> {
    epochs
        .iter()
        .reduce(|best, next| if next.report.validation_f1 > best.report.validation_f1 { next } else { best })
}

/// Early stopping by the validation F1. It reads the history, which a resumed run restores.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    pub(crate) history: History,
    pub(crate) epochs: usize,
}

impl EarlyStoppingStrategy for Patience {
    fn should_stop(&mut self, _epoch: usize, _store: &EventStoreClient) -> bool {
        self.history.is_exhausted(self.epochs)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An epoch with the given validation F1.
    pub(crate) fn epoch(epoch: usize, validation_f1: f64) -> Epoch {
        let report = EpochReport {
            epoch,
            seconds: 1.0,
            train_loss: 0.1,
            validation_f1,
            test_f1_at_half: 1.0,
            forward_steps: 1.0,
            adjoint_steps: 0.0,
            unconverged_rows: 0,
            non_finite_rows: 0,
        };
        Epoch { report, threshold: 0.5, test_f1: validation_f1 - 1.0 }
    }

    #[test]
    fn the_first_of_the_best_epochs_wins_and_patience_counts_from_it() {
        let history = History::default();
        assert!(history.best().is_none() && !history.is_exhausted(1));
        let news: Vec<bool> =
            [10.0, 30.0, 30.0, 20.0].iter().zip(1..).map(|(&f1, n)| history.push(epoch(n, f1))).collect();
        assert_eq!(news, [true, true, false, false]);
        assert_eq!(history.best().unwrap().report.epoch, 2);
        assert!(history.is_exhausted(2) && !history.is_exhausted(3));
    }
}
