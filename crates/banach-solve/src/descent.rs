//! Descent of an energy: no accelerated step uphill, and what counts as a fall.

use crate::Rows;
use crate::ledger::picked;

/// The rounding of an energy, in units of the precision times its size.
const ROUNDING: f64 = 16.0;

/// What an energy may have of rounding.
pub(crate) fn rounding(energy: f64, precision: f64) -> f64 {
    ROUNDING * precision * energy.abs()
}

/// The last points of all rows in the batch that were not uphill.
#[derive(Debug)]
pub(crate) struct Descent<R> {
    /// Points, images and energies; none before the first.
    last: Option<(R, R, Vec<f64>)>,
}

impl<R: Rows> Descent<R> {
    /// Before the first point.
    pub(crate) fn new() -> Self {
        Self { last: None }
    }

    /// Takes rows that an accelerated step has led uphill, or to where the energy is no number, back to where they came from; whose
    /// they are.
    pub(crate) fn refuse(
        &mut self,
        (x, gx): (&mut R, &mut R),
        energies: &mut [f64],
        accelerated: impl Fn(usize) -> bool,
    ) -> Vec<bool> {
        let mut refused = vec![false; energies.len()];
        if let Some((last_x, last_gx, last)) = &self.last {
            for row in (0..energies.len()).filter(|row| accelerated(*row)) {
                // From a start without an energy nothing is uphill.
                let limit = last[row] + rounding(last[row], x.precision());
                refused[row] = last[row].is_finite() && !(energies[row] <= limit);
                if refused[row] {
                    energies[row] = last[row];
                }
            }
            if refused.contains(&true) {
                x.replace(&refused, last_x);
                gx.replace(&refused, last_gx);
            }
        }
        self.last = Some((x.clone(), gx.clone(), energies.to_vec()));
        refused
    }

    /// Keeps the rows at these positions.
    pub(crate) fn narrow(&mut self, keep: &[usize]) {
        self.last = self
            .last
            .take()
            .map(|(x, gx, energies)| (x.gather(keep), gx.gather(keep), picked(&energies, keep)));
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
