//! What is left of a run: its report, its curves and its table?

use super::checkpoint::State;
use super::history::{Epoch, EpochReport};
use super::settings::Settings;
use crate::command::LayerName;
use crate::error::Error;
use crate::report::curves::{self, Axis, Curve, Panel};
use crate::report::{file, memory, table};
use serde::Serialize;
use std::path::Path;

/// The contents of `report.json`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    experiment: &'static str,
    layer: LayerName,
    seed: u64,
    parameters: usize,
    settings: &'a Settings,
    epochs: Vec<&'a EpochReport>,
    best: Option<Best>,
    peak_memory_bytes: Option<u64>,
}

/// The epoch with the best F1 on the validation split; all F1 in percent.
#[derive(Debug, Serialize)]
struct Best {
    epoch: usize,
    validation_f1: f64,
    threshold: f64,
    test_f1: f64,
    test_f1_at_half: f64,
}

/// Writes `report.json` and `curves.svg` into `folder`.
pub(crate) fn write(
    folder: &Path,
    state: &State,
    best: Option<&Epoch>,
    parameters: usize,
) -> Result<(), Error> {
    let best = best.map(|best| Best {
        epoch: best.report.epoch,
        validation_f1: best.report.validation_f1,
        threshold: best.threshold,
        test_f1: best.test_f1,
        test_f1_at_half: best.report.test_f1_at_half,
    });
    let report = Report {
        experiment: "bibtex",
        layer: state.layer,
        seed: state.seed,
        parameters,
        settings: &state.settings,
        epochs: state.epochs.iter().map(|epoch| &epoch.report).collect(),
        best,
        peak_memory_bytes: memory::peak_bytes(),
    };
    curves::draw(&folder.join("curves.svg"), &panels(&state.epochs))?;
    file::write_json(&folder.join("report.json"), &report)
}

/// Whether the report in `folder` is there and tells of so many epochs.
pub(crate) fn is_written(folder: &Path, epochs: usize) -> bool {
    let bytes = std::fs::read(folder.join("report.json")).unwrap_or_default();
    let report: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    report.is_some_and(|report| report["epochs"].as_array().is_some_and(|told| told.len() == epochs))
}

fn panels(epochs: &[Epoch]) -> [Panel; 2] {
    let curve = |name, value: fn(&EpochReport) -> f64| Curve {
        name: Some(name),
        values: epochs.iter().map(|epoch| value(&epoch.report)).collect(),
    };
    let loss = vec![curve("training", |epoch| epoch.train_loss)];
    let f1 = vec![
        curve("validation, best threshold", |epoch| epoch.validation_f1),
        curve("test, at one half", |epoch| epoch.test_f1_at_half),
    ];
    [
        Panel { title: "training loss", logarithmic: true, axis: Axis::Epochs, curves: loss },
        Panel { title: "F1 in percent", logarithmic: false, axis: Axis::Epochs, curves: f1 },
    ]
}

/// The closing table.
pub(crate) fn table(state: &State, best: &Epoch, parameters: usize) -> String {
    let total = |value: fn(&EpochReport) -> usize| {
        state.epochs.iter().map(|epoch| value(&epoch.report)).sum::<usize>()
    };
    let mean = |value: fn(&EpochReport) -> f64| {
        state.epochs.iter().map(|epoch| value(&epoch.report)).sum::<f64>() / state.epochs.len().max(1) as f64
    };
    let memory =
        memory::peak_bytes().map_or("unknown".into(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
    let row = |name: &str, value: String| vec![name.to_string(), value];
    let rows = [
        row("parameters", parameters.to_string()),
        row("epochs", state.epochs.len().to_string()),
        row("best epoch, by validation F1", best.report.epoch.to_string()),
        row("validation F1", format!("{:.2} %", best.report.validation_f1)),
        row("threshold, chosen on validation", format!("{:.2}", best.threshold)),
        row("test F1 at this threshold", format!("{:.2} %", best.test_f1)),
        row("test F1 at one half", format!("{:.2} %", best.report.test_f1_at_half)),
        row("forward steps, mean", format!("{:.1}", mean(|epoch| epoch.forward_steps))),
        row("adjoint steps, mean", format!("{:.1}", mean(|epoch| epoch.adjoint_steps))),
        row("rows that did not converge", total(|epoch| epoch.unconverged_rows).to_string()),
        row("rows that were not finite", total(|epoch| epoch.non_finite_rows).to_string()),
        row("seconds an epoch, mean", format!("{:.2}", mean(|epoch| epoch.seconds))),
        row("peak memory", memory),
    ];
    table::lined_up(&[&format!("bibtex, {}, seed {}", state.layer.as_str(), state.seed), ""], &rows)
}
