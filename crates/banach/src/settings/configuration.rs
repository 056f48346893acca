//! The configuration of a layer and its defaults.

use crate::error::Error;
use crate::settings::gradient::Gradient;
use crate::settings::precision::Precision;
use banach_program::ConvolutionMethod;
use banach_solve::{Budget, FixedPointSolver, LinearSolver, Norm, Outcome, Settings, Tolerance};
use serde::{Deserialize, Serialize};

/// What a layer does about rows that do not converge. They are counted and reported in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Go on with the best point the row visited; a row without any finite residual, or without a finite gradient, gets none.
    /// The [`log`] crate has a warning of the first solve with failed rows, and whenever their share doubles; so it has with
    /// [`Skip`](Self::Skip).
    #[default]
    Best,
    /// The same, and say so through the [`log`] crate at every such solve, at level warn, with advice.
    Warn,
    /// Go on with the best point, but without a gradient of the row, whether it failed forward or backward; such rows are
    /// counted in [`Statistics::skipped_rows`](crate::Statistics::skipped_rows).
    Skip,
    /// Refuse: [`Error::Solve`] names the first row. So it does for an adjoint ([`Error::Adjoint`]) and a
    /// gradient that is not finite ([`Error::NonFiniteGradient`]); on Burn's tape, whose backward pass
    /// returns no error, as a panic with that message.
    Error,
}

/// Where loops run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Compiled for this machine's processor, where the tensors are in its memory; on their device where they are not,
    /// or where something is asked for that only the device can do: an operation of the update, or
    /// [`Gradient::Shine`](crate::Gradient::Shine), whose forward solve runs there.
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
    /// With 32 to 64 channels and AVX-512 whole solves take 0.63 to 0.74 of the time (`record/`, `bench conv`). Results differ by rounding: in single
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

/// The settings of a [`FixedPoint`](crate::FixedPoint) layer: how it solves forward and backward.
///
/// | setting | default | effect |
/// | :-- | :-- | :-- |
/// | `forward` | Anderson, `1e-6 + 1e-4 · size`, 200 steps | the solve of `x = g(x, z)` |
/// | `adjoint` | GMRES, `1e-4 · size`, 200 steps | the solve of `c = Jᵀ c + v` |
/// | `escalate` | `true` | rows the adjoint solver leaves unsolved are tried with the other one |
/// | `gradient` | [`Gradient::Implicit`] | which gradient a solution has |
/// | `coupling` | none | the adjoint's relative tolerance is at least so many times the forward relative residual reached |
/// | `on_failure` | [`OnFailure::Best`] | what happens with rows that do not converge |
/// | `engine` | [`Engine::Native`] | where loops run |
/// | `convolution` | [`Convolution::Direct`] | how the native engine computes convolutions |
/// | `precision` | [`Precision::Stated`] | whether states of `f64` are iterated in `f32` first |
/// | `check_trace` | `true` | whether every new trace is compared once with Burn |
/// | `trace_memory` | 1 GiB | bytes that the traces of a layer may take; the least recently used go first |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FixedPointConfig {
    /// The solve of `x = g(x, z)`.
    pub forward: Settings<FixedPointSolver>,
    /// The solve of `c = Jᵀ c + v`.
    pub adjoint: Settings<LinearSolver>,
    /// Whether rows that one adjoint solver leaves unsolved are tried with the other.
    pub escalate: bool,
    /// Which gradient a solution has.
    pub gradient: Gradient,
    /// If some, the adjoint's relative tolerance is at least so many times the largest relative residual that converged rows
    /// reached forward: an adjoint more exact than the point it is taken at is wasted work. Layers on the tape alone ask for it.
    pub coupling: Option<f64>,
    /// What happens with rows that do not converge.
    pub on_failure: OnFailure,
    /// Where loops run.
    pub engine: Engine,
    /// How the native engine computes convolutions.
    pub convolution: Convolution,
    /// Whether states of `f64` are iterated in `f32` first.
    pub precision: Precision,
    /// Whether every new trace is compared with Burn at the start of its first solve: value, and pullback of a random
    /// cotangent on a training device. What a trace cannot show (`detach`, randomness, a branch on the mode) is then an
    /// error. It costs one evaluation and one backward pass of g, and three evaluations of the traced program, for each
    /// new set of shapes. Where it is off, modules that hold a random layer in training mode are refused, used or not.
    pub check_trace: bool,
    /// The bytes that the traces of a layer may take, by estimate, with compiled programs and their workspaces. Beyond it
    /// the least recently used traces go; four stay. A new set of shapes costs a new trace: some milliseconds.
    pub trace_memory: usize,
}

impl Default for FixedPointConfig {
    fn default() -> Self {
        let (forward, adjoint) = (Settings::default(), Settings::default());
        let (on_failure, engine) = (OnFailure::default(), Engine::default());
        let (convolution, precision) = (Convolution::default(), Precision::default());
        let (gradient, coupling) = (Gradient::default(), None);
        FixedPointConfig {
            forward,
            adjoint,
            escalate: true,
            gradient,
            coupling,
            on_failure,
            engine,
            convolution,
            precision,
            check_trace: true,
            trace_memory: TRACE_MEMORY,
        }
    }
}

