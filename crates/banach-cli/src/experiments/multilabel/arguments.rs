//! The options of `banach train bibtex` and `banach train multilabel`.

use crate::dataset::source::Source;
use crate::options::numbers::{count, rate, share, step, tolerance, units, weight};
use crate::options::{AdjointName, EngineName, LayerName, RecipeName, SolverName};
use clap::Args;
use std::path::PathBuf;

/// The arguments of `banach train bibtex`.
#[derive(Args, Debug)]
pub(crate) struct BibtexArguments {
    /// Folder with bibtex-train.arff and bibtex-test.arff.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) training: TrainingArguments,
}

/// The arguments of `banach train multilabel`.
#[derive(Args, Debug)]
pub(crate) struct MultiLabelArguments {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) training: TrainingArguments,
}

/// The arguments of a training on any data set.
#[derive(Args, Debug)]
pub(crate) struct TrainingArguments {
    /// The layer to train [default: fpi-nn].
    #[arg(long, value_enum, default_value = "fpi-nn", hide_default_value = true)]
    pub(crate) layer: LayerName,
    /// The network and the settings that are not given [default: tuned].
    #[arg(long, value_enum, default_value = "tuned", hide_default_value = true)]
    pub(crate) recipe: RecipeName,
    /// Most epochs to train, counted from the start of the run [default: by recipe and layer].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) epochs: Option<usize>,
    /// Where to compute: a name that `banach devices` lists, or remote:HOST:PORT for a `banach serve`. Several, with commas
    /// between them, share every mini-batch.
    #[arg(long, visible_alias = "devices", value_name = "NAMES", default_value = "cpu")]
    pub(crate) device: String,
    #[command(flatten)]
    pub(crate) changes: Changes,
    /// How the fixed point is found [default: anderson].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) solver: Option<SolverName>,
    /// How the adjoint of the fixed point is found [default: gmres].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) adjoint: Option<AdjointName>,
    /// Where the loops of the fixed point run [default: native].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) engine: Option<EngineName>,
    /// Relative residual at which a fixed point counts as found.
    #[arg(long, value_name = "T", value_parser = tolerance, allow_negative_numbers = true)]
    pub(crate) tolerance: Option<f64>,
    /// Most steps of the solver, forward and adjoint.
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) max_steps: Option<usize>,
    /// Stop after this many epochs without a better F1 on the validation split.
    #[arg(long, value_name = "N", default_value = "30", value_parser = count, allow_negative_numbers = true)]
    pub(crate) patience: usize,
    /// Continue the run in the results folder from its last checkpoint.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Draw curves on the whole screen while training, instead of a bar and lines; needs a build with the feature `dashboard`.
    #[arg(long, conflicts_with_all = ["quiet", "json"])]
    pub(crate) dashboard: bool,
}

/// Options that change a recipe.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Changes {
    /// Hidden units of the network that reads the features.
    #[arg(long, value_name = "N", value_parser = units, allow_negative_numbers = true)]
    pub(crate) hidden: Option<usize>,
    /// Hidden units through which labels act on one another; only --recipe tuned, not --layer mlp.
    #[arg(long, value_name = "N", value_parser = units, allow_negative_numbers = true)]
    pub(crate) label_units: Option<usize>,
    /// Share of the hidden units left out of every training example.
    #[arg(long, value_name = "P", value_parser = share, allow_negative_numbers = true)]
    pub(crate) dropout: Option<f64>,
    /// Share of the features left out of every training example.
    #[arg(long, value_name = "P", value_parser = share, allow_negative_numbers = true)]
    pub(crate) input_dropout: Option<f64>,
    /// Decoupled weight decay.
    #[arg(long, value_name = "W", value_parser = weight, allow_negative_numbers = true)]
    pub(crate) weight_decay: Option<f64>,
    /// Step size of the first epoch.
    #[arg(long, value_name = "R", value_parser = step, allow_negative_numbers = true)]
    pub(crate) learning_rate: Option<f64>,
    /// The step size after an epoch, as a part of the one before it; 1 keeps it.
    #[arg(long, value_name = "Q", value_parser = rate, allow_negative_numbers = true)]
    pub(crate) learning_rate_decay: Option<f64>,
    /// Weight of 1 - F1, F1 being that of the outputs as they are, beside the mean cross-entropy in the loss.
    #[arg(long, value_name = "W", value_parser = weight, allow_negative_numbers = true)]
    pub(crate) f1_weight: Option<f64>,
    /// How much of a running mean of the weights stays at a mini-batch; the mean is evaluated. 0 takes no mean.
    #[arg(long, value_name = "D", value_parser = share, allow_negative_numbers = true)]
    pub(crate) averaging: Option<f64>,
}
