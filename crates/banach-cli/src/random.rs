//! The random numbers of every experiment: one small generator, equal on every machine and in every version.

/// SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, enough for shuffles and starting weights.
///
/// Reproducible runs need numbers that never change with a dependency, so the generator lives here.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    state: u64,
}

impl Generator {
    /// A stream for `seed`; `stream` separates the uses of one seed (split, weights, epoch ...).
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = Self { state: seed };
        let mixed = generator.next() ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        Self { state: mixed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `[0, 1)`, uniform.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number from the standard normal distribution (Box-Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }

    /// The numbers `0..count` in random order (Fisher-Yates).
    pub(crate) fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            let chosen = (self.uniform() * (last + 1) as f64) as usize;
            order.swap(last, chosen);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_stream_fix_the_numbers() {
        let draw = |seed, stream| Generator::new(seed, stream).permutation(50);
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        let mut order = Generator::new(3, 0).permutation(1000);
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut generator = Generator::new(5, 0);
        let draws: Vec<f64> = (0..20_000).map(|_| generator.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "found {mean} and {variance}");
    }
}
