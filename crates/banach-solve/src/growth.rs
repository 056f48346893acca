//! The convergence test of one row, for states that may grow without bound.

use crate::Tolerance;

/// The part of the first residual to which the residual of a grown state must fall: 2⁻⁷.
///
/// A row without a fixed point, whose residual cannot fall below `d`, is never taken for converged where `d` is more than this
/// part of its first residual (and more than the absolute tolerance). A larger part would let more such rows pass; a smaller one
/// asks plain iteration for more steps than the relative tolerance does wherever the state grows a lot (at `1e-4`, by 78).
const FALLEN: f64 = 1.0 / 128.0;

/// The rounding of `g(x) - x`, in units of the precision of the state times its size.
const ROUNDING: f64 = 2.0;

/// The growth of a state beyond which the relative tolerance alone proves nothing.
const GROWN: f64 = 2.0;

/// What the first point of a row says about its later ones.
///
/// Where there is no fixed point, a solver may move the state so far away that any residual is small beside it, or is lost in the
/// rounding of `x + tiny`. So the residual of a state that has grown is compared with the first residual, and its rounding is
/// added to it. The scale is that of the first point: a later residual may be large only because the solver jumped.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Growth {
    /// Residual and size at the first point, in the norm of the tolerance; none before that.
    first: Option<(f64, f64)>,
    /// The precision of the state.
    precision: f64,
    /// The residual that always suffices.
    absolute: f64,
}

impl Growth {
    /// Before the first point.
    pub(crate) fn new(precision: f64, absolute: f64) -> Self {
        Self { first: None, precision, absolute }
    }

    /// Records residual and size of the first point; later calls change nothing.
    pub(crate) fn begin(&mut self, residual: f64, size: f64) {
        self.first.get_or_insert((residual, size));
    }

    /// Whether the tolerance is met, and not by growth alone; a descent that has arrived is not growth alone.
    pub(crate) fn met(&self, tolerance: &Tolerance, (residual, size): (f64, f64), arrived: bool) -> bool {
        let enough = arrived || !self.grown(size) || self.bound(residual, size) <= self.enough();
        tolerance.met(residual, size) && enough
    }

    /// The residual that the point certainly does not exceed: the measured one, and the rounding in it where the state has grown.
    pub(crate) fn bound(&self, residual: f64, size: f64) -> f64 {
        if self.grown(size) { residual + self.rounding(size) } else { residual }
    }

    /// Whether the state has grown so far that rounding hides any residual that would suffice.
    pub(crate) fn beyond(&self, size: f64) -> bool {
        self.grown(size) && self.rounding(size) > self.enough()
    }

    /// The size as a multiple of the first one; NaN before the first point.
    pub(crate) fn factor(&self, size: f64) -> f64 {
        self.first.map_or(f64::NAN, |(_, first)| size / first)
    }

    fn grown(&self, size: f64) -> bool {
        self.first.is_some_and(|(_, first)| size > GROWN * first)
    }

    fn rounding(&self, size: f64) -> f64 {
        ROUNDING * self.precision * size
    }

    /// The residual that suffices for a state that has grown.
    fn enough(&self) -> f64 {
        self.first.map_or(0.0, |(residual, _)| FALLEN * residual).max(self.absolute)
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
        // Lost in the rounding of the state, whatever is measured.
        assert!(!met(0.0, 1e15) && met(0.0, 1e9));
        assert!(growth.beyond(1e15) && !growth.beyond(1e9));
    }

    #[test]
    fn the_rounding_of_a_grown_state_counts_as_residual() {
        let growth = from(1.0, 1.0);
        assert_eq!((growth.bound(0.5, 2.0), growth.bound(0.5, 1e15)), (0.5, 0.5 + 2.0 * f64::EPSILON * 1e15));
    }
}
