//! The comparison of methods over several seeds, beside what was published.

use super::settings::Settings;
use super::summary::BibtexReport;
use crate::error::Error;
use crate::options::LayerName;
use crate::report::sample::{deviation, mean};
use crate::report::table;
use serde::{Deserialize, Serialize};

/// F1 in percent as published: Jeon, Lee and Choi.
const PUBLISHED: [(&str, f64); 8] = [
    ("mlp", 38.9),
    ("feedforward", 39.6),
    ("SPEN", 42.2),
    ("ICNN", 41.5),
    ("DVN (GT)", 42.9),
    ("DVN (adversarial)", 44.7),
    ("fpi-gd", 43.2),
    ("fpi-nn", 43.4),
];

/// What is kept of a finished run, so that it is not repeated.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FinishedRun {
    pub(crate) settings: Settings,
    pub(crate) parameters: usize,
    pub(crate) validation_f1: f64,
    pub(crate) test_f1: f64,
    pub(crate) test_f1_at_half: f64,
}

impl FinishedRun {
    /// The best epoch of a report.
    pub(crate) fn of(report: &BibtexReport) -> Result<Self, Error> {
        let best = report.best.as_ref().ok_or_else(|| Error::Training("no epoch was trained".into()))?;
        Ok(Self {
            settings: report.settings.clone(),
            parameters: report.parameters,
            validation_f1: best.scores.validation_f1,
            test_f1: best.scores.test_f1,
            test_f1_at_half: best.scores.test_f1_at_half,
        })
    }
}

/// One line of `table.json`; all F1 in percent.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    method: &'static str,
    test_f1_mean: f64,
    test_f1_std: f64,
    test_f1_at_half_mean: f64,
    test_f1_at_half_std: f64,
    validation_f1_mean: f64,
    published: Option<f64>,
    seeds: usize,
    parameters: usize,
}

/// The row of a method; none where it has no run.
pub(crate) fn row(method: LayerName, runs: &[(LayerName, FinishedRun)]) -> Option<Row> {
    let mine: Vec<&FinishedRun> =
        runs.iter().filter(|(name, _)| *name == method).map(|(_, run)| run).collect();
    let numbers =
        |value: fn(&FinishedRun) -> f64| -> Vec<f64> { mine.iter().map(|&run| value(run)).collect() };
    let (test, half) = (numbers(|run| run.test_f1), numbers(|run| run.test_f1_at_half));
    Some(Row {
        method: method.as_str(),
        test_f1_mean: mean(&test),
        test_f1_std: deviation(&test),
        test_f1_at_half_mean: mean(&half),
        test_f1_at_half_std: deviation(&half),
        validation_f1_mean: mean(&numbers(|run| run.validation_f1)),
        published: PUBLISHED.iter().find(|(name, _)| *name == method.as_str()).map(|&(_, f1)| f1),
        seeds: mine.len(),
        parameters: mine.first()?.parameters,
    })
}

const HEADER: [&str; 6] = ["method", "test F1", "test F1 at one half", "published", "seeds", "parameters"];

/// The trained methods, then those that are only known from print.
fn cells(rows: &[Row]) -> Vec<Vec<String>> {
    let spread = |row: &Row, mean: f64, deviation: f64| {
        if row.seeds < 2 { format!("{mean:.2}") } else { format!("{mean:.2} ± {deviation:.2}") }
    };
    let known = |f1: Option<f64>| f1.map_or_else(String::new, |f1| format!("{f1:.1}"));
    let trained = rows.iter().map(|row| {
        vec![
            row.method.to_string(),
            spread(row, row.test_f1_mean, row.test_f1_std),
            spread(row, row.test_f1_at_half_mean, row.test_f1_at_half_std),
            known(row.published),
            row.seeds.to_string(),
            row.parameters.to_string(),
        ]
    });
    let others = PUBLISHED.iter().filter(|(name, _)| rows.iter().all(|row| row.method != *name));
    let printed = others.map(|&(name, f1)| {
        let mut cells = vec![String::new(); HEADER.len()];
        (cells[0], cells[3]) = (name.to_string(), known(Some(f1)));
        cells
    });
    trained.chain(printed).collect()
}

/// The table as plain text.
pub(crate) fn plain(rows: &[Row]) -> String {
    table::lined_up(&HEADER, &cells(rows))
}

/// The table as Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("| :-- |{}\n", " --: |".repeat(HEADER.len() - 1));
    let body: String = cells(rows).iter().map(|cells| line(cells)).collect();
    line(&HEADER.map(String::from)) + &rule + &body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_has_no_spread() {
        let mut row = Row {
            method: "mlp",
            test_f1_mean: 40.0,
            test_f1_std: 0.0,
            test_f1_at_half_mean: 30.0,
            test_f1_at_half_std: 0.0,
            validation_f1_mean: 41.0,
            published: None,
            seeds: 1,
            parameters: 7,
        };
        assert_eq!(cells(std::slice::from_ref(&row))[0][1..3], ["40.00", "30.00"]);
        row.seeds = 2;
        assert_eq!(cells(&[row])[0][1..3], ["40.00 ± 0.00", "30.00 ± 0.00"]);
    }
}
