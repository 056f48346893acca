//! Names of solvers, on the command line and in reports.

use banach::solve::{
    Anderson, Auto, Bicgstab, Broyden, ConjugateGradient, Dense, FixedPointSolver, Gmres, LinearSolver,
    Neumann, Newton, Picard, Squarem, Truncated,
};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How the fixed point is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SolverName {
    /// x <- g(x, z).
    Picard,
    /// Anderson acceleration.
    Anderson,
    /// Broyden's method with limited memory.
    Broyden,
    /// Squared extrapolation of plain steps.
    Squarem,
    /// Plain steps, then Anderson, then Broyden, as each row needs, and back to Anderson where that runs away.
    Auto,
    /// Newton's method.
    Newton,
}

impl SolverName {
    /// The name as written on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Picard => "picard",
            Self::Anderson => "anderson",
            Self::Broyden => "broyden",
            Self::Squarem => "squarem",
            Self::Auto => "auto",
            Self::Newton => "newton",
        }
    }

    /// The solver of a layer, with its defaults.
    pub(crate) fn solver(self) -> FixedPointSolver {
        match self {
            Self::Picard => FixedPointSolver::Picard(Picard::default()),
            Self::Anderson => FixedPointSolver::Anderson(Anderson::default()),
            Self::Broyden => FixedPointSolver::Broyden(Broyden::default()),
            Self::Squarem => FixedPointSolver::Squarem(Squarem::default()),
            Self::Auto => FixedPointSolver::Auto(Auto::default()),
            Self::Newton => FixedPointSolver::Newton(Newton::default()),
        }
    }
}

/// How the adjoint c = Jᵀ c + v is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AdjointName {
    /// c <- Jᵀ c + v.
    Neumann,
    /// GMRES on (I - Jᵀ) c = v.
    Gmres,
    /// BiCGStab on (I - Jᵀ) c = v.
    Bicgstab,
    /// Conjugate gradients on (I - J) c = v, where J is symmetric: fpi-gd.
    Cg,
    /// Anderson acceleration of c <- Jᵀ c + v.
    Anderson,
    /// Broyden's method on c <- Jᵀ c + v.
    Broyden,
    /// Jᵀ written down, and elimination.
    Dense,
    /// A few damped terms of the series, by choice: a phantom gradient.
    Truncated,
    /// c = v, by choice: Jacobian-free.
    Identity,
}

impl AdjointName {
    /// The solver of a layer's adjoint, with its defaults.
    pub(crate) fn solver(self) -> LinearSolver {
        match self {
            Self::Neumann => LinearSolver::Neumann(Neumann::default()),
            Self::Gmres => LinearSolver::Gmres(Gmres::default()),
            Self::Bicgstab => LinearSolver::Bicgstab(Bicgstab::default()),
            Self::Cg => LinearSolver::ConjugateGradient(ConjugateGradient::default()),
            Self::Anderson => LinearSolver::Anderson(Anderson::default()),
            Self::Broyden => LinearSolver::Broyden(Broyden::default()),
            Self::Dense => LinearSolver::Dense(Dense::default()),
            Self::Truncated => LinearSolver::Truncated(Truncated::default()),
            Self::Identity => LinearSolver::Identity,
        }
    }
}
