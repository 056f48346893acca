//! Descent of an energy: refusal of extrapolated steps that raise it, and evidence of progress.

use crate::Rows;
use crate::state::rows::entries_at;

/// The rounding error of an energy, in units of the precision times its absolute value.
const ROUNDING: f64 = 16.0;

/// The rounding error of an energy.
pub(crate) fn rounding(energy: f64, precision: f64) -> f64 {
    ROUNDING * precision * energy.abs()
}

/// The fraction of its whole descent that an energy may still lose over as long a distance again, at its
/// present slope, if the row has arrived. For a convex energy the slope predicts at most the whole descent,
/// and exactly that if the energy is linear and has no minimum.
const ARRIVED: f64 = 0.5;

/// The energies of the rows in the batch, and what they are evidence of.
#[derive(Debug)]
pub(crate) struct EnergyEvidence {
    /// The energies; NaN where the energy does not decrease along the residual.
    pub(crate) energies: Vec<f64>,
    /// Rows that have converged if they meet the tolerance, however far the state has grown.
    pub(crate) arrived: Vec<bool>,
    /// Rows that continue although they meet the tolerance.
    pub(crate) falling: Vec<bool>,
}

impl EnergyEvidence {
    /// The evidence at the first point of every row.
    pub(crate) fn at_start(energies: Vec<f64>) -> Self {
        let nowhere = vec![false; energies.len()];
        Self { energies, arrived: nowhere.clone(), falling: nowhere }
    }
}

/// The rounding error of a residual, in units of the precision times the norm of the state.
const RESIDUAL_ROUNDING: f64 = 2.0;

/// Whether a descent has arrived, from `1 / γ`, the residual and the norm of the state, their precision, and
/// the decrease of the energy since the start.
pub(crate) fn arrived(rate: f64, (residual, size): (f64, f64), precision: f64, decrease: f64) -> bool {
    let slope = rate * (residual + RESIDUAL_ROUNDING * precision * size);
    slope * size <= ARRIVED * decrease
}

/// The descent of the rows in the batch.
#[derive(Debug)]
pub(crate) struct Descent<R> {
    /// The last accepted iterates, their images and energies; `None` before the first.
    last: Option<(R, R, Vec<f64>)>,
    /// The energies at the start.
    first: Vec<f64>,
    /// `1 / γ` of every row, measured along the first step with a clear decrease; NaN before that.
    rates: Vec<f64>,
}

impl<R: Rows> Descent<R> {
    /// Before the first point.
    pub(crate) fn new() -> Self {
        Self { last: None, first: Vec::new(), rates: Vec::new() }
    }

    /// Returns rows whose extrapolated step has raised the energy, or led to where it is not a number, to their
    /// last accepted iterates, and says which.
    pub(crate) fn refuse(
        &mut self,
        (x, gx): (&mut R, &mut R),
        energies: &mut [f64],
        extrapolated: impl Fn(usize) -> bool,
    ) -> Vec<bool> {
        let (rows, precision) = (energies.len(), x.precision());
        let mut refused = vec![false; rows];
        let Some((last_x, last_gx, last)) = &self.last else {
            (self.first, self.rates) = (energies.to_vec(), vec![f64::NAN; rows]);
            self.last = Some((x.clone(), gx.clone(), energies.to_vec()));
            return refused;
        };
        for row in (0..rows).filter(|row| extrapolated(*row)) {
            // After a start without a finite energy every step is accepted.
            let limit = last[row] + rounding(last[row], precision);
            refused[row] = last[row].is_finite() && (energies[row].is_nan() || energies[row] > limit);
            if refused[row] {
                energies[row] = last[row];
            }
        }
        if refused.contains(&true) {
            x.replace(&refused, last_x);
            gx.replace(&refused, last_gx);
        }
        if self.rates.iter().any(|rate| rate.is_nan()) {
            // The decrease is the mean of both slopes along the step, exactly so for a quadratic energy.
            let slopes = last_gx.minus(last_x).plus(&gx.minus(x));
            let along = R::dots(&[(&slopes, &x.minus(last_x))]).swap_remove(0);
            for (row, known) in self.rates.iter_mut().enumerate().filter(|(_, known)| known.is_nan()) {
                let fall = last[row] - energies[row];
                let rate = 2.0 * fall / along[row];
                if fall > 2.0 * rounding(last[row], precision) && rate > 0.0 {
                    *known = rate;
                }
            }
        }
        self.last = Some((x.clone(), gx.clone(), energies.to_vec()));
        refused
    }

    /// The evidence of these energies, residuals and norms of the state.
    pub(crate) fn evidence(&self, energies: Vec<f64>, residuals: &[f64], sizes: &[f64]) -> EnergyEvidence {
        let decrease = |row: usize| self.first[row] - energies[row];
        let precision = self.last.as_ref().map_or(0.0, |(x, ..)| x.precision());
        let arrived =
            |row: usize| arrived(self.rates[row], (residuals[row], sizes[row]), precision, decrease(row));
        let rows = energies.len();
        EnergyEvidence { arrived: (0..rows).map(arrived).collect(), falling: vec![false; rows], energies }
    }

    /// Keeps the rows at these positions.
    pub(crate) fn narrow(&mut self, keep: &[usize]) {
        let Some((x, gx, energies)) = self.last.take() else { return };
        self.last = Some((x.gather(keep), gx.gather(keep), entries_at(&energies, keep)));
        (self.first, self.rates) = (entries_at(&self.first, keep), entries_at(&self.rates, keep));
    }
}

/// The energy of a row at its last improvement; `None` before the first point.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EnergyDecrease(Option<f64>);

impl EnergyDecrease {
    /// Whether the energy has fallen since its last improvement by more than its rounding error.
    pub(crate) fn improves(&mut self, energy: f64, precision: f64) -> bool {
        if energy.is_nan() {
            return false;
        }
        let last = self.0.get_or_insert(energy);
        let improves = *last - energy > rounding(*last, precision);
        if improves {
            *last = energy;
        }
        improves
    }
}
