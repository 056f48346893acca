//! Settings of cone programs.

use crate::error::{Error, budget, fraction};
use banach::OnFailure;

/// Settings of a [`ConeProgram`](crate::ConeProgram).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConeSettings {
    /// The largest residual of the optimality conditions, relative to its scale, of a solved row. Most rows end far
    /// below it, by Newton's method. Default 1e-8.
    pub tolerance: f64,
    /// The budget of interior-point steps of each row. Default 200.
    pub max_steps: usize,
    /// The budget of splitting steps of each row of programs with semidefinite cones. Default 5000.
    pub max_splitting_steps: usize,
    /// A slack that is nearer than this number, relative to its size, to a point at which the projection onto its cone
    /// has no derivative makes its row [`Degenerate`](crate::Termination::Degenerate). Default 1e-8.
    pub degeneracy: f64,
    /// What happens when rows have no solution. [`Best`](OnFailure::Best), the default, logs them and leaves them
    /// without a gradient, and so do [`Skip`](OnFailure::Skip) and, at every solve, [`Warn`](OnFailure::Warn).
    /// [`Error`](OnFailure::Error) makes them an error.
    pub on_failure: OnFailure,
}

impl Default for ConeSettings {
    fn default() -> Self {
        ConeSettings {
            tolerance: 1e-8,
            max_steps: 200,
            max_splitting_steps: 5000,
            degeneracy: 1e-8,
            on_failure: OnFailure::Best,
        }
    }
}

impl ConeSettings {
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

    /// Sets [`max_splitting_steps`](Self::max_splitting_steps).
    #[must_use]
    pub fn with_max_splitting_steps(mut self, max_splitting_steps: usize) -> Self {
        self.max_splitting_steps = max_splitting_steps;
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
        budget("max_steps", self.max_steps)?;
        budget("max_splitting_steps", self.max_splitting_steps)
    }
}
