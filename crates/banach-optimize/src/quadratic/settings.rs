//! Settings of quadratic programs.

use crate::error::{Error, budget, fraction};
use banach::OnFailure;

/// Settings of a [`QuadraticProgram`](crate::QuadraticProgram).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QuadraticSettings {
    /// The largest residual of the optimality conditions, relative to its scale, of a solved row. Most rows end far
    /// below it, by the solution of the optimality system of their active set. Default 1e-8.
    pub tolerance: f64,
    /// The budget of interior-point steps of each row. Default 100.
    pub max_steps: usize,
    /// A constraint whose slack and multiplier are both below this number, relative to their scales, makes its row
    /// [`Degenerate`](crate::Termination::Degenerate). Default 1e-8.
    pub degeneracy: f64,
    /// What happens when rows have no solution. [`Best`](OnFailure::Best), the default, logs them and leaves them
    /// without a gradient, and so do [`Skip`](OnFailure::Skip) and, at every solve, [`Warn`](OnFailure::Warn).
    /// [`Error`](OnFailure::Error) makes them an error.
    pub on_failure: OnFailure,
}

impl Default for QuadraticSettings {
    fn default() -> Self {
        QuadraticSettings { tolerance: 1e-8, max_steps: 100, degeneracy: 1e-8, on_failure: OnFailure::Best }
    }
}

impl QuadraticSettings {
    /// The default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`tolerance`](Self::tolerance).
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Sets [`max_steps`](Self::max_steps).
    #[must_use]
    pub fn with_max_steps(mut self, max_steps: usize) -> Self {
        self.max_steps = max_steps;
        self
    }

    /// Sets [`degeneracy`](Self::degeneracy).
    #[must_use]
    pub fn with_degeneracy(mut self, degeneracy: f64) -> Self {
        self.degeneracy = degeneracy;
        self
    }

    /// Sets [`on_failure`](Self::on_failure).
    #[must_use]
    pub fn with_on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Refuses settings without a meaning.
    ///
    /// # Errors
    /// [`Error::Setting`] names the setting.
    pub fn validate(&self) -> Result<(), Error> {
        fraction("tolerance", self.tolerance)?;
        fraction("degeneracy", self.degeneracy)?;
        budget("max_steps", self.max_steps)
    }
}
