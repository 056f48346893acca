//! The finished epochs of a run.

use super::settings::Settings;
use crate::experiments::{checkpoint, epoch};
use serde::{Deserialize, Serialize};

/// A finished epoch.
pub(crate) type Epoch = epoch::Epoch<Scores>;

/// The finished epochs of a run, and the run that they belong to.
pub(crate) type State = checkpoint::State<Settings, Scores>;

/// What is measured after an epoch: mean end point errors in pixels, at full resolution; none where they are not finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scores {
    /// On generated pairs that choose the best epoch.
    pub(crate) validation_aepe: Option<f64>,
    /// On generated pairs that are only reported.
    pub(crate) test_aepe: Option<f64>,
    /// That of FlowNet, before the layer.
    pub(crate) test_aepe_before: Option<f64>,
    /// Mean steps of the solver on both, to the tolerance of evaluations; none where nothing is solved for.
    pub(crate) evaluated_steps: Option<f64>,
}

impl epoch::Scored for Scores {
    fn validation(&self) -> Option<f64> {
        self.validation_aepe.map(|error| -error)
    }
}
