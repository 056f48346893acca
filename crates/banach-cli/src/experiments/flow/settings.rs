//! The settings of a run on optical flow, which a resumed run must repeat.

use super::arguments::FlowArguments;
use super::flownet::Variant;
use super::network::Shape;
use crate::experiments::checkpoint::Repeatable;
use crate::experiments::solves::Solves;
use crate::options::numbers::SceneSize;
use crate::options::{AdjointName, LayerName, SolverName};
use banach::FixedPointConfig;
use banach::solve::Tolerance;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const WIDTH: f64 = 0.125;
const EPOCHS: usize = 30;
const PAIRS: usize = 512;
const BATCH: usize = 8;
const LEARNING_RATE: f64 = 1e-3;
/// How much the convolutions of the map may make of a difference: below 1 the map contracts for all weights.
const GAIN: f64 = 0.95;
const TOLERANCE: f64 = 1e-3;
const MAX_STEPS: usize = 20;
/// The adjoint of a training step needs no more than this relative residual.
const ADJOINT_TOLERANCE: f64 = 1e-2;
/// Flow is estimated, and users' images are, to this relative residual.
const EVALUATED_TOLERANCE: f64 = 1e-4;
const EVALUATED_STEPS: usize = 100;

/// Everything that decides the numbers of a run, as written to its report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Channels of the network, as a part of the published ones.
    pub(crate) width: f64,
    #[serde(default, skip_serializing_if = "Variant::is_paper")]
    variant: Variant,
    /// Epochs over which the step size falls to 0.
    pub(crate) epochs: usize,
    /// Epochs without a lower validation error after which training stops.
    pub(crate) patience: usize,
    pub(crate) size: SceneSize,
    pairs: usize,
    batch: usize,
    /// The greatest step size.
    pub(crate) learning_rate: f64,
    /// How much the convolutions of the map of FPI_NN may make of a difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    gain: Option<f64>,
    /// None where nothing is solved for.
    #[serde(flatten)]
    solves: Option<Solves>,
    /// The run whose network stays as it is; none where all is trained.
    pub(crate) frozen: Option<PathBuf>,
    /// None where no real pairs are tested on.
    pub(crate) data: Option<PathBuf>,
    /// None where textures are drawn.
    pub(crate) photographs: Option<PathBuf>,
    textures_fingerprint: String,
}

impl Settings {
    /// The settings that arguments without contradictions give, behind a network of the shape `kept` if there is one.
    pub(crate) fn new(arguments: &FlowArguments, kept: Option<Shape>, fingerprint: &str) -> Self {
        let (layer, changes) = (arguments.layer, &arguments.changes);
        Self {
            width: kept.map_or(arguments.width.unwrap_or(WIDTH), |kept| kept.width),
            variant: kept.map_or(Variant::Paper, |kept| kept.variant),
            epochs: arguments.epochs.unwrap_or(EPOCHS),
            patience: arguments.patience,
            size: size(arguments),
            pairs: changes.pairs.unwrap_or(PAIRS),
            batch: changes.batch.unwrap_or(BATCH),
            learning_rate: changes.learning_rate.unwrap_or(LEARNING_RATE),
            gain: (layer == LayerName::FpiNn).then(|| changes.gain.unwrap_or(GAIN)),
            solves: layer.solves().then(|| Solves {
                solver: changes.solver.unwrap_or(SolverName::Anderson),
                adjoint: changes.adjoint.unwrap_or(AdjointName::Gmres),
                engine: None,
                tolerance: changes.tolerance.unwrap_or(TOLERANCE),
                max_steps: changes.max_steps.unwrap_or(MAX_STEPS),
            }),
            frozen: arguments.frozen.clone(),
            data: arguments.data.clone(),
            photographs: arguments.photographs.clone(),
            textures_fingerprint: fingerprint.into(),
        }
    }

    /// Mini-batches of an epoch, and pairs of each.
    pub(crate) fn batches(&self) -> [usize; 2] {
        [(self.pairs / self.batch).max(1), self.batch]
    }

    /// The network that these settings describe.
    pub(crate) fn shape(&self, layer: LayerName) -> Shape {
        Shape { layer, width: self.width, gain: self.gain, variant: self.variant }
    }

    /// How the layer solves while it is trained.
    pub(crate) fn training(&self) -> FixedPointConfig {
        let Some(solves) = &self.solves else { return FixedPointConfig::new() };
        let mut config = solves.config().with_escalate(false);
        config.adjoint.tolerance.relative = solves.tolerance.max(ADJOINT_TOLERANCE);
        config
    }
}

/// How a trained layer solves.
pub(crate) fn evaluation() -> FixedPointConfig {
    FixedPointConfig::new()
        .with_tolerance(Tolerance { relative: EVALUATED_TOLERANCE, ..Tolerance::default() })
        .with_max_steps(EVALUATED_STEPS)
}

/// Width and height of generated pairs.
pub(crate) fn size(arguments: &FlowArguments) -> SceneSize {
    arguments.changes.size.unwrap_or_default()
}

impl Repeatable for Settings {
    /// The number of epochs decides every step size, so it stays. Pairs that are only tested on may change.
    const CHANGEABLE: &'static [&'static str] = &["data", "photographs"];
    const WITHOUT_OPTION: &'static [&'static str] = &["textures_fingerprint", "variant"];

    fn epochs(&self) -> usize {
        self.epochs
    }

    fn patience(&self) -> usize {
        self.patience
    }

    fn examples(&self) -> PathBuf {
        self.photographs.clone().unwrap_or_else(|| "the drawn textures".into())
    }
}
