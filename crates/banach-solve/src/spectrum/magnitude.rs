//! Magnitudes of linear maps, row by row.

use crate::Outcome;

/// A magnitude of a linear map in every row, with its uncertainty.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "rows may not have converged"]
#[non_exhaustive]
pub struct Magnitude {
    /// The magnitude; NaN where the map is not finite.
    pub values: Vec<f64>,
    /// The uncertainty of the magnitude: a first-order estimate, not a bound; see [`Arnoldi`](crate::Arnoldi).
    pub uncertainties: Vec<f64>,
    /// [`Converged`](Outcome::Converged) where the uncertainty meets the tolerance, [`EvaluationLimit`] where
    /// the budget was spent before, [`Stalled`](Outcome::Stalled) where more applications cannot help (the
    /// eigenvalue is defective, or so ill-conditioned that rounding hides it),
    /// [`NonFinite`](Outcome::NonFinite) where a value was infinite or NaN.
    ///
    /// [`EvaluationLimit`]: Outcome::EvaluationLimit
    pub outcomes: Vec<Outcome>,
    /// Applications of the map, each on all rows.
    pub applications: usize,
}
