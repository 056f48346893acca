//! Settings of a solve and their defaults.

use crate::{Budget, Error, FixedPointSolver, LinearSolver, Norm, Patience, Tolerance};
use serde::{Deserialize, Serialize};

/// Everything that decides how one solve goes: `Settings<FixedPointSolver>` or `Settings<LinearSolver>`.
///
/// | setting | default | effect |
/// | :-- | :-- | :-- |
/// | [`solver`](Self::solver) | Anderson, or GMRES | how the state moves |
/// | [`tolerance`](Self::tolerance) | `1e-6 + 1e-4 · size`; `1e-4 · size` in `Settings::<LinearSolver>::default()` | when a row is converged |
/// | [`budget`](Self::budget) | 200 steps | when to stop anyway |
/// | [`patience`](Self::patience) | 0.1 % in 50 steps | when a row is stalled; none: never |
/// | [`divergence`](Self::divergence) | `1e8` | how far a residual may grow; none: without limit |
/// | [`trace`](Self::trace) | `false` | whether residuals of every step are kept |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[serde(bound(deserialize = "S: Deserialize<'de>, Settings<S>: Default"))]
pub struct Settings<S = FixedPointSolver> {
    /// How the state moves.
    pub solver: S,
    /// When a row is converged.
    pub tolerance: Tolerance,
    /// When to stop anyway.
    pub budget: Budget,
    /// When a row is stalled; `None` for never.
    pub patience: Option<Patience>,
    /// A row is [`Diverged`](crate::Outcome::Diverged) once its residual exceeds this many times the larger of its
    /// first residual and the size it is measured against at the start; `None` for never.
    pub divergence: Option<f64>,
    /// Whether the residuals of every step are kept in [`Statistics::trace`](crate::Statistics::trace).
    pub trace: bool,
}

impl Default for Settings<FixedPointSolver> {
    fn default() -> Self {
        Self::new(FixedPointSolver::default())
    }
}

impl Default for Settings<LinearSolver> {
    /// A system is linear: whatever the size of `v`, so large is `c`. So nothing absolute is allowed.
    fn default() -> Self {
        let settings = Self::new(LinearSolver::default());
        let tolerance = Tolerance { absolute: 0.0, ..settings.tolerance };
        settings.with_tolerance(tolerance)
    }
}

impl<S> Settings<S> {
    /// This solver, and defaults for the rest.
    pub fn new(solver: S) -> Self {
        Self {
            solver,
            tolerance: Tolerance::default(),
            budget: Budget::default(),
            patience: Some(Patience::default()),
            divergence: Some(1e8),
            trace: false,
        }
    }

    /// The same settings with another tolerance.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Tolerance) -> Self {
        Self { tolerance, ..self }
    }

    /// The same settings with another budget.
    #[must_use]
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// What the loop needs to know, without the solver.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            tolerance: self.tolerance,
            budget: self.budget,
            patience: self.patience,
            divergence: self.divergence,
            trace: self.trace,
        }
    }
}

impl Settings<FixedPointSolver> {
    /// Refuses settings with no meaning.
    pub fn validate(&self) -> Result<(), Error> {
        self.solver.validate()?;
        self.rules().validate()
    }
}

impl Settings<LinearSolver> {
    /// Refuses settings with no meaning, and norms that linear solvers do not make least.
    pub fn validate(&self) -> Result<(), Error> {
        self.solver.validate()?;
        let (norm, remedy) = (self.tolerance.norm, "choose another norm for fixed points alone");
        let found = format!("{norm:?}");
        Error::unless(
            norm == Norm::Euclidean,
            "tolerance.norm",
            found,
            "Euclidean for a linear solver",
            remedy,
        )?;
        self.rules().validate()
    }
}

/// [`Settings`] without the solver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) tolerance: Tolerance,
    pub(crate) budget: Budget,
    pub(crate) patience: Option<Patience>,
    pub(crate) divergence: Option<f64>,
    pub(crate) trace: bool,
}

impl Rules {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.tolerance.validate()?;
        self.budget.validate()?;
        self.patience.as_ref().map_or(Ok(()), Patience::validate)?;
        let factor = self.divergence.unwrap_or(2.0);
        let remedy = "a residual may always grow a little; set it to none for no guard";
        Error::unless(factor > 1.0 && factor.is_finite(), "divergence", factor, "a finite number > 1", remedy)
    }
}
