//! Tolerances, budgets and patience.

use crate::{Error, Rows};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The definition of converged, for one row: `‖g(x) - x‖ <= absolute + relative * ‖g(x)‖`.
///
/// The residual is that of the map itself, whatever damping or mixing the solver uses. Where the
/// state has grown to more than twice its first size, any residual becomes small beside it; then the residual, with the rounding
/// of the state added to it, must also be within `absolute` or down to 1/128 of the first residual:
/// from zero `x = x + 1` never converges. Where the map descends an [energy](crate::Map::energy), it suffices that the energy has
/// fallen, and at the present slope would fall by at most half of that over as long a way again. For `(I - A) c = v` the residual is
/// `‖v - (c - A c)‖` and it is measured against `‖v‖`, in the Euclidean norm, as linear solvers make it least.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`absolute`](Self::absolute) | `1e-6` | `>= 0` | decides where the state is near zero |
/// | [`relative`](Self::relative) | `1e-4` | `>= 0` | decides elsewhere; the default suits training in `f32`, use `1e-10` in `f64` |
/// | [`norm`](Self::norm) | `euclidean` | [`Norm`] | how rows of many numbers are measured; for fixed points alone |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tolerance {
    /// The residual that always suffices.
    pub absolute: f64,
    /// The residual that suffices, as a part of the size of the state.
    pub relative: f64,
    /// How a row is measured.
    pub norm: Norm,
}

/// The size of a row of `n` numbers. Which one it is matters to `absolute` in wide rows; solvers step all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// The root of the sum of squares.
    #[default]
    Euclidean,
    /// The root of the mean of squares, `1 / √n` of the Euclidean norm: that of a typical number, however many there are.
    RootMeanSquare,
    /// The largest absolute value: every single number must meet the tolerance.
    Maximum,
}

impl Norm {
    /// `‖g(x) - x‖` and `‖g(x)‖` of every row, given both in the Euclidean norm.
    pub(crate) fn measured<R: Rows>(
        self,
        (gx, x): (&R, &R),
        residuals: &[f64],
        sizes: Vec<f64>,
    ) -> (Vec<f64>, Vec<f64>) {
        let part = (x.width() as f64).sqrt().recip();
        let mean = |norms: &[f64]| norms.iter().map(|norm| norm * part).collect();
        match self {
            Self::Euclidean => (residuals.to_vec(), sizes),
            Self::RootMeanSquare => (mean(residuals), mean(&sizes)),
            Self::Maximum => {
                let mut largest = R::largest(&[&gx.minus(x), gx]);
                let sizes = largest.swap_remove(1);
                (largest.swap_remove(0), sizes)
            }
        }
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { absolute: 1e-6, relative: 1e-4, norm: Norm::default() }
    }
}

impl Tolerance {
    /// The same number for both parts.
    pub fn both(tolerance: f64) -> Self {
        Self { absolute: tolerance, relative: tolerance, norm: Norm::default() }
    }

    /// The largest residual that counts as converged for a row of this size.
    pub fn threshold(&self, size: f64) -> f64 {
        self.absolute + self.relative * size
    }

    /// Whether a row with this residual and size is converged; never for NaN.
    pub fn met(&self, residual: f64, size: f64) -> bool {
        residual <= self.threshold(size)
    }

    /// How many times what is allowed the residual of every row is.
    pub(crate) fn excess(&self, residuals: &[f64], sizes: &[f64]) -> Vec<f64> {
        residuals.iter().zip(sizes).map(|(residual, size)| residual / self.threshold(*size)).collect()
    }

    /// Refuses negative, infinite and NaN tolerances.
    pub fn validate(&self) -> Result<(), Error> {
        let remedy = "zero is allowed, and asks for as much as the precision gives";
        for (setting, value) in [("tolerance.absolute", self.absolute), ("tolerance.relative", self.relative)]
        {
            Error::unless(value >= 0.0 && value.is_finite(), setting, value, "a finite number >= 0", remedy)?;
        }
        Ok(())
    }
}

/// How much work may be spent.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`steps`](Self::steps) | `200` | `>= 1` | a row ends with [`StepLimit`](crate::Outcome::StepLimit) after so many steps |
/// | [`evaluations`](Self::evaluations) | none | `>= 1` | all rows end with [`EvaluationLimit`](crate::Outcome::EvaluationLimit) after so many calls of the map, its derivative and its energy together |
/// | [`seconds`](Self::seconds) | none | `> 0` | all rows end with [`TimeLimit`](crate::Outcome::TimeLimit) after the call of the map during which so much time has passed |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// The most steps of one row; the point reached by the last step is still looked at.
    pub steps: usize,
    /// The most calls of the map, its derivative and its energy together, each on all rows that are still in the batch.
    pub evaluations: Option<usize>,
    /// The most time of one solve, by the clock on the wall; what a row reaches then depends on the machine.
    pub seconds: Option<f64>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: 200, evaluations: None, seconds: None }
    }
}

impl Budget {
    /// So many steps, with no limit on evaluations or time.
    pub fn steps(steps: usize) -> Self {
        Self { steps, ..Self::default() }
    }

    /// What is left of it after so much time; when all is over, a time that is over at the first look.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        let left = |seconds: f64| (seconds - time.as_secs_f64()).max(f64::MIN_POSITIVE);
        Self { seconds: self.seconds.map(left), ..self }
    }

    /// Refuses budgets that allow nothing.
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

/// When to give up on a row whose residual no longer falls: [`Stalled`](crate::Outcome::Stalled). Where the map descends an
/// [energy](crate::Map::energy), neither may that fall, by the same part of its whole descent.
///
/// The defaults let a contraction of rate 0.9999 pass, and end a rotation after 50 steps.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`steps`](Self::steps) | `50` | `>= 1` | how long to wait |
/// | [`improvement`](Self::improvement) | `0.001` | `[0, 1)` | the part by which the best residual must fall in that time |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Patience {
    /// The steps to wait for an improvement.
    pub steps: usize,
    /// The relative decrease of the best residual that counts as one.
    pub improvement: f64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { steps: 50, improvement: 1e-3 }
    }
}

impl Patience {
    /// Refuses to wait for nothing, or for what cannot happen.
    pub fn validate(&self) -> Result<(), Error> {
        let remedy = "set `patience` to none to wait for ever";
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