/// The bytes that traces may take by default.
pub(crate) const TRACE_MEMORY: usize = 1 << 30;

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

    /// The same tolerance forward and backward, where it is relative to the cotangent of each row, in the Euclidean norm: a
    /// cotangent has the size of a loss, and the mean over a large batch makes it small, so nothing absolute means anything
    /// there. With `relative: 0` forward, `absolute` is what is relative backward.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        let relative = if tolerance.relative > 0.0 { tolerance.relative } else { tolerance.absolute };
        self.forward.tolerance = tolerance;
        self.adjoint.tolerance = Tolerance { absolute: 0.0, relative, norm: Norm::Euclidean };
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

    /// Which gradient a solution has.
    #[must_use]
    pub fn with_gradient(mut self, gradient: Gradient) -> Self {
        self.gradient = gradient;
        self
    }

    /// How the tolerance of the adjoint follows the forward residual.
    #[must_use]
    pub fn with_coupling(mut self, coupling: Option<f64>) -> Self {
        self.coupling = coupling;
        self
    }

    /// Whether every new trace is compared once with Burn.
    #[must_use]
    pub fn with_check_trace(mut self, check: bool) -> Self {
        self.check_trace = check;
        self
    }

    /// The bytes that the traces of a layer may take.
    #[must_use]
    pub fn with_trace_memory(mut self, bytes: usize) -> Self {
        self.trace_memory = bytes;
        self
    }

    /// Refuses settings with no meaning, and some that do not go together.
    ///
    /// # Errors
    /// [`Error::Solve`] and [`Error::Setting`], which name the setting.
    pub fn validate(&self) -> Result<(), Error> {
        self.forward.validate()?;
        self.adjoint.validate()?;
        self.gradient.validate(&self.forward.solver)?;
        if let LinearSolver::Truncated(sum) = &self.adjoint.solver
            && sum.terms > self.adjoint.budget.steps
        {
            let expected = format!("at most `adjoint.budget.steps`, which is {}", self.adjoint.budget.steps);
            return Err(Error::setting("adjoint.truncated.terms", sum.terms, &expected));
        }
        if matches!(self.gradient, Gradient::Shine { .. }) && self.precision == Precision::Mixed {
            let expected = "`stated`: the inverse that SHINE takes is learnt in the precision of the state";
            return Err(Error::setting("precision", "mixed with gradient shine", expected));
        }
        if self.coupling.is_some() && self.gradient != Gradient::Implicit {
            let expected = "none: it is the adjoint solve of the implicit gradient that is coupled";
            return Err(Error::setting("coupling", "some, with another gradient than implicit", expected));
        }
        match self.coupling {
            Some(coupling) if !(coupling > 0.0 && coupling.is_finite()) => {
                Err(Error::setting("coupling", coupling, "none, or a finite number > 0"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses what only a layer called on tensors can do, for a fixed point that becomes part of a program.
    pub(crate) fn validate_in_a_trace(&self) -> Result<(), Error> {
        let inside = |setting: &str, found: &str, expected: &str| {
            let expected = format!("{expected} where a fixed point is part of a traced function");
            Err(Error::setting(setting, found, &expected))
        };
        if matches!(self.gradient, Gradient::Shine { .. }) {
            return inside("gradient", "shine", "`implicit` or `unrolled`");
        }
        if self.coupling.is_some() {
            return inside("coupling", "some", "none");
        }
        if self.on_failure == OnFailure::Skip {
            return inside("on_failure", "skip", "`best`, `warn` or `error`");
        }
        Ok(())
    }

    /// Refuses states that the adjoint solver cannot write down, before a solution is put on the tape: a backward pass
    /// has no way to report an error.
    ///
    /// # Errors
    /// [`Error::Solve`] with the width and the limit.
    pub(crate) fn validate_adjoint_width(&self, width: usize) -> Result<(), Error> {
        let solves = match self.gradient {
            Gradient::Implicit => true,
            Gradient::Shine { refinement, .. } => refinement > 0,
            Gradient::Unrolled { .. } => false,
        };
        if let LinearSolver::Dense(dense) = &self.adjoint.solver
            && solves
            && width > dense.limit
        {
            let (setting, limit) = ("adjoint.dense.limit", dense.limit);
            return Err(banach_solve::Error::Wide { setting, width, limit }.into());
        }
        Ok(())
    }

    /// Refuses gradients other than the implicit one, where that is looked at.
    pub(crate) fn refuse_other_gradients(&self) -> Result<(), Error> {
        match self.gradient {
            Gradient::Implicit => Ok(()),
            Gradient::Unrolled { .. } | Gradient::Shine { .. } => {
                let expected = "`implicit`, the gradient that is checked and certified here";
                Err(Error::setting("gradient", format!("{:?}", self.gradient), expected))
            }
        }
    }

    /// The adjoint's settings after a forward solve with these outcomes and relative residuals.
    pub(crate) fn coupled(&self, outcomes: &[Outcome], relative: &[f64]) -> Settings<LinearSolver> {
        let mut settings = self.adjoint.clone();
        let reached = relative.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_converged());
        let largest = reached.map(|(relative, _)| *relative).fold(0.0, f64::max);
        let floor = self.coupling.map_or(0.0, |coupling| coupling * largest);
        settings.tolerance.relative = settings.tolerance.relative.max(floor);
        settings
    }
}
