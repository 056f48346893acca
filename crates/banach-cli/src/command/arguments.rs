//! Which options does each command take?

use super::names::{EngineName, LayerName, RecipeName};
use super::numbers::{count, dimension, rate, seed, share, step, tolerance, units, weight};
use super::solvers::{AdjointName, SolverName};
use clap::Args;
use std::path::PathBuf;

/// The arguments of `banach train bibtex`.
#[derive(Args, Debug)]
pub(crate) struct BibtexArguments {
    /// Folder with bibtex-train.arff and bibtex-test.arff.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The layer to train [default: fpi-nn].
    #[arg(long, value_enum, default_value = "fpi-nn", hide_default_value = true)]
    pub(crate) layer: LayerName,
    /// The network and the settings that are not given [default: tuned].
    #[arg(long, value_enum, default_value = "tuned", hide_default_value = true)]
    pub(crate) recipe: RecipeName,
    /// Most epochs to train, counted from the start of the run [default: by recipe and layer].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) epochs: Option<usize>,
    /// Fixes the split, the starting weights and the order of the examples.
    #[arg(long, value_name = "S", default_value = "1", value_parser = seed, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Folder for the results [default: out/bibtex-LAYER-seedS]. Without --resume an older run in it is replaced.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Where to compute: cpu (also called flex), or cuda where it is built in.
    #[arg(long, value_name = "NAME", default_value = "cpu")]
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
    /// No dashboard and no progress lines.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// The arguments of `banach train toy`.
#[derive(Args, Debug)]
pub(crate) struct ToyArguments {
    /// Number of unknowns of the problem.
    #[arg(long, value_name = "N", default_value = "20", value_parser = dimension, allow_negative_numbers = true)]
    pub(crate) dimension: usize,
    /// Epochs to train each network.
    #[arg(long, value_name = "N", default_value = "200", value_parser = count, allow_negative_numbers = true)]
    pub(crate) epochs: usize,
    /// Fixes the problem, the samples and the starting weights.
    #[arg(long, value_name = "S", default_value = "1", value_parser = seed, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Where the loops of the fixed points run.
    #[arg(long, value_enum, value_name = "NAME", default_value = "native")]
    pub(crate) engine: EngineName,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "out/toy")]
    pub(crate) out: PathBuf,
    /// No progress lines.
    #[arg(long)]
    pub(crate) quiet: bool,
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

/// The arguments of `banach table bibtex`.
#[derive(Args, Debug)]
pub(crate) struct TableArguments {
    /// Folder with bibtex-train.arff and bibtex-test.arff.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Every method is trained with the seeds 1 to K.
    #[arg(long, value_name = "K", default_value = "5", value_parser = count, allow_negative_numbers = true)]
    pub(crate) seeds: usize,
    /// The network and its settings [default: tuned].
    #[arg(long, value_enum, default_value = "tuned", hide_default_value = true)]
    pub(crate) recipe: RecipeName,
    /// Most epochs of a run [default: by recipe and layer].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) epochs: Option<usize>,
    /// Folder for the table and a folder for each run; finished runs found in it are not repeated.
    #[arg(long, value_name = "DIR", default_value = "out/bibtex-table")]
    pub(crate) out: PathBuf,
    /// Where to compute: cpu (also called flex), or cuda where it is built in.
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    pub(crate) device: String,
    /// Where the loops of the fixed points run.
    #[arg(long, value_enum, value_name = "NAME", default_value = "native")]
    pub(crate) engine: EngineName,
    /// No progress lines.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// The arguments of `banach show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArguments {
    /// Split into what runs once a solve and what runs in every step, with the floating-point operations of each line.
    #[arg(long, conflicts_with = "trace")]
    pub(crate) hoisted: bool,
    /// Solve for the fixed point instead, with untrained weights and inputs that look random, and write how the residual of
    /// every row falls: trace.csv and trace.svg.
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) solving: Solving,
}

/// How `banach show --trace` solves, and where it writes.
#[derive(Args, Debug)]
pub(crate) struct Solving {
    /// Folder for the trace [default: out/trace-NAME].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How the fixed point is found [default: anderson].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) solver: Option<SolverName>,
    /// Relative residual at which a fixed point counts as found [default: 1e-6].
    #[arg(long, value_name = "T", value_parser = tolerance, allow_negative_numbers = true)]
    pub(crate) tolerance: Option<f64>,
    /// Most steps of the solver [default: 200].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) max_steps: Option<usize>,
}

impl ShowArguments {
    /// An option that only a trace reads, where there is none.
    pub(super) fn without_trace(&self) -> Option<&'static str> {
        let Solving { out, solver, tolerance, max_steps } = &self.solving;
        let given = [
            ("--out", out.is_some()),
            ("--solver", solver.is_some()),
            ("--tolerance", tolerance.is_some()),
            ("--max-steps", max_steps.is_some()),
        ];
        given.iter().find(|(_, given)| *given && !self.trace).map(|(option, _)| *option)
    }
}
