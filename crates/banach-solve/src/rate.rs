//! The convergence rate of a row, seen from the residuals alone, without an evaluation.

/// The residuals that are remembered of a row: enough to see through a few that swing.
const REMEMBERED: usize = 8;

/// The last residuals of one row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Recent {
    /// Steps and the residual after them, the oldest overwritten first.
    seen: [(usize, f64); REMEMBERED],
    count: usize,
}

impl Recent {
    /// Takes note of the residual after so many steps.
    pub(crate) fn note(&mut self, step: usize, residual: f64) {
        self.seen[self.count % REMEMBERED] = (step, residual);
        self.count += 1;
    }

    /// The factor of one step: `exp` of the median slope of `log residual` over all pairs of remembered points (Theil and
    /// Sen), which a few outliers do not move. NaN for less than two steps to compare.
    pub(crate) fn rate(&self) -> f64 {
        let seen = &self.seen[..self.count.min(REMEMBERED)];
        let mut slopes = Vec::with_capacity(REMEMBERED * (REMEMBERED - 1) / 2);
        for (index, (step, residual)) in seen.iter().enumerate() {
            for (other, earlier) in &seen[..index] {
                let slope = (residual.ln() - earlier.ln()) / (*step as f64 - *other as f64);
                if step != other && !slope.is_nan() {
                    slopes.push(slope);
                }
            }
        }
        slopes.sort_unstable_by(f64::total_cmp);
        let middle = slopes.len() / 2;
        match slopes.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => slopes[middle].exp(),
            // The mean of two logarithms; of an infinite and a finite one, the infinite.
            _ => (0.5 * (slopes[middle - 1] + slopes[middle])).exp(),
        }
    }
}

/// How many steps of this rate make a residual ten times smaller; none where none do.
pub(crate) fn steps_a_digit(rate: f64) -> Option<f64> {
    (rate < 1.0).then(|| -std::f64::consts::LN_10 / rate.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(residuals: &[f64]) -> f64 {
        let mut recent = Recent::default();
        residuals.iter().enumerate().for_each(|(step, residual)| recent.note(step, *residual));
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
        let mut recent = Recent::default();
        [0, 7, 10].into_iter().for_each(|step| recent.note(step, 0.7_f64.powi(step as i32)));
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
        assert!((steps_a_digit(0.1).unwrap() - 1.0).abs() < 1e-15);
        assert!((steps_a_digit(0.99).unwrap() - 229.1).abs() < 0.1);
        assert_eq!(steps_a_digit(0.0), Some(0.0));
        assert_eq!((steps_a_digit(1.0), steps_a_digit(f64::NAN)), (None, None));
    }
}
