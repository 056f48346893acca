//! Explanation of a solution in a few sentences.

use super::rate::steps_per_digit;
use super::switch;
use crate::{Outcome, Solution};

impl<R> Solution<R> {
    /// Explains the solution in a few sentences: converged rows, cost, convergence rate, and advice for each
    /// kind of failure.
    pub fn explain(&self) -> String {
        let rows = self.outcomes.len();
        let statistics = &self.statistics;
        let most = statistics.steps.iter().max().copied().unwrap_or(0);
        let least = statistics.steps.iter().min().copied().unwrap_or(0);
        let converged = self.count(Outcome::Converged);
        let evaluations = statistics.evaluations;
        let mut text = format!(
            "{converged} of {rows} rows converged; {least} to {most} steps, {evaluations} evaluations"
        );
        if statistics.earlier > 0 {
            text += &format!(" ({} in the solve it continues)", statistics.earlier);
        }
        let (derivatives, energies) = (statistics.derivative_applications, statistics.energy_evaluations);
        if derivatives + energies > 0 {
            text += &format!(", {derivatives} of the derivative, {energies} of the energy");
        }
        text += ".";
        text += &self.slowest_rate();
        text += &switch::described(&statistics.switches);
        let mut explained = vec![Outcome::Converged];
        for outcome in &self.outcomes {
            if explained.contains(outcome) {
                continue;
            }
            explained.push(*outcome);
            let count = self.count(*outcome);
            if *outcome == Outcome::Approximate {
                text += &format!(" {count} {outcome}: {}", self.advice(self.worst(*outcome)));
                continue;
            }
            let row = self.worst(*outcome);
            let (residual, relative) = (statistics.residuals[row], statistics.relative[row]);
            text += &format!(
                " {count} {outcome}; the worst is row {row}, residual {residual:.3e} (relative {relative:.3e})"
            );
            if matches!(outcome, Outcome::StepLimit | Outcome::EvaluationLimit) {
                text += &self.rate_of(row);
            }
            text += &format!(": {}", self.advice(row));
        }
        text
    }

    /// The convergence rate of the slowest converged row.
    fn slowest_rate(&self) -> String {
        let rates = &self.statistics.rates;
        let known = |row: &usize| self.outcomes[*row].is_converged() && rates[*row] < 1.0;
        let slowest = (0..rates.len()).filter(known).max_by(|a, b| rates[*a].total_cmp(&rates[*b]));
        let Some(row) = slowest else { return String::new() };
        format!(" A step leaves at most {} (row {row}).", pace(rates[row]))
    }

    /// The convergence rate of a row whose budget is spent.
    fn rate_of(&self, row: usize) -> String {
        match self.statistics.rates[row] {
            rate if rate < 1.0 => format!("; a step leaves {}", pace(rate)),
            rate if rate >= 1.0 => ", which no longer falls".into(),
            _ => String::new(),
        }
    }

    /// The row with the largest relative residual among the rows with this outcome; NaN counts as the
    /// largest.
    fn worst(&self, outcome: Outcome) -> usize {
        let relative = |row: &usize| self.statistics.relative[*row];
        let rows = (0..self.outcomes.len()).filter(|row| self.outcomes[*row] == outcome);
        rows.max_by(|a, b| {
            let (a, b) = (relative(a), relative(b));
            a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(&b))
        })
        .unwrap_or(0)
    }
}

/// Formats a factor with enough digits to distinguish it from 1.
fn factor(rate: f64) -> String {
    if rate < 0.1 {
        return format!("{rate:.1e}");
    }
    let digits = (1.0 - (1.0 - rate).abs().log10().floor()).clamp(2.0, 7.0);
    format!("{rate:.0$}", digits as usize)
}

/// Formats the factor of one step, with the number of steps per decimal digit.
fn pace(rate: f64) -> String {
    let factor = factor(rate);
    match steps_per_digit(rate) {
        Some(steps) if steps > 1.0 => format!("{factor} of the residual, {} steps a digit", rounded(steps)),
        _ => format!("{factor} of the residual"),
    }
}

/// Rounds an estimated count to two digits.
fn rounded(steps: f64) -> String {
    if steps < 10.0 {
        return format!("{steps:.1}");
    }
    let unit = 10_f64.powf(steps.log10().floor() - 1.0);
    format!("{:.0}", (steps / unit).round() * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_shows_how_far_it_is_from_one() {
        let said = [0.5, 0.923, 0.99, 0.9987, 0.03, 0.999_999_99].map(factor);
        assert_eq!(said, ["0.50", "0.923", "0.990", "0.9987", "3.0e-2", "1.0000000"]);
    }

    #[test]
    fn counts_have_two_digits() {
        assert_eq!([2.04, 9.9, 42.3, 137.0, 1249.0].map(rounded), ["2.0", "9.9", "42", "140", "1200"]);
    }
}
