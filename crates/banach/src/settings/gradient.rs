//! The gradient of a solution: by the implicit function theorem, or by an approximation that costs less.

use crate::error::Error;
use banach_solve::FixedPointSolver;
use serde::{Deserialize, Serialize};

/// The gradient of a solution.
///
/// [`Implicit`](Self::Implicit) is as exact as the adjoint solve, whose settings are
/// [`FixedPointConfig::adjoint`](crate::FixedPointConfig::adjoint). `Shine` uses the tolerance and the solver of these
/// settings for its refinement, without escalation; `Unrolled` uses none of them. `Shine` and `Unrolled` need no adjoint
/// solve, or a short one, and rely on a good forward solution.
///
/// | gradient | cost | error |
/// | :-- | :-- | :-- |
/// | `Implicit` | an adjoint solve | the tolerances of the solves |
/// | `Unrolled { steps: k }` | k applications of g on the tape, memory grows with k | the truncation after k terms of the series: about `‖J‖ᵏ` |
/// | `Shine { refinement: k, .. }` | k applications of Jᵀ | the error of Broyden's inverse, reduced by the refinement |
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Gradient {
    /// `(I - J)⁻¹ ∂g/∂(z, θ)`: Jeon, Lee and Choi, from eq. 4.
    #[default]
    Implicit,
    /// The ordinary gradient of further applications of g to the solution (Geng et al., "On Training Implicit Models", 2021:
    /// the unrolled phantom gradient). The value is the result of these applications.
    Unrolled {
        /// The number of applications, at least 1.
        steps: usize,
    },
    /// The adjoint `-Hᵀ v` with the approximate inverse H of Broyden's method in the forward solve, refined by steps of the
    /// adjoint solver (Ramzi et al., "SHINE: SHaring the INverse Estimate from the forward pass for bi-level optimization
    /// and implicit models", 2022). Where `‖Hᵀ v‖` is more than `limit` times `‖v‖`, or not finite, the adjoint is `v`, which
    /// is the fallback of the paper. It needs [`FixedPointSolver::Broyden`] forward, which then runs on the device and keeps
    /// every row to the end.
    Shine {
        /// Steps of the adjoint solver; 0 for no refinement.
        refinement: usize,
        /// The largest `‖Hᵀ v‖ / ‖v‖` for which the inverse is used; 1.3 in the paper.
        limit: f64,
    },
}

impl Gradient {
    /// SHINE with the settings of the paper: no refinement, a limit of 1.3.
    pub fn shine() -> Self {
        Gradient::Shine { refinement: 0, limit: 1.3 }
    }

    /// Refuses settings outside their range, and SHINE without Broyden's method.
    pub(crate) fn validate(self, forward: &FixedPointSolver) -> Result<(), Error> {
        match self {
            Gradient::Unrolled { steps: 0 } => {
                Err(Error::setting("gradient.unrolled.steps", 0, "at least 1 application"))
            }
            Gradient::Shine { limit, .. } if !(limit > 0.0 && limit.is_finite()) => {
                Err(Error::setting("gradient.shine.limit", limit, "a finite number > 0"))
            }
            Gradient::Shine { .. } if !matches!(forward, FixedPointSolver::Broyden(_)) => {
                let expected = "`implicit` or `unrolled`: SHINE needs the inverse of Broyden's method, `with_solver(Broyden::default())`";
                Err(Error::setting("gradient", format!("shine with {forward}"), expected))
            }
            Gradient::Implicit | Gradient::Unrolled { .. } | Gradient::Shine { .. } => Ok(()),
        }
    }
}
