//! The choice of a solver of `x = g(x)`.

use super::auto::Auto;
use super::newton::{Newton, NewtonInner};
use super::user::UserSolver;
use crate::user_defined::UserDefined;
use crate::{Anderson, Broyden, Error, Picard, Settings, SolverKind, Squarem};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The solvers of `x = g(x)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum FixedPointSolver {
    /// Plain or damped iteration.
    Picard(Picard),
    /// Anderson acceleration, the default.
    Anderson(Anderson),
    /// Limited-memory Broyden's method.
    Broyden(Broyden),
    /// Squared extrapolation of plain iteration.
    Squarem(Squarem),
    /// Plain iteration, Anderson or Broyden, chosen for each row; Newton for failed rows if the map has a
    /// derivative.
    Auto(Auto),
    /// Newton's method, for [`fixed_point_smooth`](crate::fixed_point_smooth) alone.
    Newton(Newton),
    /// A solver of the user. It cannot be serialized: set it again where settings are read.
    #[serde(skip)]
    User(UserDefined<dyn UserSolver>),
}

impl<S: UserSolver + 'static> From<S> for FixedPointSolver {
    fn from(solver: S) -> Self {
        Self::User(UserDefined(Arc::new(solver)))
    }
}

impl Default for FixedPointSolver {
    fn default() -> Self {
        Self::Anderson(Anderson::default())
    }
}

impl FixedPointSolver {
    /// Refuses invalid settings.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Picard(picard) => picard.validate(),
            Self::Anderson(anderson) => anderson.validate(),
            Self::Broyden(broyden) => broyden.validate(),
            Self::Squarem(squarem) => squarem.validate(),
            Self::Auto(auto) => auto.validate(),
            Self::Newton(newton) => newton.validate(),
            Self::User(user) => user.0.validate(),
        }
    }
}

impl fmt::Display for FixedPointSolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Picard(_) => "picard",
            Self::Anderson(_) => "anderson",
            Self::Broyden(_) => "broyden",
            Self::Squarem(_) => "squarem",
            Self::Auto(_) => "auto",
            Self::Newton(_) => "newton",
            Self::User(user) => user.0.name(),
        })
    }
}

impl From<&FixedPointSolver> for SolverKind {
    fn from(solver: &FixedPointSolver) -> Self {
        match solver {
            FixedPointSolver::Picard(_) => Self::Picard,
            FixedPointSolver::Anderson(_) => Self::Anderson,
            FixedPointSolver::Broyden(_) => Self::Broyden,
            FixedPointSolver::Squarem(_) => Self::Squarem,
            FixedPointSolver::Auto(_) => Self::Auto,
            FixedPointSolver::Newton(newton) => match newton.inner {
                NewtonInner::Krylov { .. } => Self::Newton,
                NewtonInner::Dense { .. } => Self::NewtonDense,
            },
            FixedPointSolver::User(_) => Self::Other,
        }
    }
}

impl Default for Settings<FixedPointSolver> {
    fn default() -> Self {
        Self::new(FixedPointSolver::default())
    }
}

impl Settings<FixedPointSolver> {
    /// Refuses invalid settings.
    pub fn validate(&self) -> Result<(), Error> {
        self.solver.validate()?;
        self.rules().validate()
    }
}
