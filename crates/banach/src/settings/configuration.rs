//! The configuration of a layer, with its defaults.

use crate::error::Error;
use crate::settings::gradient::Gradient;
use crate::settings::precision::Precision;
use banach_program::ConvolutionMethod;
use banach_solve::{FixedPointSolver, LinearSolver, Norm, Outcome, Patience, Settings, Tolerance};
use serde::{Deserialize, Serialize};

/// The treatment of rows that do not converge. They are counted and reported in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Uses the best iterate of the row. A row without a finite residual, or without a finite gradient, has no gradient. The
    /// [`log`] crate receives a warning for the first solve with failed rows, and whenever their share doubles, as with
    /// [`Skip`](Self::Skip).
    #[default]
    Best,
    /// As [`Best`](Self::Best), with a warning and advice through the [`log`] crate for every solve with failed rows.
    Warn,
    /// Uses the best iterate, but no gradient of a row that failed, forward or backward; skipped rows are counted in [`Statistics::skipped_rows`](crate::Statistics::skipped_rows).
    Skip,
    /// Refuses the solve: [`Error::Solve`] names the first row, [`Error::Adjoint`] that of an adjoint solve, and
    /// [`Error::NonFiniteGradient`] that of a gradient that is not finite. Burn's backward pass returns no error, so on the
    /// tape the last two are panics with that message.
    Error,
}

/// The engine that runs loops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Compiled for the CPU, if the tensors are in host memory. Falls back to [`Device`](Self::Device) for tensors
    /// elsewhere, for operations that it does not support, and for the forward solve of
    /// [`Gradient::Shine`](crate::Gradient::Shine).
    #[default]
    Native,
    /// On the device of the tensors, line by line.
    Device,
}

/// The method by which [`Engine::Native`] computes convolutions and their gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convolution {
    /// The faster of the two others for each shape: Winograd's method from 16 channels and 12 by 12 pixels on, or 32
    /// channels and 4 by 4 pixels; for weight gradients from 8 channels and 6 by 6 pixels on
    /// (`cargo run --release -p banach-kernels --example methods` measures it for AVX2 and AVX-512).
    #[default]
    Auto,
    /// By the definition.
    Direct,
    /// By Winograd's method for kernels of 3 by 3 without strides, dilation and groups: with 36 products for 144
    /// (F(4 × 4, 3 × 3)), or 16 for 36 (F(2 × 2, 3 × 3)) in small images and in weight gradients; Lavin and Gray, 2016,
    /// arXiv 1509.09308, section 4. Other convolutions are computed directly.
    ///
    /// Results differ by rounding: in single precision, for random images of 16 to 256 channels, no error was above `3.7e-6`
    /// of the largest result, against `2.3e-6` directly, and none of a weight gradient above `4.6e-7`, against `3.0e-7`. The
    /// bound on the error, relative to the largest pixels near by, is up to 84 times as large, and nine times for weight
    /// gradients (`cargo run --release -p banach-kernels --example rounding`). What is not finite spreads over its tile, of
    /// 4 by 4 pixels.
    Winograd,
}

