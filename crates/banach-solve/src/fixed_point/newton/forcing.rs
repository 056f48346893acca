//! Forcing terms: the tolerance of the inner solve of a Newton step.

use crate::Error;
use serde::{Deserialize, Serialize};

/// The tolerance, relative to `‖g(x) - x‖`, of the solution of `(I - J) d = g(x) - x` by a Krylov method.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Forcing {
    /// `min(½, √(‖F‖ / ‖F₀‖))` with `F₀` at the start, the default.
    #[default]
    Root,
    /// Choice 2 of Eisenstat and Walker: `η = γ (‖F‖ / ‖F_last‖)^α`, at least `γ η_last^α` where that is more
    /// than 0.1, and at most 0.9; ½ at the start.
    ///
    /// Reference: S. Eisenstat and H. Walker, Choosing the forcing terms in an inexact Newton method, SIAM J.
    /// Sci. Comput. 17 (1996), (2.6) with the safeguard of section 2.1.
    EisenstatWalker {
        /// γ, in `(0, 1]`, usually 0.9.
        gamma: f64,
        /// α, in `(1, 2]`, usually 2, for quadratic convergence.
        alpha: f64,
    },
}

impl Forcing {
    /// Refuses factors outside their ranges.
    pub(super) fn validate(&self) -> Result<(), Error> {
        let Self::EisenstatWalker { gamma, alpha } = *self else { return Ok(()) };
        let valid = gamma > 0.0 && gamma <= 1.0;
        Error::unless(valid, "newton.forcing.gamma", gamma, "a number in (0, 1]", "0.9 is usual")?;
        let valid = alpha > 1.0 && alpha <= 2.0;
        Error::unless(valid, "newton.forcing.alpha", alpha, "a number in (1, 2]", "2 is usual")
    }
}

/// The residuals that determine the forcing term of one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForcingTerm {
    /// The residual at the start.
    first: f64,
    /// The last residual, and its forcing term.
    last: Option<(f64, f64)>,
}

impl ForcingTerm {
    /// The state before the first step.
    pub(super) fn new(residual: f64) -> Self {
        Self { first: residual, last: None }
    }

    /// The forcing term at this residual.
    pub(super) fn next(&mut self, forcing: Forcing, residual: f64) -> f64 {
        let next = match (forcing, self.last) {
            (Forcing::Root, _) => (residual / self.first).sqrt().min(0.5),
            (Forcing::EisenstatWalker { .. }, None) => 0.5,
            (Forcing::EisenstatWalker { gamma, alpha }, Some((before, last))) => {
                let slow = gamma * last.powf(alpha);
                let wanted = gamma * (residual / before).powf(alpha);
                wanted.max(if slow > 0.1 { slow } else { 0.0 }).min(0.9)
            }
        };
        self.last = Some((residual, next));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forcing_terms_fall_with_the_residual_but_not_at_once() {
        let walker = Forcing::EisenstatWalker { gamma: 0.9, alpha: 2.0 };
        let parts = |forcing: Forcing, residuals: [f64; 4]| {
            let mut term = ForcingTerm::new(residuals[0]);
            residuals.map(|residual| term.next(forcing, residual))
        };
        // 0.9 · 0.5² = 0.225 holds the second up; 0.9 · 0.225² is less than a tenth and holds nothing up.
        let expected = [0.5, 0.225, 0.9 * 1e-4, 0.9];
        let found = parts(walker, [1.0, 0.1, 1e-3, 2e-3]);
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{found:?}");
        assert_eq!(parts(Forcing::Root, [1.0, 0.5, 0.01, 1e-4]), [0.5, 0.5, 0.1, 0.01]);
    }
}
