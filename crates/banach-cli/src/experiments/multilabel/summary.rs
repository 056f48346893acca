//! The report, the curves and the closing table of a run.

use super::history::{self, Epoch, State};
use super::settings::Settings;
use crate::dataset::data_set::Summary;
use crate::error::Error;
use crate::experiments::epoch::{self, Work, written};
use crate::experiments::session::Session;
use crate::options::LayerName;
use crate::report::curves::{self, Axis, Curve, Panel};
use crate::report::{memory, table};
use serde::Serialize;

/// The picture of a run.
pub(crate) const CURVES: &str = "curves.svg";

/// The contents of `report.json`.
#[derive(Debug, Serialize)]
pub(crate) struct MultiLabelReport {
    experiment: &'static str,
    layer: LayerName,
    seed: u64,
    pub(crate) parameters: usize,
    data: Summary,
    pub(crate) settings: Settings,
    /// Mean time of an epoch, without the evaluations.
    pub(crate) seconds_per_epoch: Option<f64>,
    epochs: Vec<Epoch>,
    /// The epoch with the best F1 on the validation split.
    pub(crate) best: Option<Best>,
    peak_memory_bytes: Option<u64>,
}

/// All scores in percent.
#[derive(Debug, Serialize)]
pub(crate) struct Best {
    epoch: usize,
    #[serde(flatten)]
    pub(crate) scores: history::Scores,
}

impl MultiLabelReport {
    /// The report of the epochs in `state`.
    pub(crate) fn new(name: &'static str, data: &Summary, state: &State, parameters: usize) -> Self {
        let best = epoch::best(&state.epochs);
        Self {
            experiment: name,
            layer: state.layer,
            seed: state.seed,
            parameters,
            data: data.clone(),
            settings: state.settings.clone(),
            seconds_per_epoch: seconds_per_epoch(&state.epochs),
            epochs: state.epochs.clone(),
            best: best.map(|best| Best { epoch: best.epoch, scores: best.scores }),
            peak_memory_bytes: memory::peak_bytes(),
        }
    }

    /// What the solvers did in all epochs.
    pub(crate) fn work(&self) -> Work {
        work(&self.epochs)
    }
}

fn seconds_per_epoch(epochs: &[Epoch]) -> Option<f64> {
    let seconds: f64 = epochs.iter().map(|epoch| epoch.seconds).sum();
    (!epochs.is_empty()).then(|| seconds / epochs.len() as f64)
}

/// What the solvers did in all epochs.
fn work(epochs: &[Epoch]) -> Work {
    let mut work = Work::default();
    epochs.iter().for_each(|epoch| work += epoch.sums.work);
    work
}

/// Draws the curves.
pub(crate) fn draw(session: &Session, state: &State) -> Result<(), Error> {
    curves::draw(&session.path(CURVES), &panels(&state.epochs))
}

/// Whether the folder holds a report with this number of epochs.
pub(crate) fn is_written(session: &Session, epochs: usize) -> bool {
    let bytes = std::fs::read(session.path("report.json")).unwrap_or_default();
    let report: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    report.is_some_and(|report| report["epochs"].as_array().is_some_and(|told| told.len() == epochs))
}

fn panels(epochs: &[Epoch]) -> [Panel; 2] {
    let curve = |name, value: fn(&Epoch) -> Option<f64>| Curve::of(name, epochs, value);
    let loss = vec![curve("training", |epoch| epoch.sums.mean_loss())];
    let f1 = vec![
        curve("validation, best threshold", |epoch| Some(epoch.scores.validation_f1)),
        curve("test, at one half", |epoch| Some(epoch.scores.test_f1_at_half)),
    ];
    [
        Panel { title: "training loss", logarithmic: true, axis: Axis::Epochs, curves: loss },
        Panel { title: "F1 in percent", logarithmic: false, axis: Axis::Epochs, curves: f1 },
    ]
}

/// The closing table.
pub(crate) fn table(name: &str, state: &State, parameters: usize) -> String {
    let work = work(&state.epochs);
    let memory =
        memory::peak_bytes().map_or("unknown".into(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
    let best = epoch::best(&state.epochs);
    let percent = |value: fn(&history::Scores) -> f64| {
        best.map_or("none".into(), |best| format!("{:.2} %", value(&best.scores)))
    };
    let row = |name: &str, value: String| vec![name.to_string(), value];
    let rows = [
        row("parameters", parameters.to_string()),
        row("epochs", state.epochs.len().to_string()),
        row("best epoch, by validation F1", best.map_or("none".into(), |best| best.epoch.to_string())),
        row("validation F1", percent(|scores| scores.validation_f1)),
        row("threshold, chosen on validation", written(best.map(|best| best.scores.threshold), 2)),
        row("test F1 at this threshold", percent(|scores| scores.test_f1)),
        row("test F1 at one half", percent(|scores| scores.test_f1_at_half)),
        row("micro F1 at this threshold", percent(|scores| scores.metrics.micro_f1)),
        row("macro F1 at this threshold", percent(|scores| scores.metrics.macro_f1)),
        row("precision at 1", percent(|scores| scores.precision.p_at_1)),
        row("precision at 3", percent(|scores| scores.precision.p_at_3)),
        row("precision at 5", percent(|scores| scores.precision.p_at_5)),
        row("forward steps, mean", written(work.mean_forward_steps(), 1)),
        row("adjoint steps, mean", written(work.mean_adjoint_steps(), 1)),
        row("rows that did not converge", work.unconverged_rows.to_string()),
        row("rows that were not finite", work.non_finite_rows.to_string()),
        row("seconds an epoch, mean", written(seconds_per_epoch(&state.epochs), 2)),
        row("peak memory", memory),
    ];
    table::lined_up(&[&format!("{name}, {}, seed {}", state.layer.as_str(), state.seed), ""], &rows)
}
