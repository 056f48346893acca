//! The options of `banach train flow`.

use crate::error::Error;
use crate::options::numbers::{SceneSize, count, gain, scene_size, step, tolerance, width};
use crate::options::{AdjointName, LayerName, SolverName};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::path::PathBuf;

/// The arguments of `banach train flow`.
#[derive(Args, Clone, Debug)]
pub(crate) struct FlowArguments {
    /// Folder with folders called flyingchairs... and middlebury... of image pairs with their .flo files to test on [default: generated pairs alone].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Folder of PNG, JPEG, PGM or PPM files that generated pairs have their textures from [default: images that are drawn].
    #[arg(long, value_name = "DIR")]
    pub(crate) photographs: Option<PathBuf>,
    /// The layer behind FlowNet.
    #[arg(long, value_name = "NAME", default_value = "fpi-nn", value_parser = layers())]
    pub(crate) layer: LayerName,
    /// Channels of FlowNet, as a part of the published ones [default: 0.125].
    #[arg(long, value_name = "W", value_parser = width, allow_negative_numbers = true)]
    pub(crate) width: Option<f64>,
    /// Train the layer alone, behind the network in the results folder of a `banach train flow --layer none`, or in a file of weights of FlowNetS from PyTorch.
    #[arg(long, value_name = "PATH")]
    pub(crate) frozen: Option<PathBuf>,
    /// Epochs to train; the step size falls to 0 over them [default: 30].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) epochs: Option<usize>,
    #[command(flatten)]
    pub(crate) changes: Changes,
    /// Stop after this many epochs without a lower error on the validation pairs.
    #[arg(long, value_name = "N", default_value = "50", value_parser = count, allow_negative_numbers = true)]
    pub(crate) patience: usize,
    /// Continue the run in the results folder from its last checkpoint.
    #[arg(long)]
    pub(crate) resume: bool,
}

/// Options that change the pairs, the solves or the training.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Changes {
    /// Width and height of generated pairs, multiples of 64 [default: 192x128].
    #[arg(long, value_name = "WxH", value_parser = scene_size, allow_negative_numbers = true)]
    pub(crate) size: Option<SceneSize>,
    /// Pairs of an epoch, drawn anew in each [default: 512].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) pairs: Option<usize>,
    /// Pairs of a mini-batch [default: 8].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) batch: Option<usize>,
    /// Greatest step size [default: 1e-3].
    #[arg(long, value_name = "R", value_parser = step, allow_negative_numbers = true)]
    pub(crate) learning_rate: Option<f64>,
    /// How much the convolutions of the map may make of a difference; below 1 the map contracts for all weights; only --layer fpi-nn [default: 0.95].
    #[arg(long, value_name = "S", value_parser = gain, allow_negative_numbers = true)]
    pub(crate) gain: Option<f64>,
    /// How the fixed point is found [default: anderson].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) solver: Option<SolverName>,
    /// How the adjoint of the fixed point is found [default: gmres].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) adjoint: Option<AdjointName>,
    /// Relative residual at which a fixed point counts as found while training [default: 1e-3].
    #[arg(long, value_name = "T", value_parser = tolerance, allow_negative_numbers = true)]
    pub(crate) tolerance: Option<f64>,
    /// Most steps of the solver while training, forward and adjoint [default: 20].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) max_steps: Option<usize>,
}

impl Changes {
    /// These options without those that `layer` does not have.
    pub(crate) fn for_layer(self, layer: LayerName) -> Self {
        let solving = if layer.solves() { self } else { Self::default() };
        let Self { solver, adjoint, tolerance, max_steps, gain, .. } = solving;
        let gain = gain.filter(|_| layer == LayerName::FpiNn);
        Self { solver, adjoint, tolerance, max_steps, gain, ..self }
    }
}

/// The layers behind FlowNet.
pub(crate) fn layers() -> impl TypedValueParser<Value = LayerName> {
    PossibleValuesParser::new(["none", "fpi-nn", "feedforward", "variational"]).map(|name| {
        match name.as_str() {
            "none" => LayerName::NoLayer,
            "feedforward" => LayerName::Feedforward,
            "variational" => LayerName::Variational,
            _ => LayerName::FpiNn,
        }
    })
}

/// Refuses options that would be ignored.
pub(crate) fn check(arguments: &FlowArguments) -> Result<(), Error> {
    let (layer, changes) = (arguments.layer, &arguments.changes);
    let refused = |option: &str, expected: &str, advice: &str| {
        Err(Error::Setting {
            found: format!("{option} with --layer {}", layer.as_str()),
            expected: expected.into(),
            advice: format!("leave out {option}, or {advice}"),
        })
    };
    let solving = [
        ("--solver", changes.solver.is_some()),
        ("--adjoint", changes.adjoint.is_some()),
        ("--tolerance", changes.tolerance.is_some()),
        ("--max-steps", changes.max_steps.is_some()),
        ("--gain", changes.gain.is_some()),
    ];
    if let Some((option, _)) = solving.iter().find(|(_, given)| *given && !layer.solves()) {
        return refused(option, "no solver options where nothing is solved for", "train --layer fpi-nn");
    }
    if changes.gain.is_some() && layer != LayerName::FpiNn {
        return refused("--gain", "an option of convolutions", "train --layer fpi-nn");
    }
    if changes.adjoint == Some(AdjointName::Cg) {
        return refused("--adjoint cg", "a solver for Jacobians that are not symmetric", "choose gmres");
    }
    if layer == LayerName::NoLayer && arguments.frozen.is_some() {
        return refused("--frozen", "a layer to train behind the network", "train --layer fpi-nn");
    }
    if let (Some(_), Some(_)) = (&arguments.frozen, arguments.width) {
        return Err(Error::Setting {
            found: "--width with --frozen".into(),
            expected: "the width of the network that is kept".into(),
            advice: "leave out --width".into(),
        });
    }
    Ok(())
}