impl Convolution {
    /// Returns the method as the native engine names it.
    pub(crate) fn method(self) -> ConvolutionMethod {
        match self {
            Convolution::Auto => ConvolutionMethod::Auto,
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
/// | `escalate` | `true` | whether rows that the adjoint solver leaves unsolved are tried with a second solver |
/// | `gradient` | [`Gradient::Implicit`] | the gradient of a solution |
/// | `coupling` | none | the factor between the forward relative residual and the least relative tolerance of the adjoint |
/// | `on_failure` | [`OnFailure::Best`] | the treatment of rows that do not converge |
/// | `engine` | [`Engine::Native`] | the engine that runs loops |
/// | `convolution` | [`Convolution::Auto`] | the method of the native engine for convolutions |
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
    /// Whether rows that the adjoint solver leaves unsolved are tried with a second solver: Neumann after GMRES, GMRES after
    /// all others.
    pub escalate: bool,
    /// The gradient of a solution.
    pub gradient: Gradient,
    /// If some, the relative tolerance of the adjoint is at least this factor times the largest relative residual of the
    /// rows that converged forward: an adjoint more exact than its point is wasted work. It applies to layers on the tape.
    pub coupling: Option<f64>,
    /// The treatment of rows that do not converge.
    pub on_failure: OnFailure,
    /// The engine that runs loops.
    pub engine: Engine,
    /// The method of the native engine for convolutions.
    pub convolution: Convolution,
    /// Whether states of `f64` are iterated in `f32` first.
    pub precision: Precision,
    /// Whether every new trace is compared with Burn at the start of its first solve: its value and, on a training device,
    /// the pullback of a random cotangent. What a trace does not record (`detach`, randomness, a branch on the mode) is then
    /// an error. The comparison costs one evaluation and one backward pass of g, and three evaluations of the traced
    /// program, for each new set of shapes. Without it, modules with a random layer in training mode are refused, used or
    /// not.
    pub check_trace: bool,
    /// The estimated memory in bytes that the traces of a layer may take, with compiled programs and their workspaces.
    /// Beyond it the least recently used traces are dropped, but for four. A new set of shapes costs a new trace: some
    /// milliseconds.
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

/// The default memory of traces in bytes.
pub(crate) const TRACE_MEMORY: usize = 1 << 30;

impl FixedPointConfig {
    /// Returns the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the forward solver.
    #[must_use]
    pub fn with_solver(mut self, solver: impl Into<FixedPointSolver>) -> Self {
        self.forward.solver = solver.into();
        self
    }

    /// Sets the adjoint solver.
    #[must_use]
    pub fn with_adjoint(mut self, solver: impl Into<LinearSolver>) -> Self {
        self.adjoint.solver = solver.into();
        self
    }

    /// Sets one tolerance for the solution and its gradient. Backward it is relative to the cotangent of each row, in the
    /// Euclidean norm: the size of a cotangent follows from the loss and the batch size, so an absolute tolerance has no
    /// meaning there. If `relative` is 0, `absolute` is the relative tolerance backward.
    /// [`with_forward_tolerance`](Self::with_forward_tolerance) and
    /// [`with_adjoint_tolerance`](Self::with_adjoint_tolerance) set one of the two alone.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Tolerance) -> Self {
        let relative = if tolerance.relative > 0.0 { tolerance.relative } else { tolerance.absolute };
        let adjoint = Tolerance { absolute: 0.0, relative, norm: Norm::Euclidean };
        self.with_forward_tolerance(tolerance).with_adjoint_tolerance(adjoint)
    }

    /// Sets the tolerance of the solve of `x = g(x, z)` alone.
    #[must_use]
    pub fn with_forward_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.forward.tolerance = tolerance;
        self
    }

    /// Sets the tolerance of the solve of `c = Jᵀ c + v` alone: `‖v - (c - Jᵀ c)‖ <= absolute + relative ‖v‖`.
    #[must_use]
    pub fn with_adjoint_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.adjoint.tolerance = tolerance;
        self
    }

    /// Sets the norm in which forward residuals are measured.
    #[must_use]
    pub fn with_norm(mut self, norm: Norm) -> Self {
        self.forward.tolerance.norm = norm;
        self
    }

    /// Sets the largest number of steps, forward and backward.
    #[must_use]
    pub fn with_max_steps(mut self, steps: usize) -> Self {
        self.forward.budget.steps = steps;
        self.adjoint.budget.steps = steps;
        self
    }

    /// Sets a limit in seconds for each solve, forward and backward; none for no limit. Rows that have not finished by
    /// then end as [`Outcome::TimeLimit`].
    #[must_use]
    pub fn with_time_limit(mut self, seconds: Option<f64>) -> Self {
        self.forward.budget.seconds = seconds;
        self.adjoint.budget.seconds = seconds;
        self
    }

