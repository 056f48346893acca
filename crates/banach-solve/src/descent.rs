//! Descent of an energy: no accelerated step uphill, and what counts as a fall.

use crate::Rows;
use crate::ledger::picked;

/// The rounding of an energy, in units of the precision times its size.
const ROUNDING: f64 = 16.0;

/// What an energy may have of rounding.
pub(crate) fn rounding(energy: f64, precision: f64) -> f64 {
    ROUNDING * precision * energy.abs()
}

/// The part of a descent that its slope may still promise, over as long a way again, where a row has arrived. Along a convex energy
/// it promises at most the whole, and exactly that where the energy is linear and has no minimum.
const ARRIVED: f64 = 0.5;

/// What energies say about the points of the rows in the batch.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The energies; NaN where they tell nothing.
    pub(crate) energies: Vec<f64>,
    /// Whether a state that has grown may be converged.
    pub(crate) arrived: Vec<bool>,
    /// Whether a row goes on even though it meets the tolerance.
    pub(crate) falling: Vec<bool>,
}

impl Seen {
    /// At the first point of every row.
    pub(crate) fn at_the_start(energies: Vec<f64>) -> Self {
        let nowhere = vec![false; energies.len()];
        Self { energies, arrived: nowhere.clone(), falling: nowhere }
    }
}

/// Whether a descent has arrived, given `1 / γ`, the residual, the size of the state, and how far the energy has fallen.
pub(crate) fn arrived(rate: f64, (residual, size): (f64, f64), fallen: f64) -> bool {
    rate * residual * size <= ARRIVED * fallen
}

/// The descent of all rows in the batch.
#[derive(Debug)]
pub(crate) struct Descent<R> {
    /// The last points that were not uphill, their images and energies; none before the first.
    last: Option<(R, R, Vec<f64>)>,
    /// The energies at the start.
    first: Vec<f64>,
    /// `1 / γ`, which the energy does not tell; NaN until a fall has shown it.
    rates: Vec<f64>,
}

impl<R: Rows> Descent<R> {
    /// Before the first point.
    pub(crate) fn new() -> Self {
        Self { last: None, first: Vec::new(), rates: Vec::new() }
    }

    /// Takes rows that an accelerated step has led uphill, or to where the energy is no number, back to where they came from; whose
    /// they are.
    pub(crate) fn refuse(
        &mut self,
        (x, gx): (&mut R, &mut R),
        energies: &mut [f64],
        accelerated: impl Fn(usize) -> bool,
    ) -> Vec<bool> {
        let (rows, precision) = (energies.len(), x.precision());
        let mut refused = vec![false; rows];
        let Some((last_x, last_gx, last)) = &self.last else {
            (self.first, self.rates) = (energies.to_vec(), vec![f64::NAN; rows]);
            self.last = Some((x.clone(), gx.clone(), energies.to_vec()));
            return refused;
        };
        for row in (0..rows).filter(|row| accelerated(*row)) {
            // From a start without an energy nothing is uphill.
            let limit = last[row] + rounding(last[row], precision);
            refused[row] = last[row].is_finite() && !(energies[row] <= limit);
            if refused[row] {
                energies[row] = last[row];
            }
        }
        if refused.contains(&true) {
            x.replace(&refused, last_x);
            gx.replace(&refused, last_gx);
        }
        if self.rates.iter().any(|rate| rate.is_nan()) {
            // f falls by the mean of both slopes along the way, as along a parabola.
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

    /// What the energies say about points of these residuals and sizes.
    pub(crate) fn seen(&self, energies: Vec<f64>, residuals: &[f64], sizes: &[f64]) -> Seen {
        let fallen = |row: usize| self.first[row] - energies[row];
        let arrived = |row: usize| arrived(self.rates[row], (residuals[row], sizes[row]), fallen(row));
        let rows = energies.len();
        Seen { arrived: (0..rows).map(arrived).collect(), falling: vec![false; rows], energies }
    }

    /// Keeps the rows at these positions.
    pub(crate) fn narrow(&mut self, keep: &[usize]) {
        let Some((x, gx, energies)) = self.last.take() else { return };
        self.last = Some((x.gather(keep), gx.gather(keep), picked(&energies, keep)));
        (self.first, self.rates) = (picked(&self.first, keep), picked(&self.rates, keep));
    }
}

/// How far the energy of a row has fallen: the first one, and the one that was last an improvement; none before there are any.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fall(Option<[f64; 2]>);

impl Fall {
    /// Whether the energy has fallen since it was last an improvement, by this part of its whole descent and by more than its
    /// rounding.
    pub(crate) fn improves(&mut self, energy: f64, improvement: f64, precision: f64) -> bool {
        if energy.is_nan() {
            return false;
        }
        let [first, last] = self.0.get_or_insert([energy, energy]);
        let improves = *last - energy > (improvement * (*first - energy)).max(rounding(*last, precision));
        if improves {
            *last = energy;
        }
        improves
    }
}
