//! The convergence test of a row whose state may grow without bound.

use crate::Tolerance;

/// The fraction of the first residual to which the residual of a grown state must fall: 2⁻⁷.
///
/// A row without a fixed point, whose residual stays above `d`, cannot pass for converged where `d` exceeds
/// this fraction of its first residual (and the absolute tolerance). A larger fraction would accept more such
/// rows; a smaller one would require more steps of plain iteration than the relative tolerance does where the
/// state grows by a large factor (by 78 at a relative tolerance of `1e-4`).
const REQUIRED_DECREASE: f64 = 1.0 / 128.0;

/// The rounding error of `g(x) - x`, in units of the precision of the state times its norm.
const ROUNDING: f64 = 2.0;

/// The growth factor of a state above which a small relative residual is no evidence of convergence.
const GROWTH_LIMIT: f64 = 2.0;

/// The residual and the size of a row at its first point, against which grown states are judged.
///
/// Where there is no fixed point, a solver may move the state so far away that any residual is small relative
/// to it, or vanishes in the rounding of `x + tiny`. So the residual of a grown state, with its rounding
/// error added, is compared with the first residual. Later residuals are no scale: one may be large only
/// because the solver jumped.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Growth {
    /// Residual and size at the first point, in the norm of the tolerance; `None` before that.
    first: Option<(f64, f64)>,
    /// The precision of the state.
    precision: f64,
    /// The absolute tolerance.
    absolute: f64,
}

impl Growth {
    /// A row before its first point.
    pub(crate) fn new(precision: f64, absolute: f64) -> Self {
        Self { first: None, precision, absolute }
    }

    /// Records residual and size on the first call; later calls have no effect.
    pub(crate) fn begin(&mut self, residual: f64, size: f64) {
        self.first.get_or_insert((residual, size));
    }

    /// Whether the row meets the tolerance, other than by growth alone, of which a descent that has `arrived`
    /// is evidence enough.
    pub(crate) fn met(&self, tolerance: &Tolerance, (residual, size): (f64, f64), arrived: bool) -> bool {
        let fallen = arrived || !self.grown(size) || self.bound(residual, size) <= self.acceptable();
        tolerance.met(residual, size) && fallen
    }

    /// An upper bound on the true residual: the measured one, plus its rounding error where the state has
    /// grown.
    pub(crate) fn bound(&self, residual: f64, size: f64) -> f64 {
        if self.grown(size) { residual + self.rounding(size) } else { residual }
    }

    /// Whether the state has grown so far that its rounding error exceeds every acceptable residual.
    pub(crate) fn beyond(&self, size: f64) -> bool {
        self.grown(size) && self.rounding(size) > self.acceptable()
    }

    /// The size as a multiple of the first one; NaN before the first point.
    pub(crate) fn factor(&self, size: f64) -> f64 {
        self.first.map_or(f64::NAN, |(_, first)| size / first)
    }

    fn grown(&self, size: f64) -> bool {
        self.first.is_some_and(|(_, first)| size > GROWTH_LIMIT * first)
    }

    fn rounding(&self, size: f64) -> f64 {
        ROUNDING * self.precision * size
    }

    /// The largest acceptable residual of a grown state.
    fn acceptable(&self) -> f64 {
        self.first.map_or(0.0, |(residual, _)| REQUIRED_DECREASE * residual).max(self.absolute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(residual: f64, size: f64) -> Growth {
        let mut growth = Growth::new(f64::EPSILON, 1e-6);
        growth.begin(residual, size);
        growth.begin(1e30, 1e30);
        growth
    }

    #[test]
    fn a_grown_state_needs_a_residual_that_has_fallen_or_is_absolutely_small() {
        let (growth, tolerance) = (from(1.0, 1.0), Tolerance { absolute: 1e-6, ..Tolerance::default() });
        let met = |residual, size| growth.met(&tolerance, (residual, size), false);
        assert!(growth.met(&tolerance, (1e-2, 1e6), true) && !growth.met(&tolerance, (1e3, 1e6), true));
        assert!(met(1e-4, 1.9) && !met(1e-2, 1e6) && met(1e-3, 1e6) && met(1e-7, 1e6));
        // The rounding error of the state exceeds every acceptable residual.
        assert!(!met(0.0, 1e15) && met(0.0, 1e9));
        assert!(growth.beyond(1e15) && !growth.beyond(1e9));
    }

    #[test]
    fn the_rounding_of_a_grown_state_counts_as_residual() {
        let growth = from(1.0, 1.0);
        assert_eq!((growth.bound(0.5, 2.0), growth.bound(0.5, 1e15)), (0.5, 0.5 + 2.0 * f64::EPSILON * 1e15));
    }
}
