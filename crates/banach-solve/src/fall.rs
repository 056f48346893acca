//! Progress of a row by its energy.

use crate::Outcome;

/// What is known of the energy at the iterate of one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descended {
    /// The energy; NaN where it tells nothing, as where it does not fall along the steps of the map.
    pub(crate) energy: f64,
    /// Whether the row is converged once its residual meets the tolerance.
    pub(crate) settled: bool,
    /// How the row ends where its residual meets the tolerance but nothing falls any more.
    pub(crate) stuck: Outcome,
}

/// How far the energy of a row has fallen: from the first one to the one that was last an improvement.
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
        let rounding = 16.0 * precision * last.abs();
        let improves = *last - energy > (improvement * (*first - energy)).max(rounding);
        if improves {
            *last = energy;
        }
        improves
    }
}
