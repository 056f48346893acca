//! Convergence rates, estimated from the residuals of a row.

/// The number of residuals kept of a row: enough for a robust slope under oscillations.
const KEPT: usize = 8;

/// The last residuals of one row, with their steps.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ResidualHistory {
    /// Steps and residuals in a ring buffer.
    entries: [(usize, f64); KEPT],
    count: usize,
}

impl ResidualHistory {
    /// Records the residual after a step.
    pub(crate) fn push(&mut self, step: usize, residual: f64) {
        self.entries[self.count % KEPT] = (step, residual);
        self.count += 1;
    }

    /// The factor of one step: `exp` of the median slope of `log residual` over pairs that lie half of the entries apart (Theil's
    /// incomplete method, 1950: robust to outliers, and blind to swings of two and of four steps). NaN for fewer than two steps.
    pub(crate) fn rate(&self) -> f64 {
        let entries = &self.entries[..self.count.min(KEPT)];
        let (mut slopes, mut count) = ([0.0; KEPT], 0);
        for ((from, before), (to, after)) in entries.iter().zip(&entries[entries.len() / 2..]) {
            let slope = (after / before).ln() / (*to as f64 - *from as f64);
            if from != to && !slope.is_nan() {
                slopes[count] = slope;
                count += 1;
            }
        }
        let slopes = &mut slopes[..count];
        slopes.sort_unstable_by(f64::total_cmp);
        match count {
            0 => f64::NAN,
            _ if count % 2 == 1 => slopes[count / 2].exp(),
            // The mean of two logarithms, infinite where one of them is.
            _ => (0.5 * (slopes[count / 2 - 1] + slopes[count / 2])).exp(),
        }
    }
}

/// The number of steps of this rate that reduce a residual to a tenth; `None` where it does not fall.
pub(crate) fn steps_per_digit(rate: f64) -> Option<f64> {
    (rate < 1.0).then(|| -std::f64::consts::LN_10 / rate.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(residuals: &[f64]) -> f64 {
        let mut recent = ResidualHistory::default();
        residuals.iter().enumerate().for_each(|(step, residual)| recent.push(step, *residual));
        recent.rate()
    }

    #[test]
    fn geometric_decay_is_found_whatever_came_before() {
        let decay: Vec<f64> = (0..30).map(|step| 1e3 * 0.9_f64.powi(step)).collect();
        assert!((rate(&decay) - 0.9).abs() < 1e-12);
        let late: Vec<f64> = [1e9, 3.0, 1e-3].into_iter().chain(decay).collect();
        assert!((rate(&late) - 0.9).abs() < 1e-12);
    }

    #[test]
    fn one_outlier_and_a_swing_do_not_move_the_rate_far() {
        let mut decay: Vec<f64> = (0..8).map(|step| 0.5_f64.powi(step)).collect();
        decay[4] *= 1e3;
        assert!((rate(&decay) - 0.5).abs() < 0.1, "{}", rate(&decay));
        let swinging: Vec<f64> =
            (0..8).map(|step| 0.8_f64.powi(step) * [1.0, 3.0][step as usize % 2]).collect();
        assert!((rate(&swinging) - 0.8).abs() < 0.05, "{}", rate(&swinging));
    }

    #[test]
    fn steps_need_not_be_consecutive() {
        let mut recent = ResidualHistory::default();
        [0, 7, 10].into_iter().for_each(|step| recent.push(step, 0.7_f64.powi(step as i32)));
        assert!((recent.rate() - 0.7).abs() < 1e-12);
    }

    #[test]
    fn a_residual_that_vanishes_has_the_rate_zero_and_too_few_have_none() {
        assert_eq!(rate(&[1.0, 0.0]), 0.0);
        assert!(rate(&[1.0]).is_nan() && rate(&[]).is_nan() && rate(&[f64::NAN; 3]).is_nan());
        assert!((rate(&[1.0, 0.5, f64::NAN]) - 0.5).abs() < 1e-12);
        assert!(rate(&[1.0, 2.0, 4.0]) > 1.999);
    }

    #[test]
    fn a_digit_takes_the_steps_of_a_geometric_series() {
        assert!((steps_per_digit(0.1).unwrap() - 1.0).abs() < 1e-15);
        assert!((steps_per_digit(0.99).unwrap() - 229.1).abs() < 0.1);
        assert_eq!(steps_per_digit(0.0), Some(0.0));
        assert_eq!((steps_per_digit(1.0), steps_per_digit(f64::NAN)), (None, None));
    }
}
