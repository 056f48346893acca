//! Tolerances, budgets and patience.

use crate::{Error, Rows};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// The definition of converged, for one row: `‖g(x) - x‖ <= absolute + relative * ‖g(x)‖`.
///
/// The residual is that of the map itself, not of a damped or mixed step. A state that grows without bound
/// makes any relative residual small. So where the state has grown to more than twice its first norm, the
/// residual plus the rounding error of the state must also be at most `absolute` or 1/128 of the first
/// residual; from zero, `x = x + 1` never converges. With an [energy](crate::Map::energy) it suffices instead
/// that its slope, over as long a distance again, predicts at most half of its decrease so far.
///
/// In half precision no row reaches the default: there the default of `relative` is the machine epsilon of the state,
/// `1e-3` for `f16` and `8e-3` for `bf16` ([`attainable`](Self::attainable), which layers of Banach apply).
/// Norms are computed in `f32`.
///
/// For `(I - A) c = v` the residual is `‖v - (c - A c)‖` and its scale is `‖v‖`, both in the Euclidean norm,
/// which linear solvers minimize.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`absolute`](Self::absolute) | `1e-6` | `>= 0` | dominates where the state is near zero |
/// | [`relative`](Self::relative) | `1e-4` | `>= 0` | dominates elsewhere; the default suits training in `f32`, use `1e-10` in `f64` |
/// | [`norm`](Self::norm) | `euclidean` | [`Norm`] | the norm of a row; for fixed points alone |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tolerance {
    /// The absolute tolerance.
    pub absolute: f64,
    /// The tolerance relative to the norm of the state.
    pub relative: f64,
    /// The norm of a row.
    pub norm: Norm,
}

/// The norm of a row of width `n`. In wide rows the choice changes the meaning of `absolute`; the steps of a
/// solver do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// The square root of the sum of squares.
    #[default]
    Euclidean,
    /// The square root of the mean of squares, `1 / √n` times the Euclidean norm: the size of a typical
    /// entry.
    RootMeanSquare,
    /// The largest absolute value: every entry must meet the tolerance.
    Maximum,
}

impl Norm {
    /// Converts `‖g(x) - x‖` and `‖g(x)‖` of every row from the Euclidean norm.
    pub(crate) fn measured<'a, R: Rows>(
        self,
        (gx, x): (&R, &R),
        residuals: &'a [f64],
        sizes: Vec<f64>,
    ) -> (Cow<'a, [f64]>, Vec<f64>) {
        let factor = (x.width() as f64).sqrt().recip();
        let mean = |norms: &[f64]| norms.iter().map(|norm| norm * factor).collect::<Vec<f64>>();
        match self {
            Self::Euclidean => (residuals.into(), sizes),
            Self::RootMeanSquare => (mean(residuals).into(), mean(&sizes)),
            Self::Maximum => {
                let mut largest = R::largest(&[&gx.minus(x), gx]);
                let sizes = largest.swap_remove(1);
                (largest.swap_remove(0).into(), sizes)
            }
        }
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { absolute: 1e-6, relative: RELATIVE, norm: Norm::default() }
    }
}

/// The default of the relative tolerance.
const RELATIVE: f64 = 1e-4;

impl Tolerance {
    /// Creates a tolerance with one value for `absolute` and `relative`.
    pub fn both(tolerance: f64) -> Self {
        Self { absolute: tolerance, relative: tolerance, norm: Norm::default() }
    }

    /// Returns the tolerance with a default that a state of this machine epsilon can reach: a relative tolerance of `1e-4`
    /// becomes the machine epsilon where that is larger. Any other relative tolerance is kept.
    #[must_use]
    pub fn attainable(self, epsilon: f64) -> Self {
        if self.relative == RELATIVE { Self { relative: RELATIVE.max(epsilon), ..self } } else { self }
    }

    /// Returns the largest converged residual of a row of this size.
    pub fn threshold(&self, size: f64) -> f64 {
        self.absolute + self.relative * size
    }

    /// Returns whether a row with this residual and size has converged; false for NaN.
    pub fn met(&self, residual: f64, size: f64) -> bool {
        residual <= self.threshold(size)
    }

    /// The residual of every row divided by its threshold.
    pub(crate) fn excess(&self, residuals: &[f64], sizes: &[f64]) -> Vec<f64> {
        residuals.iter().zip(sizes).map(|(residual, size)| residual / self.threshold(*size)).collect()
    }

