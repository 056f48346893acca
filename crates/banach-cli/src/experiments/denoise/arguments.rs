//! The options of `banach train denoise`.

use crate::error::Error;
use crate::options::numbers::{
    channels, convolutions, count, deviation, fold, gain, patch, step, tolerance, weight,
};
use crate::options::{AdjointName, LayerName, SolverName};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::path::PathBuf;

/// The arguments of `banach train denoise`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DenoiseArguments {
    /// Folder with a folder train... and a folder test... of PNG, JPEG, PGM or PPM files [default: images that are drawn].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The layer to train.
    #[arg(long, value_name = "NAME", default_value = "fpi-nn", value_parser = layers())]
    pub(crate) layer: LayerName,
    /// Standard deviation of the noise, on the scale of 0 to 255 [default: 25].
    #[arg(long, value_name = "S", value_parser = deviation, allow_negative_numbers = true)]
    pub(crate) sigma: Option<f64>,
    /// Train for every standard deviation from 0 to 55.
    #[arg(long, conflicts_with = "sigma")]
    pub(crate) blind: bool,
    /// Epochs to train; the step size falls to 0 over them [default: 20].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) epochs: Option<usize>,
    #[command(flatten)]
    pub(crate) changes: Changes,
    /// Stop after this many epochs without a better PSNR on the validation split.
    #[arg(long, value_name = "N", default_value = "50", value_parser = count, allow_negative_numbers = true)]
    pub(crate) patience: usize,
    /// Continue the run in the results folder from its last checkpoint.
    #[arg(long)]
    pub(crate) resume: bool,
}

/// Options that change the network, its solves or its training.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Changes {
    /// Pixels along each side of the blocks of the image that are folded into channels, 1 or 2 [default: by layer].
    #[arg(long, value_name = "N", value_parser = fold, allow_negative_numbers = true)]
    pub(crate) fold: Option<usize>,
    /// Channels of the state, or filters of the energy [default: 48].
    #[arg(long, value_name = "C", value_parser = channels, allow_negative_numbers = true)]
    pub(crate) channels: Option<usize>,
    /// Convolutions of the map [default: 2]; not --layer fpi-gd, whose energy has one.
    #[arg(long, value_name = "N", value_parser = convolutions, allow_negative_numbers = true)]
    pub(crate) convolutions: Option<usize>,
    /// How much a convolution of the map may make of a difference; only --layer fpi-nn [default: 3].
    #[arg(long, value_name = "S", value_parser = gain, allow_negative_numbers = true)]
    pub(crate) gain: Option<f64>,
    /// Pixels of a training patch along each side, an even number [default: 64].
    #[arg(long, value_name = "N", value_parser = patch, allow_negative_numbers = true)]
    pub(crate) patch: Option<usize>,
    /// Patches of a mini-batch [default: 4].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) batch: Option<usize>,
    /// Patches of each image in an epoch [default: 4].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) crops: Option<usize>,
    /// Greatest step size [default: 4e-3, and 3e-3 for fpi-gd].
    #[arg(long, value_name = "R", value_parser = step, allow_negative_numbers = true)]
    pub(crate) learning_rate: Option<f64>,
    /// Weight of ‖J‖²/n in the loss, J being the Jacobian of the map at its fixed point; only --layer fpi-nn [default: 0.1].
    #[arg(long, value_name = "W", value_parser = weight, allow_negative_numbers = true)]
    pub(crate) jacobian_weight: Option<f64>,
    /// How the fixed point is found [default: anderson].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) solver: Option<SolverName>,
    /// How the adjoint of the fixed point is found [default: gmres].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) adjoint: Option<AdjointName>,
    /// Relative residual at which a fixed point counts as found while training [default: 1e-2].
    #[arg(long, value_name = "T", value_parser = tolerance, allow_negative_numbers = true)]
    pub(crate) tolerance: Option<f64>,
    /// Most steps of the solver while training, forward and adjoint [default: 16].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) max_steps: Option<usize>,
}

/// The layers that denoise.
pub(crate) fn layers() -> impl TypedValueParser<Value = LayerName> {
    PossibleValuesParser::new(["fpi-nn", "fpi-gd", "feedforward"]).map(|name| match name.as_str() {
        "fpi-gd" => LayerName::FpiGd,
        "feedforward" => LayerName::Feedforward,
        _ => LayerName::FpiNn,
    })
}

/// Refuses options that would be ignored.
pub(crate) fn check(arguments: &DenoiseArguments) -> Result<(), Error> {
    let (layer, changes) = (arguments.layer, &arguments.changes);
    let solving = [
        ("--solver", changes.solver.is_some()),
        ("--adjoint", changes.adjoint.is_some()),
        ("--tolerance", changes.tolerance.is_some()),
        ("--max-steps", changes.max_steps.is_some()),
        ("--jacobian-weight", changes.jacobian_weight.is_some()),
        ("--gain", changes.gain.is_some()),
    ];
    let refused = |option: &str, expected: &str, advice: &str| {
        Err(Error::Setting {
            found: format!("{option} with --layer {}", layer.as_str()),
            expected: expected.into(),
            advice: format!("leave out {option}, or {advice}"),
        })
    };
    if let Some((option, _)) = solving.iter().find(|(_, given)| *given && !layer.solves()) {
        return refused(option, "no solver options where nothing is solved for", "train --layer fpi-nn");
    }
    if layer == LayerName::FpiGd {
        let own = [
            ("--convolutions", changes.convolutions.is_some()),
            ("--jacobian-weight", changes.jacobian_weight.is_some()),
            ("--gain", changes.gain.is_some()),
        ];
        if let Some((option, _)) = own.iter().find(|(_, given)| *given) {
            return refused(
                option,
                "an option of the energy, which has one convolution",
                "train --layer fpi-nn",
            );
        }
    }
    if changes.adjoint == Some(AdjointName::Cg) && layer != LayerName::FpiGd {
        let expected = "a symmetric Jacobian, which the step of an energy has and a map need not have";
        return refused("--adjoint cg", expected, "train --layer fpi-gd");
    }
    Ok(())
}
