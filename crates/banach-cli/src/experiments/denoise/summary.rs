//! The report, the curves and the closing table of a denoising run.

use super::evaluation::TestScores;
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

/// What was made of a test image.
pub(crate) const PICTURES: &str = "pictures.svg";
/// What is made of a test image after every step of the solver.
pub(crate) const ITERATES: &str = "iterates.svg";
/// The residuals of these steps.
pub(crate) const RESIDUALS: &str = "residuals.svg";

/// The contents of `report.json`.
#[derive(Debug, Serialize)]
pub(crate) struct DenoiseReport {
    experiment: &'static str,
    layer: LayerName,
    seed: u64,
    pub(crate) parameters: usize,
    pub(crate) settings: Settings,
    epochs: Vec<Epoch>,
    /// The number of the epoch with the best PSNR on the validation split, which is tested.
    pub(crate) best_epoch: Option<usize>,
    /// None until the run has ended.
    pub(crate) test: Option<TestScores>,
    peak_memory_bytes: Option<u64>,
}

impl DenoiseReport {
    /// The report of the epochs in `state`.
    pub(crate) fn new(state: &State, parameters: usize, test: Option<TestScores>) -> Self {
        Self {
            experiment: "denoise",
            layer: state.layer,
            seed: state.seed,
            parameters,
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
    let mut panels = vec![
        panel("training loss", true, vec![curve("training", |epoch| epoch.sums.mean_loss())]),
        panel(
            "validation PSNR in dB",
            false,
            vec![curve("validation", |epoch| epoch.scores.validation_psnr)],
        ),
    ];
    if state.layer.solves() {
        let steps = vec![
            curve("forward", |epoch| epoch.sums.work.mean_forward_steps()),
            curve("adjoint", |epoch| epoch.sums.work.mean_adjoint_steps()),
            curve("forward, evaluation", |epoch| epoch.scores.validation_steps),
        ];
        panels.push(panel("steps of the solvers", false, steps));
    }
    curves::draw(&session.path(CURVES), &panels)
}

/// The closing table.
pub(crate) fn table(report: &DenoiseReport) -> String {
    let seconds: f64 = report.epochs.iter().map(|epoch| epoch.seconds).sum();
    let best = epoch::best(&report.epochs);
    let test = report.test;
    let row = |name: &str, value: String| vec![name.to_string(), value];
    let score =
        |value: fn(&TestScores) -> Option<f64>, digits| written(test.as_ref().and_then(value), digits);
    let rows = [
        row("parameters", report.parameters.to_string()),
        row("epochs", report.epochs.len().to_string()),
        row(
            "best epoch, by validation PSNR",
            report.best_epoch.map_or("none".into(), |best| best.to_string()),
        ),
        row("validation PSNR, dB", written(best.and_then(|best| best.scores.validation_psnr), 3)),
        row("test PSNR of the noisy images, dB", score(|test| test.psnr_noisy, 3)),
        row("test PSNR, dB", score(|test| test.psnr, 3)),
        row("test SSIM", score(|test| test.ssim, 4)),
        row("PSNR on BSD68, dB", score(|test| test.psnr_bsd68, 3)),
        row("SSIM on BSD68", score(|test| test.ssim_bsd68, 4)),
        row(
            "forward steps on the test set, mean",
            written(test.and_then(|test| test.work.mean_forward_steps()), 1),
        ),
        row(
            "test tiles that did not converge",
            test.map_or("none".into(), |test| test.work.unconverged_rows.to_string()),
        ),
        row("seconds an epoch, mean", format!("{:.2}", seconds / report.epochs.len().max(1) as f64)),
    ];
    table::lined_up(&[&format!("denoise, {}, seed {}", report.layer.as_str(), report.seed), ""], &rows)
}