    /// Refuses tolerances that are negative, infinite or NaN.
    pub fn validate(&self) -> Result<(), Error> {
        let remedy = "use zero for the full precision";
        for (setting, value) in [("tolerance.absolute", self.absolute), ("tolerance.relative", self.relative)]
        {
            Error::unless(value >= 0.0 && value.is_finite(), setting, value, "a finite number >= 0", remedy)?;
        }
        Ok(())
    }
}

/// The most work of a solve.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`steps`](Self::steps) | `200` | `>= 1` | the most steps of a row, which then ends as [`StepLimit`](crate::Outcome::StepLimit) |
/// | [`evaluations`](Self::evaluations) | none | `>= 1` | the most calls of the map, its derivative and its energy together; then all rows end as [`EvaluationLimit`](crate::Outcome::EvaluationLimit) |
/// | [`seconds`](Self::seconds) | none | `> 0` | the most time; after the call of the map that exceeds it, all rows end as [`TimeLimit`](crate::Outcome::TimeLimit) |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// The most steps of one row; the residual after the last step is still computed.
    pub steps: usize,
    /// The most calls of the map, its derivative and its energy together, each on all rows left in the batch.
    pub evaluations: Option<usize>,
    /// The most wall-clock time of one solve, in seconds; results then depend on the machine.
    pub seconds: Option<f64>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: 200, evaluations: None, seconds: None }
    }
}

impl Budget {
    /// Creates a budget of steps, with no limit on evaluations or time.
    pub fn steps(steps: usize) -> Self {
        Self { steps, ..Self::default() }
    }

    /// Returns the budget that remains after some time: where none remains, the shortest positive time.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        let left = |seconds: f64| (seconds - time.as_secs_f64()).max(f64::MIN_POSITIVE);
        Self { seconds: self.seconds.map(left), ..self }
    }

    /// Refuses an empty budget.
    pub fn validate(&self) -> Result<(), Error> {
        let remedy = "allow at least one";
        Error::unless(self.steps > 0, "budget.steps", self.steps, "at least 1", remedy)?;
        let evaluations = self.evaluations.unwrap_or(1);
        Error::unless(evaluations > 0, "budget.evaluations", evaluations, "none or at least 1", remedy)?;
        let seconds = self.seconds.unwrap_or(1.0);
        let valid = seconds > 0.0 && seconds.is_finite();
        let remedy = "set it to none for no limit on time";
        Error::unless(valid, "budget.seconds", seconds, "none or a finite number > 0", remedy)
    }
}

/// The rule that ends a row whose residual no longer falls, as [`Stalled`](crate::Outcome::Stalled). With an
/// [energy](crate::Map::energy), a row also continues while that falls by more than its rounding error.
///
/// With the defaults, a contraction of rate 0.9999 continues, and a rotation ends after 50 steps.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`steps`](Self::steps) | `50` | `>= 1` | the steps in which the residual must improve |
/// | [`improvement`](Self::improvement) | `0.001` | `[0, 1)` | the relative decrease of the best residual that counts as an improvement |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Patience {
    /// The steps to wait for an improvement.
    pub steps: usize,
    /// The relative decrease of the best residual that counts as an improvement.
    pub improvement: f64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { steps: 50, improvement: 1e-3 }
    }
}

impl Patience {
    /// Refuses zero steps, and an improvement outside `[0, 1)`.
    pub fn validate(&self) -> Result<(), Error> {
        let remedy = "set `patience` to none for no such rule";
        Error::unless(self.steps > 0, "patience.steps", self.steps, "at least 1", remedy)?;
        let valid = (0.0..1.0).contains(&self.improvement);
        Error::unless(valid, "patience.improvement", self.improvement, "a number in [0, 1)", remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_a_number_is_never_converged() {
        assert!(!Tolerance::default().met(f64::NAN, 1.0));
        assert!(!Tolerance::default().met(0.0, f64::NAN));
        assert!(Tolerance::both(0.0).met(0.0, 0.0));
    }
    #[test]
    fn what_is_left_of_a_time_is_never_none_and_never_more() {
        let left = |seconds: Option<f64>, spent: f64| {
            let budget = Budget { seconds, ..Budget::default() }.after(Duration::from_secs_f64(spent));
            assert!(budget.validate().is_ok() && budget.steps == Budget::default().steps);
            budget.seconds
        };
        assert_eq!(left(None, 9.0), None);
        assert_eq!((left(Some(2.0), 0.0), left(Some(2.0), 0.5)), (Some(2.0), Some(1.5)));
        assert!(left(Some(2.0), 2.0).is_some_and(|seconds| seconds < 1e-300));
    }
}
