//! The trace of a solve, step by step: a table, a file and a picture.

use crate::error::Error;
use crate::options::numbers::{count, tolerance};
use crate::options::{SolverName, Verbosity};
use crate::report::curves::{self, Axis, Curve, Panel};
use crate::report::folder::{Contents, ResultsFolder};
use crate::report::{file, json, table};
use crate::terminal::output::{say, tell};
use banach::solve::{Record, Tolerance};
use banach::{FixedPointConfig, Report};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

const TOLERANCE: f64 = 1e-6;
const MAX_STEPS: usize = 200;
const CONTENTS: Contents =
    Contents { command: "show --trace", experiment: None, files: &["trace.csv", "trace.svg"], folders: &[] };
/// The most rows of which a line is drawn.
const DRAWN: usize = 64;

/// How `banach show --trace` solves, and where it writes.
#[derive(Args, Debug)]
pub(crate) struct Solving {
    /// Folder for the trace [default: out/trace-NAME].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How the fixed point is found [default: anderson].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) solver: Option<SolverName>,
    /// Relative residual at which a fixed point counts as found [default: 1e-6].
    #[arg(long, value_name = "T", value_parser = tolerance, allow_negative_numbers = true)]
    pub(crate) tolerance: Option<f64>,
    /// Most steps of the solver [default: 200].
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) max_steps: Option<usize>,
}

/// Runs `banach show NAME --trace`.
pub(crate) fn trace(
    name: &str,
    solving: &Solving,
    verbosity: Verbosity,
    solve: impl Fn(&FixedPointConfig) -> Result<Report, Error>,
) -> Result<(), Error> {
    let out = solving.out.clone().unwrap_or_else(|| PathBuf::from(format!("out/trace-{name}")));
    let _locked = ResultsFolder::open(&out, CONTENTS)?;
    let solver = solving.solver.unwrap_or(SolverName::Anderson);
    let relative = solving.tolerance.unwrap_or(TOLERANCE);
    let mut config = FixedPointConfig::new()
        .with_solver(solver.solver())
        .with_tolerance(Tolerance { relative, ..Tolerance::default() })
        .with_max_steps(solving.max_steps.unwrap_or(MAX_STEPS));
    config.forward.trace = true;
    let report = solve(&config)?;
    let records = report.trace.clone().unwrap_or_default();
    let csv = out.join("trace.csv");
    file::write_whole(&csv, Record::csv(&records).as_bytes()).map_err(|error| Error::write(&csv, error))?;
    let ranked = Ranked::new(&report);
    curves::draw(&out.join("trace.svg"), &[ranked.panel(&records)])?;
    if verbosity.json {
        json::say(&ranked.as_json(name, solver))?;
    } else {
        say(ranked.table(&format!("{name} by {}", solver.as_str()), &records))?;
        say(report.explain())?;
    }
    if !verbosity.quiet {
        tell(format_args!("trace.csv and trace.svg are in {}", out.display()));
    }
    Ok(())
}

/// The rows of a report from the best to the worst: converged before not, then by steps, then by relative residual.
struct Ranked<'a> {
    report: &'a Report,
    rows: Vec<usize>,
}

impl<'a> Ranked<'a> {
    fn new(report: &'a Report) -> Self {
        let mut rows: Vec<usize> = (0..report.outcomes.len()).collect();
        let key = |row: usize| (!report.outcomes[row].is_converged(), report.steps[row]);
        rows.sort_by(|a, b| key(*a).cmp(&key(*b)).then(report.relative[*a].total_cmp(&report.relative[*b])));
        Self { report, rows }
    }

    /// The median row and the worst, each with its name; one alone is both, and called the worst.
    fn named(&self) -> Vec<(&'static str, usize)> {
        let median = self.rows.get(self.rows.len() / 2).copied();
        let worst = self.rows.last().copied();
        let median = median.filter(|_| self.rows.len() > 1 && median != worst);
        median.map(|row| ("median row", row)).into_iter().chain(worst.map(|row| ("worst row", row))).collect()
    }

    /// The residuals of a row up to its last step.
    fn residuals(&self, row: usize, records: &[Record]) -> Vec<f64> {
        let last = self.report.steps[row];
        let mut residuals = vec![f64::NAN; last + 1];
        for record in records.iter().filter(|record| record.step <= last) {
            residuals[record.step] = record.residuals[row];
        }
        residuals
    }

    fn panel(&self, records: &[Record]) -> Panel {
        let every = self.rows.len().div_ceil(DRAWN).max(1);
        let faint = self.rows.iter().step_by(every).map(|row| (None, *row));
        let named = self.named().into_iter().map(|(name, row)| (Some(name), row));
        let curves = faint.chain(named);
        Panel {
            title: "residual of every row, most in grey",
            logarithmic: true,
            axis: Axis::Steps,
            curves: curves.map(|(name, row)| Curve { name, values: self.residuals(row, records) }).collect(),
        }
    }

    fn as_json(&self, name: &str, solver: SolverName) -> Value {
        let report = self.report;
        let row = |row: usize| {
            json!({
                "row": row,
                "outcome": report.outcomes[row].to_string(),
                "steps": report.steps[row],
                "residual": report.residuals[row],
                "relative": report.relative[row],
                "rate": report.rates[row],
            })
        };
        let rows: Vec<Value> = (0..report.outcomes.len()).map(row).collect();
        json!({ "name": name, "solver": solver.as_str(), "rows": rows })
    }

    fn table(&self, title: &str, records: &[Record]) -> String {
        let best = self.rows.first().filter(|_| self.rows.len() > 1).map(|row| ("best row", *row));
        let line = |(name, row): (&str, usize)| {
            let first = records.first().map_or(f64::NAN, |record| record.residuals[row]);
            let (outcome, steps) =
                (self.report.outcomes[row].to_string(), self.report.steps[row].to_string());
            let last = format!("{:.2e}", self.report.residuals[row]);
            let rate = format!("{:.3}", self.report.rates[row]);
            vec![format!("{name}, {row}"), outcome, steps, format!("{first:.2e}"), last, rate]
        };
        let rows: Vec<Vec<String>> = best.into_iter().chain(self.named()).map(line).collect();
        table::lined_up(&[title, "outcome", "steps", "first residual", "last residual", "rate"], &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cell;
    use banach::solve::Outcome;
    use burn::tensor::Device;

    #[test]
    fn the_worst_row_is_the_one_with_the_largest_relative_residual() {
        let mut report = cell::solved(&FixedPointConfig::new(), &Device::flex()).unwrap();
        report.outcomes = vec![Outcome::Converged; 3];
        report.steps = vec![4; 3];
        (report.residuals, report.relative) = (vec![3.0, 2.0, 1.0], vec![0.1, 0.3, 0.2]);
        assert_eq!(Ranked::new(&report).rows, [0, 2, 1]);
        report.steps[2] = 5;
        assert_eq!(Ranked::new(&report).rows, [0, 1, 2]);
    }
}
