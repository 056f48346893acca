//! The settings of a run, and those that a resumed run must repeat.

use super::arguments::TrainingArguments;
use super::loss::GRADIENT_NORM;
use super::recipe::{Recipe, Shape};
use crate::dataset::batches::Dropout;
use crate::dataset::data_set::VALIDATION_SHARE;
use crate::dataset::example::Widths;
use crate::error::Error;
use crate::experiments::checkpoint::Repeatable;
use crate::experiments::solves::Solves;
use crate::options::{AdjointName, EngineName, LayerName, RecipeName, SolverName};
use banach::FixedPointConfig;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const TOLERANCE: f64 = 1e-4;
const MAX_STEPS: usize = 60;

/// Everything that decides the numbers of a run, as written to its report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The network, and where its settings came from.
    pub(crate) recipe: RecipeName,
    /// Most epochs.
    pub(crate) epochs: usize,
    /// Epochs without a better validation F1 after which training stops.
    pub(crate) patience: usize,
    /// Rows of a mini-batch.
    pub(crate) batch: usize,
    /// Hidden units of the network that reads the features.
    pub(crate) hidden: usize,
    /// Hidden units through which labels act on one another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label_units: Option<usize>,
    /// Step size of the first epoch.
    pub(crate) learning_rate: f64,
    /// The step size after an epoch, as a part of the one before it.
    pub(crate) learning_rate_decay: f64,
    /// Decoupled weight decay.
    pub(crate) weight_decay: f64,
    dropout: f64,
    input_dropout: f64,
    /// Weight of 1 - F1 in the loss.
    pub(crate) f1_weight: f64,
    /// How much of the running mean of the weights stays at a step; 0 evaluates the weights themselves.
    pub(crate) averaging: f64,
    gradient_norm: f64,
    validation_share: f64,
    device: String,
    pub(crate) data: PathBuf,
    data_fingerprint: String,
    /// None where nothing is solved for.
    #[serde(flatten)]
    solves: Option<Solves>,
}

impl Settings {
    /// The settings that arguments without contradictions ([`check`]) give.
    pub(crate) fn new(arguments: &TrainingArguments, data: &Path, data_fingerprint: &str) -> Self {
        let (recipe, changes) = (Recipe::of(arguments.recipe, arguments.layer), &arguments.changes);
        Self {
            recipe: arguments.recipe,
            epochs: arguments.epochs.unwrap_or(recipe.epochs),
            patience: arguments.patience,
            batch: recipe.batch,
            hidden: changes.hidden.unwrap_or(recipe.hidden),
            label_units: changes.label_units.or(recipe.label_units),
            learning_rate: changes.learning_rate.unwrap_or(recipe.learning_rate),
            learning_rate_decay: changes.learning_rate_decay.unwrap_or(recipe.learning_rate_decay),
            weight_decay: changes.weight_decay.unwrap_or(recipe.weight_decay),
            dropout: changes.dropout.unwrap_or(recipe.dropout),
            input_dropout: changes.input_dropout.unwrap_or(recipe.input_dropout),
            f1_weight: changes.f1_weight.unwrap_or(recipe.f1_weight),
            averaging: changes.averaging.unwrap_or(recipe.averaging),
            gradient_norm: GRADIENT_NORM,
            validation_share: VALIDATION_SHARE,
            device: arguments.device.clone(),
            data: data.to_path_buf(),
            data_fingerprint: data_fingerprint.into(),
            solves: arguments.layer.solves().then(|| solves(arguments)),
        }
    }

    /// What is left out of the training examples.
    pub(crate) fn dropout(&self) -> Dropout {
        Dropout { features: self.input_dropout, hidden: self.dropout, units: self.hidden }
    }

    /// Whether a fixed point is solved for.
    pub(crate) fn solves(&self) -> bool {
        self.solves.is_some()
    }

    /// The network that these settings describe.
    pub(crate) fn shape(&self, layer: LayerName, widths: Widths) -> Shape {
        let Self { recipe, hidden, label_units, f1_weight, .. } = *self;
        Shape { recipe, layer, widths, hidden, label_units, f1_weight }
    }

