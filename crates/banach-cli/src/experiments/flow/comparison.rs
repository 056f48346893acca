//! The comparison of the layers behind FlowNet over seeds.

use super::evaluation::{SetScores, TestScores};
use super::history::Epoch;
use super::settings::Settings;
use crate::error::Error;
use crate::experiments::epoch::written;
use crate::options::LayerName;
use crate::report::curves::{self, Axis, Curve, Panel};
use crate::report::sample::{deviation, mean};
use crate::report::table;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a table reads from the report of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FinishedRun {
    layer: LayerName,
    seed: u64,
    parameters: usize,
    layer_parameters: usize,
    layer_share: f64,
    pub(crate) settings: Settings,
    epochs: Vec<Epoch>,
    pub(crate) test: Option<TestScores>,
}

impl FinishedRun {
    /// What is trained: a layer, and whether FlowNet stays as it is.
    fn method(&self) -> (LayerName, bool) {
        (self.layer, self.settings.frozen.is_some())
    }

    /// One line of progress.
    pub(crate) fn line(&self) -> String {
        let score = |set: fn(&TestScores) -> Option<SetScores>| {
            written(self.test.as_ref().and_then(set).and_then(|set| set.aepe), 3)
        };
        format!(
            "{:<22}  seed {}  test error {} pixels  on Flying Chairs {}  on Middlebury {}",
            name(self.method()),
            self.seed,
            score(|test| Some(test.generated)),
            score(|test| test.chairs),
            score(|test| test.middlebury),
        )
    }
}

fn name((layer, frozen): (LayerName, bool)) -> &'static str {
    match (layer, frozen) {
        (LayerName::NoLayer, _) => "none",
        (LayerName::FpiNn, false) => "fpi-nn",
        (LayerName::FpiNn, true) => "fpi-nn, frozen",
        (LayerName::Feedforward, false) => "feedforward",
        (LayerName::Feedforward, true) => "feedforward, frozen",
        (LayerName::Variational, true) => "variational, frozen",
        (layer, _) => layer.as_str(),
    }
}

/// The mean of a score over seeds, and its standard deviation; none where a run lacks it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Spread {
    mean: f64,
    deviation: f64,
}

/// One line of `table.json`: mean end point errors in pixels.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    method: &'static str,
    generated: Option<Spread>,
    below_10: Option<Spread>,
    from_10_to_40: Option<Spread>,
    from_40: Option<Spread>,
    chairs: Option<Spread>,
    middlebury: Option<Spread>,
    seeds: usize,
    parameters: usize,
    layer_parameters: usize,
    layer_share: f64,
    seconds_per_epoch: f64,
}

/// The runs of each method, in the order of their first ones.
fn methods(runs: &[FinishedRun]) -> Vec<(&'static str, Vec<&FinishedRun>)> {
    let mut methods: Vec<(&'static str, Vec<&FinishedRun>)> = Vec::new();
    for run in runs {
        let name = name(run.method());
        match methods.iter_mut().find(|(known, _)| *known == name) {
            Some((_, runs)) => runs.push(run),
            None => methods.push((name, vec![run])),
        }
    }
    methods
}

/// The rows of finished runs, one for each method.
pub(crate) fn rows(runs: &[FinishedRun]) -> Vec<Row> {
    let row = |(method, runs): (&'static str, Vec<&FinishedRun>)| {
        let generated = |score: fn(&SetScores) -> Option<f64>| spread(&runs, |test| score(&test.generated));
        let seconds: Vec<f64> = runs.iter().flat_map(|run| &run.epochs).map(|epoch| epoch.seconds).collect();
        Row {
            method,
            generated: generated(|set| set.aepe),
            below_10: generated(|set| set.aepe_below_10),
            from_10_to_40: generated(|set| set.aepe_10_to_40),
            from_40: generated(|set| set.aepe_from_40),
            chairs: spread(&runs, |test| test.chairs?.aepe),
            middlebury: spread(&runs, |test| test.middlebury?.aepe),
            seeds: runs.len(),
            parameters: runs[0].parameters,
            layer_parameters: runs[0].layer_parameters,
            layer_share: runs[0].layer_share,
            seconds_per_epoch: mean(&seconds),
        }
    };
    methods(runs).into_iter().map(row).collect()
}

fn spread(runs: &[&FinishedRun], score: impl Fn(&TestScores) -> Option<f64>) -> Option<Spread> {
    let values: Option<Vec<f64>> = runs.iter().map(|run| score(run.test.as_ref()?)).collect();
    let values = values.filter(|values| !values.is_empty())?;
    Some(Spread { mean: mean(&values), deviation: deviation(&values) })
}

/// Draws the test error of every epoch, as mean over seeds, a curve for each method.
pub(crate) fn draw(path: &Path, runs: &[FinishedRun]) -> Result<(), Error> {
    let curve = |(name, runs): (&'static str, Vec<&FinishedRun>)| {
        let last = runs.iter().map(|run| run.epochs.len()).min().unwrap_or(0);
        let error = |epoch: usize| {
            let of = |run: &&FinishedRun| run.epochs[epoch].scores.test_aepe.unwrap_or(f64::NAN);
            mean(&runs.iter().map(of).collect::<Vec<f64>>())
        };
        Curve { name: Some(name), values: (0..last).map(error).collect() }
    };
    let curves = methods(runs).into_iter().map(curve).collect();
    let title = "mean end point error on generated test pairs, in pixels";
    curves::draw(path, &[Panel { title, logarithmic: true, axis: Axis::Epochs, curves }])
}

const HEADER: [&str; 11] = [
    "layer",
    "error, pixels",
    "motion < 10",
    "10 to 40",
    ">= 40",
    "Flying Chairs",
    "Middlebury",
    "seeds",
    "parameters",
    "of the layer",
    "s an epoch",
];

/// The table as plain text and as Markdown.
pub(crate) fn texts(rows: &[Row]) -> [String; 2] {
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    [table::lined_up(&HEADER, &cells), table::markdown(&HEADER, 0, &cells)]
}

fn cells(row: &Row) -> Vec<String> {
    let score = |spread: Option<Spread>| match spread {
        None => String::new(),
        Some(Spread { mean, .. }) if row.seeds < 2 => format!("{mean:.3}"),
        Some(Spread { mean, deviation }) => format!("{mean:.3} ± {deviation:.3}"),
    };
    vec![
        row.method.to_string(),
        score(row.generated),
        score(row.below_10),
        score(row.from_10_to_40),
        score(row.from_40),
        score(row.chairs),
        score(row.middlebury),
        row.seeds.to_string(),
        row.parameters.to_string(),
        format!("{} ({:.4} %)", row.layer_parameters, 100.0 * row.layer_share),
        format!("{:.1}", row.seconds_per_epoch),
    ]
}
