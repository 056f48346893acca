//! Terminations: how the solve of one row ended.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How the solve of one row of an optimisation layer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Termination {
    /// The optimality conditions hold to the tolerance, and the solution is differentiable.
    Optimal,
    /// Optimal, but a constraint has neither slack nor a multiplier (no strict complementarity): the solution
    /// has directional derivatives only. The gradient is that of the problem without the constraint.
    Degenerate,
    /// Optimal, but the gradients of the active constraints depend on one another: the dual variables are not
    /// unique. The gradient is that of dual variables of small norm.
    Dependent,
    /// Optimal, but other points are optimal too: the objective is flat along the active constraints.
    NotUnique,
    /// No point satisfies the constraints.
    Infeasible,
    /// The objective falls without a bound.
    Unbounded,
    /// The quadratic form has a negative eigenvalue.
    NotConvex,
    /// The data hold an infinite number or NaN.
    NonFinite,
    /// The budget of steps is spent, and the row is not shown to be infeasible or unbounded.
    StepLimit,
}

impl Termination {
    /// Returns whether the row has no solution. Such a row holds its last finite iterate and has no gradient.
    pub fn is_failure(self) -> bool {
        match self {
            Self::Optimal | Self::Degenerate | Self::Dependent | Self::NotUnique => false,
            Self::Infeasible | Self::Unbounded | Self::NotConvex | Self::NonFinite | Self::StepLimit => true,
        }
    }

    /// Returns whether the solution is differentiable.
    pub fn is_differentiable(self) -> bool {
        self == Self::Optimal
    }

    /// Returns what to do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Optimal => "nothing to do.",
            Self::Degenerate => {
                "a constraint is about to become active, and the gradient is one-sided; perturb h, or add a \
                 quadratic term to smooth the solution, if training jumps there."
            }
            Self::Dependent => {
                "the dual variables are not unique; remove repeated constraints, or do not differentiate the dual \
                 variables."
            }
            Self::NotUnique => {
                "add a small quadratic term, such as 1e-6 to the diagonal of Q, to select one solution."
            }
            Self::Infeasible => {
                "relax the constraints: larger h, or a slack variable with a penalty in the objective."
            }
            Self::Unbounded => {
                "bound x by a constraint, or add a positive definite quadratic term to the objective."
            }
            Self::NotConvex => "make Q positive semidefinite, for example Q = L Lᵀ with a learned L.",
            Self::NonFinite => "look for an overflow, a division by zero or NaN in what computes the data.",
            Self::StepLimit => {
                "raise `max_steps`, loosen `tolerance`, or scale the data, so that its numbers are near 1."
            }
        }
    }
}

impl fmt::Display for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Optimal => "optimal",
            Self::Degenerate => "degenerate",
            Self::Dependent => "dependent",
            Self::NotUnique => "not unique",
            Self::Infeasible => "infeasible",
            Self::Unbounded => "unbounded",
            Self::NotConvex => "not convex",
            Self::NonFinite => "non-finite",
            Self::StepLimit => "step limit",
        })
    }
}