    /// How the layer solves forward and backward.
    pub(crate) fn fixed_point(&self, layer: LayerName) -> FixedPointConfig {
        let mut config = self.solves.as_ref().map_or_else(FixedPointConfig::new, Solves::config);
        if layer == LayerName::FpiGd {
            // Where its energy is still flat, (I - J)⁻¹ makes any cotangent large: those of a mean, which are small, end early.
            config.adjoint.tolerance.absolute = config.forward.tolerance.absolute;
        }
        config
    }
}

impl Repeatable for Settings {
    const CHANGEABLE: &'static [&'static str] = &["epochs", "data", "device"];
    const WITHOUT_OPTION: &'static [&'static str] = &["batch", "gradient_norm", "validation_share"];

    fn epochs(&self) -> usize {
        self.epochs
    }

    fn patience(&self) -> usize {
        self.patience
    }

    fn examples(&self) -> PathBuf {
        self.data.clone()
    }

    fn averages(&self) -> bool {
        self.averaging > 0.0
    }
}

/// The solves of a layer that has some.
fn solves(arguments: &TrainingArguments) -> Solves {
    Solves {
        solver: arguments.solver.unwrap_or(SolverName::Anderson),
        adjoint: arguments.adjoint.unwrap_or(AdjointName::Gmres),
        engine: Some(arguments.engine.unwrap_or(EngineName::Native)),
        tolerance: arguments.tolerance.unwrap_or(TOLERANCE),
        max_steps: arguments.max_steps.unwrap_or(MAX_STEPS),
    }
}

/// Refuses options that would be ignored, and a solver that does not fit.
pub(crate) fn check(arguments: &TrainingArguments) -> Result<(), Error> {
    let layer = arguments.layer;
    let solving = [
        ("--solver", arguments.solver.is_some()),
        ("--adjoint", arguments.adjoint.is_some()),
        ("--engine", arguments.engine.is_some()),
        ("--tolerance", arguments.tolerance.is_some()),
        ("--max-steps", arguments.max_steps.is_some()),
    ];
    if let Some((option, _)) = solving.iter().find(|(_, given)| *given && !layer.solves()) {
        return Err(Error::Setting {
            found: format!("{option} with --layer {}", layer.as_str()),
            expected: "no solver options where nothing is solved for".into(),
            advice: format!("leave out {option}, or train --layer fpi-nn"),
        });
    }
    if arguments.adjoint == Some(AdjointName::Cg) && layer != LayerName::FpiGd {
        return Err(Error::Setting {
            found: format!("--adjoint cg with --layer {}", layer.as_str()),
            expected: "a symmetric Jacobian, which the step of an energy has and a map need not have".into(),
            advice: "take --adjoint gmres, or train --layer fpi-gd".into(),
        });
    }
    if arguments.changes.f1_weight.is_some() && !layer.scores_outputs() {
        return Err(Error::Setting {
            found: format!("--f1-weight with --layer {}", layer.as_str()),
            expected: "a layer whose loss is computed from its outputs".into(),
            advice: "leave out --f1-weight, or train --layer fpi-nn".into(),
        });
    }
    let several = arguments.device.contains(',');
    if several && matches!(layer, LayerName::DvnGt | LayerName::DvnAdversarial) {
        return Err(Error::Setting {
            found: format!("--device {} with --layer {}", arguments.device, layer.as_str()),
            expected: "one device, because its random labellings depend on the whole mini-batch".into(),
            advice: "name one device, or train another layer".into(),
        });
    }
    let no_label_units = Recipe::of(arguments.recipe, layer).label_units.is_none();
    if arguments.changes.label_units.is_some() && no_label_units {
        return Err(Error::Setting {
            found: format!("--label-units with --layer {}", layer.as_str()),
            expected: "a layer of the tuned recipe in which labels act on one another".into(),
            advice: "leave out --label-units, or train --recipe tuned --layer fpi-nn".into(),
        });
    }
    Ok(())
}
