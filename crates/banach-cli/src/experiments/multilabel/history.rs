//! The finished epochs of a run.

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

impl epoch::Scored for Scores {
    fn validation(&self) -> Option<f64> {
        Some(self.validation_f1)
    }
}
