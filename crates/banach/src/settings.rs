//! What can be set for a layer, and what is set if nothing is said?

use crate::error::Error;
use crate::layer::FixedPoint;
use crate::precision::Precision;
use crate::update::Update;
use banach_program::ConvolutionMethod;
use banach_solve::{Budget, FixedPointSolver, LinearSolver, Norm, Settings, Tolerance};
use burn::module::Module;
use serde::{Deserialize, Serialize};

/// What a layer does about rows that do not converge. They are counted and reported in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Go on with the best point the row visited; a row without any finite residual gets no gradient.
    #[default]
    Best,
    /// Refuse: [`Error::Solve`] names the first row.
    Error,
}

/// Where loops run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Compiled for this machine's processor, where the tensors are in its memory; on their device where they are not,
    /// or where something is asked for that only the device can do: an operation of the update, or Newton's method, whose
    /// forward solve runs there.
    #[default]
    Native,
    /// On the tensors' device, line by line.
    Device,
}

/// How [`Engine::Native`] computes convolutions and their input gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convolution {
    /// As the definition says.
    #[default]
    Direct,
    /// By Winograd's method with 16 products for 36 (F(2 × 2, 3 × 3), Lavin and Gray, 2016, arXiv 1509.09308, section
    /// 4.1), for kernels of 3 by 3 without strides, dilation and groups, from 16 channels and 4 by 4 pixels on; all
    /// others, and weight gradients, are computed directly.
    ///
    /// With 32 to 64 channels and AVX-512 it takes 0.53 to 0.62 of the time. Results differ by rounding: in single
    /// precision, for random images of 16 to 256 channels, no error was above `9.3e-7` of the largest result, and of
    /// `2.3e-6` directly. The bound on the error, which is relative to the largest pixels near by, is seven times as
    /// large (`cargo run --release -p banach-kernels --example rates`, and `rounding`).
    Winograd,
}

impl Convolution {
    /// The same for the engine.
    pub(crate) fn method(self) -> ConvolutionMethod {
        match self {
            Convolution::Direct => ConvolutionMethod::Direct,
            Convolution::Winograd => ConvolutionMethod::Winograd,
        }
    }
}

/// How a [`FixedPoint`] layer solves forward and backward.
///
/// | setting | default | effect |
/// | :-- | :-- | :-- |
/// | `forward` | Anderson, `1e-6 + 1e-4 · size`, 200 steps | the solve of `x = g(x, z)` |
/// | `adjoint` | GMRES, `1e-6 + 1e-4 · size`, 200 steps | the solve of `c = Jᵀ c + v` |
/// | `escalate` | `true` | rows the adjoint solver leaves unsolved are tried with the other one |
/// | `on_failure` | [`OnFailure::Best`] | what happens with rows that do not converge |
/// | `engine` | [`Engine::Native`] | where loops run |
/// | `convolution` | [`Convolution::Direct`] | how the native engine computes convolutions |
/// | `precision` | [`Precision::Stated`] | whether states of `f64` are iterated in `f32` first |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FixedPointConfig {
    /// The solve of `x = g(x, z)`.
    pub forward: Settings<FixedPointSolver>,
    /// The solve of `c = Jᵀ c + v`.
    pub adjoint: Settings<LinearSolver>,
    /// Whether rows that one adjoint solver leaves unsolved are tried with the other.
    pub escalate: bool,
    /// What happens with rows that do not converge.
    pub on_failure: OnFailure,
    /// Where loops run.
    pub engine: Engine,
    /// How the native engine computes convolutions.
    pub convolution: Convolution,
    /// Whether states of `f64` are iterated in `f32` first.
    pub precision: Precision,
}

impl Default for FixedPointConfig {
    fn default() -> Self {
        let (forward, adjoint) = (Settings::default(), Settings::<LinearSolver>::default());
        let (on_failure, engine) = (OnFailure::default(), Engine::default());
        let (convolution, precision) = (Convolution::default(), Precision::default());
        FixedPointConfig { forward, adjoint, escalate: true, on_failure, engine, convolution, precision }
    }
}

impl FixedPointConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another forward solver.
    #[must_use]
    pub fn with_solver(mut self, solver: FixedPointSolver) -> Self {
        self.forward.solver = solver;
        self
    }

    /// Another adjoint solver.
    #[must_use]
    pub fn with_adjoint(mut self, solver: LinearSolver) -> Self {
        self.adjoint.solver = solver;
        self
    }

    /// The same tolerance forward and backward, where rows are measured in the Euclidean norm whatever the norm forward.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.forward.tolerance = tolerance;
        self.adjoint.tolerance = Tolerance { norm: Norm::Euclidean, ..tolerance };
        self
    }

    /// The same number of steps forward and backward.
    #[must_use]
    pub fn with_max_steps(mut self, steps: usize) -> Self {
        self.forward.budget = Budget { steps, ..self.forward.budget };
        self.adjoint.budget = Budget { steps, ..self.adjoint.budget };
        self
    }

    /// What happens with rows that do not converge.
    #[must_use]
    pub fn with_on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Where loops run.
    #[must_use]
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// How the native engine computes convolutions.
    #[must_use]
    pub fn with_convolution(mut self, convolution: Convolution) -> Self {
        self.convolution = convolution;
        self
    }

    /// Whether states of `f64` are iterated in `f32` first.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Whether the other adjoint solver is tried where the first fails.
    #[must_use]
    pub fn with_escalate(mut self, escalate: bool) -> Self {
        self.escalate = escalate;
        self
    }

    /// The layer over a module.
    ///
    /// # Errors
    /// [`Error::Solve`] for settings with no meaning.
    pub fn init<M: Module + Update>(&self, update: M) -> Result<FixedPoint<M>, Error> {
        self.forward.validate()?;
        self.adjoint.validate()?;
        Ok(FixedPoint::new(update, self.clone()))
    }
}