    /// Sets the rule by which a row is stalled, forward and backward; none for no such rule.
    #[must_use]
    pub fn with_patience(mut self, patience: Option<Patience>) -> Self {
        self.forward.patience = patience;
        self.adjoint.patience = patience;
        self
    }

    /// Sets the growth of a residual at which a row has diverged, forward and backward; none for no limit.
    #[must_use]
    pub fn with_divergence(mut self, factor: Option<f64>) -> Self {
        self.forward.divergence = factor;
        self.adjoint.divergence = factor;
        self
    }

    /// Sets whether the residuals of every step are kept, in the reports of solves and adjoints.
    #[must_use]
    pub fn with_trace(mut self, trace: bool) -> Self {
        self.forward.trace = trace;
        self.adjoint.trace = trace;
        self
    }

    /// Sets the treatment of rows that do not converge.
    #[must_use]
    pub fn with_on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Sets the engine that runs loops.
    #[must_use]
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Sets the method of the native engine for convolutions.
    #[must_use]
    pub fn with_convolution(mut self, convolution: Convolution) -> Self {
        self.convolution = convolution;
        self
    }

    /// Sets whether states of `f64` are iterated in `f32` first.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets whether a second adjoint solver is tried where the first fails.
    #[must_use]
    pub fn with_escalate(mut self, escalate: bool) -> Self {
        self.escalate = escalate;
        self
    }

    /// Sets the gradient of a solution.
    #[must_use]
    pub fn with_gradient(mut self, gradient: Gradient) -> Self {
        self.gradient = gradient;
        self
    }

    /// Sets the factor by which the tolerance of the adjoint follows the forward residual.
    #[must_use]
    pub fn with_coupling(mut self, coupling: Option<f64>) -> Self {
        self.coupling = coupling;
        self
    }

    /// Sets whether every new trace is compared once with Burn.
    #[must_use]
    pub fn with_check_trace(mut self, check: bool) -> Self {
        self.check_trace = check;
        self
    }

    /// Sets the memory in bytes that the traces of a layer may take.
    #[must_use]
    pub fn with_trace_memory(mut self, bytes: usize) -> Self {
        self.trace_memory = bytes;
        self
    }

    /// Refuses settings outside their range, and settings that contradict each other.
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
            let expected = "`stated`: SHINE uses an inverse in the precision of the state";
            return Err(Error::setting("precision", "mixed with gradient shine", expected));
        }
        if self.coupling.is_some() && self.gradient != Gradient::Implicit {
            let expected = "none: only the adjoint solve of the implicit gradient can be coupled";
            return Err(Error::setting("coupling", "some, with another gradient than implicit", expected));
        }
        match self.coupling {
            Some(coupling) if !(coupling > 0.0 && coupling.is_finite()) => {
                Err(Error::setting("coupling", coupling, "none, or a finite number > 0"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses settings that a fixed point inside a traced program does not support.
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

    /// Refuses states that are too wide for the adjoint solver, before a solution is put on the tape: a backward pass cannot
    /// return an error.
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

    /// Refuses gradients other than the implicit one, which is the one that checks and certificates examine.
    pub(crate) fn refuse_other_gradients(&self) -> Result<(), Error> {
        match self.gradient {
            Gradient::Implicit => Ok(()),
            Gradient::Unrolled { .. } | Gradient::Shine { .. } => {
                let expected = "`implicit`, the gradient that is checked and certified here";
                Err(Error::setting("gradient", format!("{:?}", self.gradient), expected))
            }
        }
    }

    /// Returns the settings of the adjoint solve after a forward solve with these outcomes and relative residuals.
    pub(crate) fn coupled(&self, outcomes: &[Outcome], relative: &[f64]) -> Settings<LinearSolver> {
        let mut settings = self.adjoint.clone();
        let reached = relative.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_converged());
        let largest = reached.map(|(relative, _)| *relative).fold(0.0, f64::max);
        let floor = self.coupling.map_or(0.0, |coupling| coupling * largest);
        settings.tolerance.relative = settings.tolerance.relative.max(floor);
        settings
    }
}
