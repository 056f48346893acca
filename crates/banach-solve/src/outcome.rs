//! Outcomes of rows.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The outcome of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The residual meets the tolerance.
    Converged,
    /// The solver returns an approximation by choice.
    Approximate,
    /// The budget of steps is spent.
    StepLimit,
    /// The budget of evaluations is spent.
    EvaluationLimit,
    /// The budget of time is spent.
    TimeLimit,
    /// The residual no longer falls, or a linear system is singular.
    Stalled,
    /// The residual exceeded the limit of divergence.
    Diverged,
    /// A value became infinite or NaN.
    NonFinite,
    /// The linear map is not symmetric, as the solver requires.
    Asymmetric,
    /// `I - A` is not positive definite, as the solver requires.
    Indefinite,
    /// `I - A` is singular to the precision of the state.
    Singular,
    /// The recurrences of the solver divide by zero, even after restarts.
    Breakdown,
    /// An observer ended the solve.
    Stopped,
    /// The solver, defined by the user, gave the row up, or the given state misses the tolerance.
    Unsolved,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 14] = [
        Self::Converged,
        Self::Approximate,
        Self::StepLimit,
        Self::EvaluationLimit,
        Self::TimeLimit,
        Self::Stalled,
        Self::Diverged,
        Self::NonFinite,
        Self::Asymmetric,
        Self::Indefinite,
        Self::Singular,
        Self::Breakdown,
        Self::Stopped,
        Self::Unsolved,
    ];

    /// Returns whether the outcome is [`Converged`](Self::Converged).
    pub fn is_converged(self) -> bool {
        self == Self::Converged
    }

    /// Returns whether the row has failed: true for all outcomes but [`Converged`](Self::Converged) and
    /// [`Approximate`](Self::Approximate).
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Converged | Self::Approximate)
    }

    /// Returns a remedy that names settings, for an unknown solver and residual history.
    /// [`Solution::advice`](crate::Solution::advice) takes both into account.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Converged => "nothing to do.",
            Self::Approximate => {
                "nothing has failed, but the gradient is not exact, by the choice of solver (Identity, Truncated): use \
                 GMRES where it must be."
            }
            Self::StepLimit => {
                "raise `budget.steps`, loosen `tolerance.relative`, or use a faster solver (Anderson, Newton, GMRES)."
            }
            Self::EvaluationLimit => "raise `budget.evaluations`, or use a solver that needs fewer of them.",
            Self::TimeLimit => {
                "raise `budget.seconds`, loosen `tolerance.relative`, or use a solver with cheaper steps."
            }
            Self::Stalled => {
                "the residual no longer falls: if it is near the precision of the state, loosen `tolerance` or use \
                 f64; if not, the update may have no fixed point nearby (or I - J is singular); try Anderson, a \
                 larger `window` or `restart`, or give it more `patience`."
            }
            Self::Diverged => {
                "the update expands here: use Anderson in place of Picard, GMRES in place of Neumann, lower \
                 `damping` or `mixing`, start nearer, or make the update contract (smaller weights)."
            }
            Self::NonFinite => {
                "the update returned infinity or NaN: look for overflow, division by zero, or roots and logarithms \
                 of negative numbers in it, start elsewhere, or lower `damping` or `mixing`."
            }
            Self::Asymmetric => {
                "the linear map is not symmetric, as conjugate gradients need it: use GMRES; if only rounding makes it \
                 so, raise `symmetry`."
            }
            Self::Indefinite => {
                "I - J has a direction without positive curvature: use GMRES; if J is the derivative of a gradient \
                 step, the point is no strict minimum of its energy (a saddle, or flat)."
            }
            Self::Singular => {
                "I - J is singular to the precision of the state where the row stands, so that the system has no answer or \
                 many: use f64, Anderson, or a Krylov `inner` solve, or start elsewhere; an answer there is not the only one \
                 nearby and has no derivative."
            }
            Self::Breakdown => {
                "the recurrences of BiCGStab divide by zero: use GMRES, or Dense for a small state; more `restarts` may \
                 help."
            }
            Self::Stopped => "the observer ended it; let it continue for longer if that was too early.",
            Self::Unsolved => {
                "the residual misses the tolerance: let the solver go on for longer, or loosen `tolerance`; for a given state, see \
                 whether its source and the update state the same problem (signs, scales, the order of unknowns)."
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Converged => "converged",
            Self::Approximate => "approximate",
            Self::StepLimit => "step limit",
            Self::EvaluationLimit => "evaluation limit",
            Self::TimeLimit => "time limit",
            Self::Stalled => "stalled",
            Self::Diverged => "diverged",
            Self::NonFinite => "non-finite",
            Self::Asymmetric => "asymmetric",
            Self::Indefinite => "indefinite",
            Self::Singular => "singular",
            Self::Breakdown => "breakdown",
            Self::Stopped => "stopped",
            Self::Unsolved => "unsolved",
        })
    }
}
