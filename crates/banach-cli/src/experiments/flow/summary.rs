//! The report, the curves and the closing table of a run on optical flow.

use super::evaluation::{SetScores, TestScores};
use super::history::{Epoch, State};
use super::settings::Settings;
use crate::error::Error;
use crate::experiments::epoch::{self, written};
use crate::experiments::session::Session;
use crate::options::LayerName;
use crate::report::curves::{self, Axis, Curve, Panel};
use crate::report::{memory, table};
use serde::Serialize;

/// The picture of a run's epochs.
pub(crate) const CURVES: &str = "curves.svg";
/// What was found in a test pair of each set.
pub(crate) const GENERATED: &str = "generated.svg";
pub(crate) const CHAIRS: &str = "chairs.svg";
pub(crate) const MIDDLEBURY: &str = "middlebury.svg";
/// The flow of a test pair after every step of the solver.
pub(crate) const ITERATES: &str = "iterates.svg";
/// The residuals of these steps.
pub(crate) const RESIDUALS: &str = "residuals.svg";

/// The contents of `report.json`.
#[derive(Debug, Serialize)]
pub(crate) struct FlowReport {
    experiment: &'static str,
    layer: LayerName,
    seed: u64,
    /// Parameters of the network with the layer, and of the layer alone.
    parameters: usize,
    layer_parameters: usize,
    /// The parameters of the layer as a part of those of FlowNet.
    layer_share: f64,
    pub(crate) settings: Settings,
    epochs: Vec<Epoch>,
    /// The number of the epoch with the least error on the validation pairs, which is tested.
    best_epoch: Option<usize>,
    /// None until the run has ended.
    pub(crate) test: Option<TestScores>,
    peak_memory_bytes: Option<u64>,
}

impl FlowReport {
    /// The report of the epochs in `state`; parameters are those of FlowNet and of the layer.
    pub(crate) fn new(state: &State, [flownet, layer]: [usize; 2], test: Option<TestScores>) -> Self {
        Self {
            experiment: "flow",
            layer: state.layer,
            seed: state.seed,
            parameters: flownet + layer,
            layer_parameters: layer,
            layer_share: layer as f64 / flownet as f64,
            settings: state.settings.clone(),
            epochs: state.epochs.clone(),
            best_epoch: epoch::best(&state.epochs).map(|best| best.epoch),
            test,
            peak_memory_bytes: memory::peak_bytes(),
        }
    }
}

/// Draws the curves of the epochs.
pub(crate) fn draw(session: &Session, state: &State) -> Result<(), Error> {
    let epochs = &state.epochs;
    let curve = |name, value: fn(&Epoch) -> Option<f64>| Curve::of(name, epochs, value);
    let panel = |title, logarithmic, curves| Panel { title, logarithmic, axis: Axis::Epochs, curves };
    let mut errors = vec![
        curve("test", |epoch| epoch.scores.test_aepe),
        curve("validation", |epoch| epoch.scores.validation_aepe),
    ];
    if state.layer != LayerName::NoLayer {
        errors.push(curve("test, before the layer", |epoch| epoch.scores.test_aepe_before));
    }
    let mut panels = vec![
        panel("training loss", true, vec![curve("training", |epoch| epoch.sums.mean_loss())]),
        panel("mean end point error in pixels", true, errors),
    ];
    if state.layer.solves() {
        let steps = vec![
            curve("forward", |epoch| epoch.sums.work.mean_forward_steps()),
            curve("adjoint", |epoch| epoch.sums.work.mean_adjoint_steps()),
            curve("forward, evaluation", |epoch| epoch.scores.evaluated_steps),
        ];
        panels.push(panel("steps of the solvers", false, steps));
    }
    curves::draw(&session.path(CURVES), &panels)
}

/// The closing table.
pub(crate) fn table(report: &FlowReport) -> String {
    let seconds: f64 = report.epochs.iter().map(|epoch| epoch.seconds).sum();
    let row = |name: &str, value: String| vec![name.to_string(), value];
    let mut rows = vec![
        row("parameters", report.parameters.to_string()),
        row(
            "parameters of the layer",
            format!("{}, {:.4} %", report.layer_parameters, 100.0 * report.layer_share),
        ),
        row("epochs", report.epochs.len().to_string()),
        row("best epoch, by validation", report.best_epoch.map_or("none".into(), |best| best.to_string())),
        row("seconds an epoch, mean", format!("{:.2}", seconds / report.epochs.len().max(1) as f64)),
    ];
    let sets: [(&str, Option<SetScores>); 3] = [
        ("generated", report.test.map(|test| test.generated)),
        ("Flying Chairs", report.test.and_then(|test| test.chairs)),
        ("Middlebury", report.test.and_then(|test| test.middlebury)),
    ];
    for (name, set) in sets {
        let Some(set) = set else { continue };
        rows.push(row(&format!("{name}, {} pairs: error, pixels", set.pairs), written(set.aepe, 3)));
        if report.layer != LayerName::NoLayer {
            rows.push(row("    before the layer", written(set.aepe_before, 3)));
        }
        rows.push(row("    motion below 10 pixels", written(set.aepe_below_10, 3)));
        rows.push(row("    from 10 to 40 pixels", written(set.aepe_10_to_40, 3)));
        rows.push(row("    from 40 pixels", written(set.aepe_from_40, 3)));
    }
    table::lined_up(&[&format!("flow, {}, seed {}", report.layer.as_str(), report.seed), ""], &rows)
}
