//! The gradient of a solution: that of the implicit function theorem, or, by choice, one that costs less.

use crate::error::Error;
use banach_solve::FixedPointSolver;
use serde::{Deserialize, Serialize};

/// Which gradient a solution has.
///
/// [`Implicit`](Self::Implicit) is exact as far as the adjoint is: an approximate adjoint is a choice of
/// [`FixedPointConfig::adjoint`](crate::FixedPointConfig::adjoint). Of these settings `Shine` takes tolerance and solver for its refinement, without a second try, and
/// `Unrolled` none. The others do without a solve, or with a short one, and need the forward solution to be
/// good.
///
/// | gradient | cost | error |
/// | :-- | :-- | :-- |
/// | `Implicit` | an adjoint solve | that of the solves |
/// | `Unrolled { steps: k }` | k applications of g on the tape, memory grows with k | that of k terms of the series: about `‖J‖ᵏ` |
/// | `Shine { refinement: k, .. }` | k applications of Jᵀ | that of Broyden's inverse, less what the refinement mends |
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Gradient {
    /// `(I - J)⁻¹ ∂g/∂(z, θ)`: Jeon, Lee and Choi, from eq. 4.
    #[default]
    Implicit,
    /// The solution goes through the last applications of g once more, and these have an ordinary gradient (Geng et al.,
    /// "On Training Implicit Models", 2021: the unrolled phantom gradient). The value is what they make of the solution.
    Unrolled {
        /// How many applications, at least 1.
        steps: usize,
    },
    /// The adjoint is `-Hᵀ v` with the inverse H that Broyden's method has learnt forward, refined by some steps of the
    /// adjoint solver from there (Ramzi et al., "SHINE: SHaring the INverse Estimate from the forward pass for bi-level
    /// optimization and implicit models", 2022). Where `‖Hᵀ v‖` is more than `limit` times `‖v‖`, or not finite, H is not to
    /// be trusted and `v` takes its place, as the paper falls back on. It asks for [`FixedPointSolver::Broyden`] forward, which then runs
    /// on the device and keeps every row to the end.
    Shine {
        /// Steps of the adjoint solver; 0 for none.
        refinement: usize,
        /// The largest `‖Hᵀ v‖ / ‖v‖` that is trusted; 1.3 in the paper's fallback.
        limit: f64,
    },
}

impl Gradient {
    /// SHINE as in the paper: no refinement, and its limit.
    pub fn shine() -> Self {
        Gradient::Shine { refinement: 0, limit: 1.3 }
    }

    /// Refuses numbers with no meaning, and an inverse that nobody learns.
    pub(crate) fn validate(self, forward: &FixedPointSolver) -> Result<(), Error> {
        match self {
            Gradient::Unrolled { steps: 0 } => {
                Err(Error::setting("gradient.unrolled.steps", 0, "at least 1 application"))
            }
            Gradient::Shine { limit, .. } if !(limit > 0.0 && limit.is_finite()) => {
                Err(Error::setting("gradient.shine.limit", limit, "a finite number > 0"))
            }
            Gradient::Shine { .. } if !matches!(forward, FixedPointSolver::Broyden(_)) => {
                let expected =
                    "`implicit` or `unrolled`: SHINE takes the inverse that Broyden's method learns forward";
                Err(Error::setting("gradient", format!("shine with {forward}"), expected))
            }
            Gradient::Implicit | Gradient::Unrolled { .. } | Gradient::Shine { .. } => Ok(()),
        }
    }
}
