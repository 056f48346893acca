//! The finished epochs of a run.

use super::settings::Settings;
use crate::experiments::{checkpoint, epoch};
use serde::{Deserialize, Serialize};

/// A finished epoch.
pub(crate) type Epoch = epoch::Epoch<Scores>;

/// The finished epochs of a run, and the run that they belong to.
pub(crate) type State = checkpoint::State<Settings, Scores>;

/// What is measured after an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scores {
    /// Mean PSNR of the images of the validation split, in decibels; none where it is not finite.
    pub(crate) validation_psnr: Option<f64>,
    /// Mean steps of the solver on them, to the tolerance of evaluations; none where nothing is solved for.
    pub(crate) validation_steps: Option<f64>,
}

impl epoch::Scored for Scores {
    fn validation(&self) -> Option<f64> {
        self.validation_psnr
    }
}
