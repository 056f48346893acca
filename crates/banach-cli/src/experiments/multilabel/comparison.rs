//! The comparison of methods over several seeds, beside what was published.

use super::history::Scores;
use super::settings::Settings;
use super::summary::MultiLabelReport;
use crate::error::Error;
use crate::experiments::epoch::written;
use crate::options::{LayerName, RecipeName};
use crate::report::sample::{deviation, mean};
use crate::report::table;
use serde::{Deserialize, Serialize};

/// F1 on Bibtex in percent as published: Jeon, Lee and Choi.
const PUBLISHED: [(LayerName, &str, f64); 8] = [
    (LayerName::Mlp, "mlp", 38.9),
    (LayerName::Feedforward, "feedforward", 39.6),
    (LayerName::Spen, "SPEN", 42.2),
    (LayerName::Icnn, "ICNN", 41.5),
    (LayerName::DvnGt, "DVN (GT)", 42.9),
    (LayerName::DvnAdversarial, "DVN (adversarial)", 44.7),
    (LayerName::FpiGd, "fpi-gd", 43.2),
    (LayerName::FpiNn, "fpi-nn", 43.4),
];

/// What is kept of a finished run, so that it is not repeated.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FinishedRun {
    pub(crate) settings: Settings,
    pub(crate) parameters: usize,
    pub(crate) seconds_per_epoch: Option<f64>,
    pub(crate) forward_steps: Option<f64>,
    pub(crate) non_finite_rows: usize,
    #[serde(flatten)]
    pub(crate) scores: Scores,
}

impl FinishedRun {
    /// The best epoch of a report.
    pub(crate) fn of(report: &MultiLabelReport) -> Result<Self, Error> {
        let best = report.best.as_ref().ok_or_else(|| Error::Training("no epoch was trained".into()))?;
        let work = report.work();
        Ok(Self {
            settings: report.settings.clone(),
            parameters: report.parameters,
            seconds_per_epoch: report.seconds_per_epoch,
            forward_steps: work.mean_forward_steps(),
            non_finite_rows: work.non_finite_rows,
            scores: best.scores,
        })
    }
}

/// A method of a table: a layer, trained by a recipe.
pub(crate) type Method = (LayerName, RecipeName);

/// One line of `table.json`; all scores in percent.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    method: &'static str,
    recipe: RecipeName,
    test_f1_mean: f64,
    test_f1_std: f64,
    test_f1_at_half_mean: f64,
    test_f1_at_half_std: f64,
    /// `test_f1_at_half_mean` under the name that all data sets share.
    at_half_mean: f64,
    micro_f1_mean: f64,
    macro_f1_mean: f64,
    micro_f1_at_half_mean: f64,
    macro_f1_at_half_mean: f64,
    p_at_1: f64,
    p_at_3: f64,
    p_at_5: f64,
    validation_f1_mean: f64,
    published: Option<f64>,
    seeds: usize,
    parameters: usize,
    seconds_per_epoch: Option<f64>,
    forward_steps: Option<f64>,
    non_finite_rows: usize,
}

/// The row of a method; none where it has no run. `is_bibtex` puts the published F1 beside it.
pub(crate) fn row(method: Method, runs: &[(Method, FinishedRun)], is_bibtex: bool) -> Option<Row> {
    let mine: Vec<&FinishedRun> =
        runs.iter().filter(|(name, _)| *name == method).map(|(_, run)| run).collect();
    let numbers =
        |value: fn(&Scores) -> f64| -> Vec<f64> { mine.iter().map(|&run| value(&run.scores)).collect() };
    let over = |value: fn(&Scores) -> f64| mean(&numbers(value));
    let known = |value: fn(&FinishedRun) -> Option<f64>| {
        let all: Vec<f64> = mine.iter().filter_map(|&run| value(run)).collect();
        (!all.is_empty()).then(|| mean(&all))
    };
    let (test, half) = (numbers(|scores| scores.test_f1), numbers(|scores| scores.test_f1_at_half));
    let (layer, recipe) = method;
    let published = PUBLISHED.iter().find(|(known, _, _)| is_bibtex && *known == layer);
    Some(Row {
        method: layer.as_str(),
        recipe,
        test_f1_mean: mean(&test),
        test_f1_std: deviation(&test),
        test_f1_at_half_mean: mean(&half),
        test_f1_at_half_std: deviation(&half),
        at_half_mean: mean(&half),
        micro_f1_mean: over(|scores| scores.metrics.micro_f1),
        macro_f1_mean: over(|scores| scores.metrics.macro_f1),
        micro_f1_at_half_mean: over(|scores| scores.at_half.micro_f1),
        macro_f1_at_half_mean: over(|scores| scores.at_half.macro_f1),
        p_at_1: over(|scores| scores.precision.p_at_1),
        p_at_3: over(|scores| scores.precision.p_at_3),
        p_at_5: over(|scores| scores.precision.p_at_5),
        validation_f1_mean: over(|scores| scores.validation_f1),
        published: published.map(|&(_, _, f1)| f1),
        seeds: mine.len(),
        parameters: mine.first()?.parameters,
        seconds_per_epoch: known(|run| run.seconds_per_epoch),
        forward_steps: known(|run| run.forward_steps),
        non_finite_rows: mine.iter().map(|run| run.non_finite_rows).sum(),
    })
}

