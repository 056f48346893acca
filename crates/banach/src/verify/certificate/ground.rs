//! What an energy is like where it was descended to: a minimum, a saddle or a plateau.

use super::measure::{DiagnosedPoint, SPECTRUM};
use super::numbers::Ground;
use crate::engine::failure::Failure;
use crate::error::Error;
use banach_solve::{Rows as _, spectral_radius};
use burn::tensor::Tensor;

/// The part of the largest curvature at the start below which a point is flat.
const FLAT: f64 = 1e-3;

impl DiagnosedPoint<'_> {
    /// What the energy is like in every row, given `‖J‖`: J is `I - γ H` with the Hessian H.
    pub(super) fn ground(&self, start: &Tensor<2>, norms: &[f64]) -> Result<Vec<Ground>, Error> {
        let failure = Failure::default();
        let (resolvent, coefficients) = self.exact.resolvent_at(&self.at(start))?;
        let pushed = |t: &Tensor<2>| failure.or_nan(self.resolvent.apply(t, &self.coefficients), t);
        let at_start = |t: &Tensor<2>| failure.or_nan(resolvent.apply(t, &coefficients), t);
        let probe = self.x.probe(5);
        let here = spectral_radius(&|t: &Tensor<2>| t.minus(&pushed(t)), &probe, &SPECTRUM)?;
        let there = spectral_radius(&|t: &Tensor<2>| t.minus(&at_start(t)), &probe, &SPECTRUM)?;
        // Lifted so far that its largest eigenvalue has the largest modulus: the least curvature is one less it.
        let lifted = |t: &Tensor<2>| t.scaled(norms).plus(&pushed(t));
        let highest = failure.checked(spectral_radius(&lifted, &probe, &SPECTRUM)?)?;
        let ground = |row: usize| {
            let rounding = 16.0 * self.x.precision() * (1.0 + norms[row]);
            let down = highest.values[row] - norms[row] - 1.0;
            if here.values[row] <= rounding.max(FLAT * there.values[row]) {
                Ground::Plateau
            } else if down > rounding + highest.uncertainties[row] {
                Ground::Saddle
            } else {
                Ground::Minimum
            }
        };
        Ok((0..norms.len()).map(ground).collect())
    }
}
