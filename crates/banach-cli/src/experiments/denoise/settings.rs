//! The settings of a denoising run, which a resumed run must repeat.

use super::arguments::DenoiseArguments;
use super::network::Shape;
use crate::dataset::patches::{MOST_NOISE, NoiseLevel, PatchSettings, TYPICAL_NOISE};
use crate::experiments::checkpoint::Repeatable;
use crate::experiments::solves::Solves;
use crate::options::{AdjointName, LayerName, SolverName};
use banach::FixedPointConfig;
use banach::solve::Tolerance;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const CHANNELS: usize = 48;
const CONVOLUTIONS: usize = 2;
/// The bound is above the largest singular value, and every ReLU halves the map: what the penalty leaves is a contraction at the
/// images that the map meets.
const GAIN: f64 = 3.0;
/// Weight of ‖J‖²/n: without it steps grow from epoch to epoch, with more of it the map has less feedback.
const JACOBIAN_WEIGHT: f64 = 0.1;
const PATCH: usize = 64;
const BATCH: usize = 4;
const CROPS: usize = 4;
const TOLERANCE: f64 = 1e-2;
const MAX_STEPS: usize = 16;
const EPOCHS: usize = 20;
/// The adjoint of a training step needs no more than this relative residual.
const ADJOINT_TOLERANCE: f64 = 5e-2;
/// Images are evaluated to this relative residual.
const EVALUATED_TOLERANCE: f64 = 1e-3;
/// The images of users are denoised to this one: mean PSNR is the same to 0.001 dB, in two thirds of the steps.
const APPLIED_TOLERANCE: f64 = 3e-3;
const EVALUATED_STEPS: usize = 60;

/// Everything that decides the numbers of a run, as written to its report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The noise, on the scale of 0 to 255.
    pub(crate) sigma: NoiseLevel,
    /// Epochs over which the step size falls to 0.
    pub(crate) epochs: usize,
    /// Epochs without a better validation PSNR after which training stops.
    pub(crate) patience: usize,
    #[serde(default = "Shape::folded_once")]
    fold: usize,
    pub(crate) channels: usize,
    pub(crate) convolutions: usize,
    patch: usize,
    batch: usize,
    crops: usize,
    /// The greatest step size.
    pub(crate) learning_rate: f64,
    /// How much a convolution of the map of FPI_NN may make of a difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    gain: Option<f64>,
    /// Weight of ‖J‖²/n in the loss.
    pub(crate) jacobian_weight: f64,
    /// None where nothing is solved for.
    #[serde(flatten)]
    solves: Option<Solves>,
    /// None where images are drawn.
    pub(crate) data: Option<PathBuf>,
    data_fingerprint: String,
}

impl Settings {
    /// The settings that arguments without contradictions give.
    pub(crate) fn new(arguments: &DenoiseArguments, data_fingerprint: &str) -> Self {
        let (layer, changes) = (arguments.layer, &arguments.changes);
        let is_map = layer != LayerName::FpiGd;
        let is_fixed_point = layer == LayerName::FpiNn;
        let learning_rate = if is_map { 4e-3 } else { 3e-3 };
        let sigma = match arguments.sigma {
            None if arguments.blind => NoiseLevel::Blind { most: MOST_NOISE },
            sigma => NoiseLevel::Fixed(sigma.unwrap_or(TYPICAL_NOISE)),
        };
        Self {
            sigma,
            epochs: arguments.epochs.unwrap_or(EPOCHS),
            patience: arguments.patience,
            fold: changes.fold.unwrap_or(if is_map { 1 } else { 2 }),
            channels: changes.channels.unwrap_or(CHANNELS),
            convolutions: if is_map { changes.convolutions.unwrap_or(CONVOLUTIONS) } else { 1 },
            patch: patch_side(arguments),
            batch: changes.batch.unwrap_or(BATCH),
            crops: changes.crops.unwrap_or(CROPS),
            learning_rate: changes.learning_rate.unwrap_or(learning_rate),
            gain: is_fixed_point.then(|| changes.gain.unwrap_or(GAIN)),
            jacobian_weight: changes.jacobian_weight.unwrap_or(if is_fixed_point {
                JACOBIAN_WEIGHT
            } else {
                0.0
            }),
            solves: layer.solves().then(|| Solves {
                solver: changes.solver.unwrap_or(SolverName::Anderson),
                adjoint: changes.adjoint.unwrap_or(AdjointName::Gmres),
                engine: None,
                tolerance: changes.tolerance.unwrap_or(TOLERANCE),
                max_steps: changes.max_steps.unwrap_or(MAX_STEPS),
            }),
            data: arguments.data.clone(),
            data_fingerprint: data_fingerprint.into(),
        }
    }

    /// How training patches are drawn.
    pub(crate) fn patches(&self) -> PatchSettings {
        PatchSettings {
            side: self.patch,
            fold: self.fold,
            crops: self.crops,
            batch: self.batch,
            level: self.sigma,
        }
    }

    /// The network that these settings describe.
    pub(crate) fn shape(&self, layer: LayerName) -> Shape {
        let Self { fold, channels, convolutions, gain, sigma, .. } = *self;
        Shape { layer, fold, channels, convolutions, gain, sigma }
    }

    /// How the layer solves while it is trained.
    pub(crate) fn training(&self) -> FixedPointConfig {
        let Some(solves) = &self.solves else { return FixedPointConfig::new() };
        let mut config = solves.config().with_escalate(false);
        config.adjoint.tolerance.relative = solves.tolerance.max(ADJOINT_TOLERANCE);
        config
    }
}

/// How a trained layer solves for images of a user. Its trace was compared when it was trained.
pub(crate) fn application() -> FixedPointConfig {
    let tolerance = Tolerance { relative: APPLIED_TOLERANCE, ..Tolerance::default() };
    evaluation().with_tolerance(tolerance).with_check_trace(false)
}

/// How a trained layer solves.
pub(crate) fn evaluation() -> FixedPointConfig {
    FixedPointConfig::new()
        .with_tolerance(Tolerance { relative: EVALUATED_TOLERANCE, ..Tolerance::default() })
        .with_max_steps(EVALUATED_STEPS)
}

/// Pixels of a training patch along each side.
pub(crate) fn patch_side(arguments: &DenoiseArguments) -> usize {
    arguments.changes.patch.unwrap_or(PATCH)
}

impl Repeatable for Settings {
    /// The number of epochs decides every step size, so it stays.
    const CHANGEABLE: &'static [&'static str] = &["data"];

    fn epochs(&self) -> usize {
        self.epochs
    }

    fn patience(&self) -> usize {
        self.patience
    }

    fn examples(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| "the drawn images".into())
    }
}
