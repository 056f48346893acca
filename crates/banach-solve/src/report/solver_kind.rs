//! Solvers without their settings.

use serde::{Deserialize, Serialize};

/// A solver without its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SolverKind {
    /// Plain iteration.
    Picard,
    /// Anderson acceleration of a fixed point.
    Anderson,
    /// Broyden's method for a fixed point.
    Broyden,
    /// Squared extrapolation.
    Squarem,
    /// Plain iteration, Anderson, Broyden and, with a derivative, Newton, chosen for each row.
    Auto,
    /// Newton's method with a Krylov solver.
    Newton,
    /// Newton's method with elimination.
    NewtonDense,
    /// The Neumann series.
    Neumann,
    /// GMRES.
    Gmres,
    /// BiCGStab.
    Bicgstab,
    /// Conjugate gradients.
    ConjugateGradient,
    /// Elimination.
    Dense,
    /// Anderson acceleration of a linear system.
    LinearAnderson,
    /// Broyden's method for a linear system.
    LinearBroyden,
    /// A truncated Neumann series.
    Truncated,
    /// The right-hand side itself.
    Identity,
    /// A solver of fixed points defined by the caller.
    Other,
    /// A solver of linear systems defined by the caller.
    LinearOther,
}

impl SolverKind {
    /// Every solver.
    pub const ALL: [Self; 18] = [
        Self::Picard,
        Self::Anderson,
        Self::Broyden,
        Self::Squarem,
        Self::Auto,
        Self::Newton,
        Self::NewtonDense,
        Self::Neumann,
        Self::Gmres,
        Self::Bicgstab,
        Self::ConjugateGradient,
        Self::Dense,
        Self::LinearAnderson,
        Self::LinearBroyden,
        Self::Truncated,
        Self::Identity,
        Self::Other,
        Self::LinearOther,
    ];

    /// Returns whether the solver solves `(I - A) c = v` rather than `x = g(x)`.
    pub fn is_linear(self) -> bool {
        match self {
            Self::Picard | Self::Anderson | Self::Broyden | Self::Squarem | Self::Auto => false,
            Self::Newton | Self::NewtonDense | Self::Other => false,
            Self::Neumann | Self::Gmres | Self::Bicgstab | Self::ConjugateGradient | Self::Dense => true,
            Self::LinearAnderson | Self::LinearBroyden | Self::Truncated | Self::Identity => true,
            Self::LinearOther => true,
        }
    }
}