const HEADER: [&str; 15] = [
    "method",
    "recipe",
    "test F1",
    "test F1 at one half",
    "micro F1",
    "macro F1",
    "P@1",
    "P@3",
    "P@5",
    "published",
    "seeds",
    "parameters",
    "seconds an epoch",
    "steps",
    "non-finite rows",
];

/// The rows of the table: what was trained, and what was only published on Bibtex.
fn cells(rows: &[Row], is_bibtex: bool) -> Vec<Vec<String>> {
    let spread = |row: &Row, mean: f64, deviation: f64| {
        if row.seeds < 2 { format!("{mean:.2}") } else { format!("{mean:.2} ± {deviation:.2}") }
    };
    let known = |f1: Option<f64>| f1.map_or_else(String::new, |f1| format!("{f1:.1}"));
    let trained = rows.iter().map(|row| {
        vec![
            row.method.to_string(),
            row.recipe.as_str().to_string(),
            spread(row, row.test_f1_mean, row.test_f1_std),
            spread(row, row.test_f1_at_half_mean, row.test_f1_at_half_std),
            format!("{:.2}", row.micro_f1_mean),
            format!("{:.2}", row.macro_f1_mean),
            format!("{:.2}", row.p_at_1),
            format!("{:.2}", row.p_at_3),
            format!("{:.2}", row.p_at_5),
            known(row.published),
            row.seeds.to_string(),
            row.parameters.to_string(),
            written(row.seconds_per_epoch, 2),
            written(row.forward_steps, 1),
            row.non_finite_rows.to_string(),
        ]
    });
    let others = PUBLISHED.iter().filter(|(layer, _, _)| {
        let layer = layer.as_str();
        is_bibtex && rows.iter().all(|row| row.method != layer)
    });
    let printed = others.map(|&(_, name, f1)| {
        let mut cells = vec![String::new(); HEADER.len()];
        (cells[0], cells[9]) = (name.to_string(), known(Some(f1)));
        cells
    });
    trained.chain(printed).collect()
}

/// The table as plain text and as Markdown.
pub(crate) fn texts(rows: &[Row], is_bibtex: bool) -> [String; 2] {
    let cells = cells(rows, is_bibtex);
    [table::lined_up(&HEADER, &cells), table::markdown(&HEADER, 0, &cells)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_has_no_spread() {
        let mut row = Row {
            method: "mlp",
            recipe: RecipeName::Tuned,
            test_f1_mean: 40.0,
            test_f1_std: 0.0,
            test_f1_at_half_mean: 30.0,
            test_f1_at_half_std: 0.0,
            at_half_mean: 30.0,
            micro_f1_mean: 1.0,
            macro_f1_mean: 2.0,
            micro_f1_at_half_mean: 3.0,
            macro_f1_at_half_mean: 4.0,
            p_at_1: 5.0,
            p_at_3: 6.0,
            p_at_5: 7.0,
            validation_f1_mean: 41.0,
            published: None,
            seeds: 1,
            parameters: 7,
            seconds_per_epoch: Some(0.5),
            forward_steps: None,
            non_finite_rows: 0,
        };
        assert_eq!(cells(std::slice::from_ref(&row), false)[0][2..4], ["40.00", "30.00"]);
        row.seeds = 2;
        let cells = cells(&[row], false);
        assert_eq!((&cells[0][2..4], cells.len()), (&["40.00 ± 0.00".into(), "30.00 ± 0.00".into()][..], 1));
    }
}
