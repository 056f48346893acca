//! How does a user follow a run: the dashboard, a line an epoch, or nothing?

use super::history::Epoch;
use crate::terminal::capability;
use crate::terminal::interruption;
use crate::terminal::output::tell;
use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::MetricDefinition;
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation, MetricsRendererTraining,
};
use burn::train::{Interrupter, LearnerSummary};
use std::io::IsTerminal;

/// What is shown while training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Display {
    /// The dashboard of burn-train, on a terminal.
    Dashboard,
    /// One line an epoch on the standard error.
    Lines,
    /// Nothing.
    Quiet,
}

impl Display {
    /// The dashboard on a terminal, lines elsewhere, nothing if asked for.
    pub(crate) fn choose(quiet: bool) -> Self {
        let terminal = capability::redraws(&std::io::stdout()) && std::io::stdin().is_terminal();
        match (quiet, terminal) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Dashboard,
            (false, false) => Self::Lines,
        }
    }

    /// The renderer that burn-train feeds with its metrics.
    pub(crate) fn renderer(self, interrupter: &Interrupter, finished: usize) -> Box<dyn MetricsRenderer> {
        match self {
            Self::Dashboard => {
                let resumed = (finished > 0).then_some(finished);
                Box::new(TuiMetricsRendererWrapper::new(interrupter.clone(), resumed))
            }
            Self::Lines | Self::Quiet => Box::new(Silent),
        }
    }

    /// Called at the start of every mini-batch: the dashboard takes the terminal in its own time.
    pub(crate) fn mini_batch_starts(self) {
        if self == Self::Dashboard {
            interruption::keep_control_c();
        }
    }

    /// Called at the end of every epoch.
    pub(crate) fn epoch_ends(self, epoch: &Epoch, epochs: usize) {
        if self == Self::Lines {
            tell(line(epoch, epochs));
        }
    }
}

fn line(epoch: &Epoch, epochs: usize) -> String {
    let report = &epoch.report;
    let width = epochs.to_string().len();
    format!(
        "epoch {:>width$}/{epochs}  {:6.1} s  loss {:.5}  validation F1 {:5.2} at {:.2}  test F1 at half {:5.2}  steps {:.1} + {:.1}  unconverged {}  non-finite {}",
        report.epoch,
        report.seconds,
        report.train_loss,
        report.validation_f1,
        epoch.threshold,
        report.test_f1_at_half,
        report.forward_steps,
        report.adjoint_steps,
        report.unconverged_rows,
        report.non_finite_rows,
    )
}

/// A renderer that shows nothing.
#[derive(Debug)]
struct Silent;

impl MetricsRendererTraining for Silent {
    fn update_train(&mut self, _: MetricState) {}

    fn update_valid(&mut self, _: MetricState) {}

    fn on_train_end(&mut self, _: Option<LearnerSummary>) -> Result<(), Box<dyn core::error::Error>> {
        Ok(())
    }
}

impl MetricsRendererEvaluation for Silent {
    fn update_test(&mut self, _: EvaluationName, _: MetricState) {}
}

impl TrainingProgressLogger for Silent {
    fn start(&mut self, _: usize, _: usize, _: Option<usize>, _: Option<&str>) {}

    fn update_epoch(&mut self, _: usize) {}

    fn start_split(&mut self, _: &str, _: usize) {}

    fn update_split(&mut self, _: usize) {}

    fn end_split(&mut self) {}

    fn end(&mut self) {}

    fn log_event_training(&mut self, _: String) {}
}

impl EvaluationProgressLogger for Silent {
    fn start_global_progress(&mut self, _: usize) {}

    fn start_test(&mut self, _: &str, _: usize) {}

    fn update_test_progress(&mut self, _: usize) {}

    fn end_test(&mut self) {}

    fn end_global_progress(&mut self) {}

    fn log_event_evaluation(&mut self, _: String) {}
}

impl MetricsRenderer for Silent {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, _: MetricDefinition) {}
}
