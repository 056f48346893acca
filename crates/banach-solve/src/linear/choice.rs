//! The choice of a solver of `(I - A) c = v`.

use super::bicgstab::Bicgstab;
use super::conjugate_gradient::ConjugateGradient;
use super::dense::Dense;
use super::gmres::Gmres;
use super::neumann::Neumann;
use super::truncated::Truncated;
use super::user::UserLinearSolver;
use crate::user_defined::UserDefined;
use crate::{Anderson, Broyden, Error, Norm, Settings, SolverKind, Tolerance};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The solvers of `(I - A) c = v`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum LinearSolver {
    /// The series `v + A v + A² v + ...`.
    Neumann(Neumann),
    /// Residual minimization over a Krylov subspace, the default.
    Gmres(Gmres),
    /// Two short recurrences, for general `A` in little memory.
    Bicgstab(Bicgstab),
    /// Conjugate gradients, for symmetric `A` with positive definite `I - A`.
    ConjugateGradient(ConjugateGradient),
    /// Gaussian elimination with a dense `A`.
    Dense(Dense),
    /// Anderson acceleration of `c ← A c + v`, related to GMRES with the window as the cycle.
    Anderson(Anderson),
    /// Broyden's method on `c ← A c + v`.
    Broyden(Broyden),
    /// A fixed number of terms of the damped Neumann series: a phantom gradient.
    Truncated(Truncated),
    /// `c = v`, without an application of `A`: Jacobian-free backpropagation. A guess is ignored.
    ///
    /// Rows end as [`Approximate`](crate::Outcome::Approximate), with an unknown residual (NaN).
    ///
    /// Reference: S. Fung, H. Heaton, Q. Li, D. McKenzie, S. Osher and W. Yin, JFB: Jacobian-free
    /// backpropagation for implicit networks, AAAI (2022).
    Identity,
    /// A solver of the user. It cannot be serialized: set it again where settings are read.
    #[serde(skip)]
    User(UserDefined<dyn UserLinearSolver>),
}

impl<S: UserLinearSolver + 'static> From<S> for LinearSolver {
    fn from(solver: S) -> Self {
        Self::User(UserDefined(Arc::new(solver)))
    }
}

impl Default for LinearSolver {
    fn default() -> Self {
        Self::Gmres(Gmres::default())
    }
}

impl LinearSolver {
    /// Refuses invalid settings.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Neumann(neumann) => neumann.validate(),
            Self::Gmres(gmres) => gmres.validate(),
            Self::Bicgstab(_) => Ok(()),
            Self::ConjugateGradient(conjugate_gradient) => conjugate_gradient.validate(),
            Self::Dense(dense) => dense.validate(),
            Self::Anderson(anderson) => anderson.validate(),
            Self::Broyden(broyden) => broyden.validate(),
            Self::Truncated(truncated) => truncated.validate(),
            Self::Identity => Ok(()),
            Self::User(user) => user.0.validate(),
        }
    }
}

impl fmt::Display for LinearSolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Neumann(_) => "neumann",
            Self::Gmres(_) => "gmres",
            Self::Bicgstab(_) => "bicgstab",
            Self::ConjugateGradient(_) => "conjugate gradient",
            Self::Dense(_) => "dense",
            Self::Anderson(_) => "anderson",
            Self::Broyden(_) => "broyden",
            Self::Truncated(_) => "truncated",
            Self::Identity => "identity",
            Self::User(user) => user.0.name(),
        })
    }
}

impl From<&LinearSolver> for SolverKind {
    fn from(solver: &LinearSolver) -> Self {
        match solver {
            LinearSolver::Neumann(_) => Self::Neumann,
            LinearSolver::Gmres(_) => Self::Gmres,
            LinearSolver::Bicgstab(_) => Self::Bicgstab,
            LinearSolver::ConjugateGradient(_) => Self::ConjugateGradient,
            LinearSolver::Dense(_) => Self::Dense,
            LinearSolver::Anderson(_) => Self::LinearAnderson,
            LinearSolver::Broyden(_) => Self::LinearBroyden,
            LinearSolver::Truncated(_) => Self::Truncated,
            LinearSolver::Identity => Self::Identity,
            LinearSolver::User(_) => Self::LinearOther,
        }
    }
}

impl Default for Settings<LinearSolver> {
    /// The absolute tolerance is zero, since the solution of a linear system scales with `v`.
    fn default() -> Self {
        let settings = Self::new(LinearSolver::default());
        let tolerance = Tolerance { absolute: 0.0, ..settings.tolerance };
        settings.with_tolerance(tolerance)
    }
}

impl Settings<LinearSolver> {
    /// Refuses invalid settings, and norms that linear solvers do not minimize.
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
