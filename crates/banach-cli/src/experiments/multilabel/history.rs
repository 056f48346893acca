//! The finished epochs of a run: which one is best, and when to stop.

use super::evaluation::{Metrics, Precision};
use super::settings::Settings;
use crate::experiments::{checkpoint, epoch};
use serde::{Deserialize, Serialize};

/// A finished epoch.
pub(crate) type Epoch = epoch::Epoch<Scores>;

/// The finished epochs of a run, and the run that they belong to.
pub(crate) type State = checkpoint::State<Settings, Scores>;

/// Scores after an epoch, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scores {
    /// The threshold with the best F1 on the validation split.
    pub(crate) threshold: f64,
    /// On the validation split, at that threshold.
    pub(crate) validation_f1: f64,
    /// On the test split, at that threshold.
    pub(crate) test_f1: f64,
    /// On the test split, with outputs rounded at one half.
    pub(crate) test_f1_at_half: f64,
    /// On the test split, at the threshold.
    #[serde(flatten)]
    pub(crate) metrics: Metrics,
    /// On the test split, with outputs rounded at one half.
    pub(crate) at_half: Metrics,
    /// On the test split.
    #[serde(flatten)]
    pub(crate) precision: Precision,
}

/// The best epoch by validation F1, the first of equals.
pub(crate) fn best(epochs: &[Epoch]) -> Option<&Epoch> {
    let better = |next: &Epoch, best: &Epoch| next.scores.validation_f1 > best.scores.validation_f1;
    epochs.iter().reduce(|best, next| if better(next, best) { next } else { best })
}

/// Whether the last `patience` epochs brought nothing better.
pub(crate) fn is_exhausted(epochs: &[Epoch], patience: usize) -> bool {
    best(epochs).is_some_and(|best| epochs.len() - best.epoch >= patience)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::epoch::Sums;

    #[test]
    fn the_first_of_the_best_epochs_wins_and_patience_counts_from_it() {
        let epochs: Vec<Epoch> = [10.0, 30.0, 30.0, 20.0]
            .into_iter()
            .zip(1..)
            .map(|(validation_f1, epoch)| Epoch {
                epoch,
                seconds: 1.0,
                sums: Sums::default(),
                scores: Scores {
                    threshold: 0.5,
                    validation_f1,
                    test_f1: 1.0,
                    test_f1_at_half: 1.0,
                    metrics: Metrics { micro_f1: 1.0, macro_f1: 1.0 },
                    at_half: Metrics { micro_f1: 1.0, macro_f1: 1.0 },
                    precision: Precision { p_at_1: 1.0, p_at_3: 1.0, p_at_5: 1.0 },
                },
            })
            .collect();
        assert!(best(&[]).is_none() && !is_exhausted(&[], 1));
        assert_eq!(best(&epochs).unwrap().epoch, 2);
        assert!(is_exhausted(&epochs, 2) && !is_exhausted(&epochs, 3));
    }
}
