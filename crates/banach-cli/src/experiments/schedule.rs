//! The step size of training: a short rise, then half a cosine down to 0.

/// The share of all mini-batches in which the step size rises.
const RISE: f64 = 0.03;

/// The step size of every mini-batch of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    greatest: f64,
    mini_batches: usize,
}

impl Schedule {
    /// The schedule of a run of `mini_batches` over all epochs.
    pub(crate) fn new(greatest: f64, mini_batches: usize) -> Self {
        Self { greatest, mini_batches }
    }

    /// The step size of mini-batch number `index`, counted from 0 over all epochs.
    pub(crate) fn rate(self, index: usize) -> f64 {
        let part = (index as f64 + 0.5) / self.mini_batches as f64;
        if part < RISE {
            return self.greatest * part / RISE;
        }
        let falling = (part - RISE) / (1.0 - RISE);
        self.greatest * 0.5 * (1.0 + (std::f64::consts::PI * falling.min(1.0)).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_size_rises_and_falls_to_almost_nothing() {
        let schedule = Schedule::new(1e-3, 1000);
        let rates: Vec<f64> = (0..1000).map(|index| schedule.rate(index)).collect();
        let top = rates.iter().position(|rate| *rate == rates.iter().copied().fold(0.0, f64::max)).unwrap();
        assert!((25..35).contains(&top) && rates[top] <= 1e-3 && rates[top] > 0.99e-3, "{top}");
        assert!(rates[..top].windows(2).all(|pair| pair[0] < pair[1]));
        assert!(rates[top..].windows(2).all(|pair| pair[0] > pair[1]));
        assert!(rates[0] < 5e-5 && rates[999] < 1e-8 && rates[999] > 0.0);
    }
}
