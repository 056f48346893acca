//! Settings of a solve and their defaults.

use crate::{Budget, Error, Patience, Tolerance};
use serde::{Deserialize, Serialize};

/// The settings of a solve: `Settings<FixedPointSolver>` or `Settings<LinearSolver>`.
///
/// | setting | default | effect |
/// | :-- | :-- | :-- |
/// | [`solver`](Self::solver) | Anderson, or GMRES | the method |
/// | [`tolerance`](Self::tolerance) | `1e-6 + 1e-4 · size`; `1e-4 · size` in `Settings::<LinearSolver>::default()` | the definition of converged |
/// | [`budget`](Self::budget) | 200 steps | the most work |
/// | [`patience`](Self::patience) | 0.1 % in 50 steps | when a row has stalled; none: never |
/// | [`divergence`](Self::divergence) | `1e8` | the growth of the residual at which a row has diverged; none: no limit |
/// | [`trace`](Self::trace) | `false` | whether the residuals of every step are recorded |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[serde(bound(deserialize = "S: Deserialize<'de>, Settings<S>: Default"))]
pub struct Settings<S> {
    /// The method, with its own settings.
    pub solver: S,
    /// The definition of converged.
    pub tolerance: Tolerance,
    /// The most work.
    pub budget: Budget,
    /// The rule that ends stalled rows; `None` for no rule.
    pub patience: Option<Patience>,
    /// A row is [`Diverged`](crate::Outcome::Diverged) once its residual exceeds this factor times the larger
    /// of its first residual and its first size, the scale of the relative residual; `None` for no limit.
    pub divergence: Option<f64>,
    /// Whether the residuals of every step are recorded in [`Statistics::trace`](crate::Statistics::trace).
    pub trace: bool,
}

impl<S> Settings<S> {
    /// Creates settings with this solver and defaults for the rest.
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

    /// Replaces the tolerance.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Tolerance) -> Self {
        Self { tolerance, ..self }
    }

    /// Replaces the budget.
    #[must_use]
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// The stopping rules, without the solver.
    pub(crate) fn rules(&self) -> StoppingRules {
        StoppingRules {
            tolerance: self.tolerance,
            budget: self.budget,
            patience: self.patience,
            divergence: self.divergence,
            trace: self.trace,
        }
    }
}

/// [`Settings`] without the solver: the rules that end rows, and whether to record a trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoppingRules {
    pub(crate) tolerance: Tolerance,
    pub(crate) budget: Budget,
    pub(crate) patience: Option<Patience>,
    pub(crate) divergence: Option<f64>,
    pub(crate) trace: bool,
}

impl StoppingRules {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.tolerance.validate()?;
        self.budget.validate()?;
        self.patience.as_ref().map_or(Ok(()), Patience::validate)?;
        let factor = self.divergence.unwrap_or(2.0);
        let remedy = "a residual may always grow a little; set it to none for no guard";
        Error::unless(factor > 1.0 && factor.is_finite(), "divergence", factor, "a finite number > 1", remedy)
    }
}
