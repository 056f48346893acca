//! Names of layers, recipes and engines, on the command line and in reports.

use banach::program::Level;
use banach::{Convolution, Engine};
use clap::ValueEnum;

/// What stands between the input and the output of a network.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LayerName {
    /// The fixed point of a map g.
    FpiNn,
    /// The minimiser of an energy f, as the fixed point of its gradient step.
    FpiGd,
    /// The map g applied once.
    Feedforward,
    /// A network that never sees a state x.
    Mlp,
    /// SPEN: an energy of the labels, trained by the structured hinge loss.
    Spen,
    /// SPEN end to end: the energy of SPEN, minimised by unrolled steps of learned sizes.
    SpenE2e,
    /// The energy of SPEN, trained by the implicit derivative of its minimiser.
    SpenImplicit,
    /// An input-convex network, minimised by the bundle entropy method.
    Icnn,
    /// An input-convex network, trained by the implicit derivative of its minimiser.
    IcnnImplicit,
    /// A deep value network, trained on true and inferred labellings.
    DvnGt,
    /// A deep value network, trained on adversarial labellings as well.
    DvnAdversarial,
    /// A network without a layer behind it.
    #[value(skip)]
    #[serde(rename = "none")]
    NoLayer,
    /// The minimiser of a classical energy with learned weights, as the fixed point of its step.
    #[value(skip)]
    Variational,
}

impl LayerName {
    /// The name as written on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::FpiNn => "fpi-nn",
            Self::FpiGd => "fpi-gd",
            Self::Feedforward => "feedforward",
            Self::Mlp => "mlp",
            Self::Spen => "spen",
            Self::SpenE2e => "spen-e2e",
            Self::SpenImplicit => "spen-implicit",
            Self::Icnn => "icnn",
            Self::IcnnImplicit => "icnn-implicit",
            Self::DvnGt => "dvn-gt",
            Self::DvnAdversarial => "dvn-adversarial",
            Self::NoLayer => "none",
            Self::Variational => "variational",
        }
    }

    /// Whether the loss is computed from the outputs, so that it may hold a share of 1 - F1.
    pub(crate) fn scores_outputs(self) -> bool {
        !matches!(self, Self::Spen | Self::DvnGt | Self::DvnAdversarial)
    }

    /// Whether a fixed point is solved for.
    pub(crate) fn solves(self) -> bool {
        matches!(
            self,
            Self::FpiNn | Self::FpiGd | Self::SpenImplicit | Self::IcnnImplicit | Self::Variational
        )
    }
}

/// The architecture and the settings that nothing else is said about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RecipeName {
    /// As the method was published: one network reads [z, x]; cross-entropy, no regularisation.
    Published,
    /// As chosen on validation data: the labels answer one another in a small network of their own.
    Tuned,
}

impl RecipeName {
    /// The name as written on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Tuned => "tuned",
        }
    }
}

/// Where the loops of a fixed point run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EngineName {
    /// Compiled for this machine's processor.
    Native,
    /// On the tensors' device, line by line.
    Device,
}

impl EngineName {
    /// The name as written on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Device => "device",
        }
    }

    /// The engine of a layer.
    pub(crate) fn engine(self) -> Engine {
        match self {
            Self::Native => Engine::Native,
            Self::Device => Engine::Device,
        }
    }
}

/// How the native engine computes convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ConvolutionName {
    /// By the faster of the other two, for each shape.
    Auto,
    /// As the definition says.
    Direct,
    /// With fewer products, by Winograd's method.
    Winograd,
}

impl ConvolutionName {
    /// The setting of a layer.
    pub(crate) fn convolution(self) -> Convolution {
        match self {
            Self::Auto => Convolution::Auto,
            Self::Direct => Convolution::Direct,
            Self::Winograd => Convolution::Winograd,
        }
    }
}

/// Vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VectorsName {
    /// Those of every processor.
    Portable,
    /// 256 bits, on x86.
    Avx2,
    /// 512 bits, on x86.
    Avx512,
    /// 128 bits, on ARM.
    Neon,
}

impl VectorsName {
    /// The level of the kernels.
    pub(crate) fn level(self) -> Level {
        match self {
            Self::Portable => Level::Portable,
            Self::Avx2 => Level::Avx2,
            Self::Avx512 => Level::Avx512,
            Self::Neon => Level::Neon,
        }
    }
}

/// How a training step gets from the loss to its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BackwardName {
    /// Burn's tape, behind the layer.
    Tape,
    /// A program compiled for the whole step.
    Compiled,
}

impl BackwardName {
    /// The name as written on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tape => "tape",
            Self::Compiled => "compiled",
        }
    }
}
