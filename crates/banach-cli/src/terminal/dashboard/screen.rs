//! The dashboard on the screen, drawn by burn-train.
//!
//! No other file uses burn-train.

use crate::error::Error;
use crate::terminal::capability;
use crate::terminal::dashboard::metric::{Metric, Split};
use crate::terminal::interruption::Interruption;
use burn::train::Interrupter;
use burn::train::logger::TrainingProgressLogger;
use burn::train::metric::{
    MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry, SerializedEntry,
};
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::renderer::{MetricState, MetricsRenderer, MetricsRendererTraining};
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// An open dashboard. It holds the terminal until it is dropped.
pub(crate) struct Dashboard {
    /// None after the user has killed it, for it panics whenever it is called then.
    renderer: Option<TuiMetricsRendererWrapper>,
    interrupter: Interrupter,
    interruption: Interruption,
    split: Split,
    /// Sum over the rows of the split so far, for each metric, and the number of rows.
    sums: Vec<(f64, f64)>,
}

impl std::fmt::Debug for Dashboard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Dashboard").field("split", &self.split).finish_non_exhaustive()
    }
}

/// Refuses a terminal that cannot show the dashboard.
pub(crate) fn check() -> Result<(), Error> {
    if capability::redraws(&std::io::stdout()) && std::io::stdin().is_terminal() {
        return Ok(());
    }
    let term = std::env::var("TERM").map_or("no TERM".into(), |term| format!("TERM={term}"));
    Err(Error::Setting {
        found: format!("--dashboard with {term}"),
        expected: "a terminal that redraws its screen, for input and output".into(),
        advice: "leave out --dashboard for lines of progress".into(),
    })
}

impl Dashboard {
    /// Takes the terminal for a run of `epochs` epochs, of which `finished` are over.
    pub(crate) fn open(
        epochs: usize,
        finished: usize,
        metrics: &[Metric],
        interruption: &Interruption,
    ) -> Result<Self, Error> {
        let interrupter = Interrupter::new();
        let renderer =
            TuiMetricsRendererWrapper::new(interrupter.clone(), (finished > 0).then_some(finished));
        let mut dashboard = Self {
            renderer: Some(renderer),
            interrupter,
            interruption: interruption.clone(),
            split: Split::Training,
            sums: Vec::new(),
        };
        let definitions: Vec<MetricDefinition> = metrics.iter().map(definition).collect();
        dashboard.call(|renderer| {
            definitions.into_iter().for_each(|definition| renderer.register_metric(definition));
            renderer.start(epochs, finished + 1, None, None);
        });
        Ok(dashboard)
    }

    /// Begins a pass over `rows` rows.
    pub(crate) fn start_split(&mut self, split: Split, rows: usize) {
        self.split = split;
        self.sums.clear();
        let name = if split == Split::Training { "train" } else { "valid" };
        self.call(|renderer| renderer.start_split(name, rows));
    }

    /// Draws the numbers of a mini-batch of `rows` rows, after which `done` rows of the split are over.
    pub(crate) fn mini_batch(&mut self, values: &[(Metric, f64)], rows: usize, done: usize) {
        keep_control_c();
        let weight = rows as f64;
        self.sums.resize(values.len(), (0.0, 0.0));
        for ((sum, total), (_, value)) in self.sums.iter_mut().zip(values) {
            (*sum, *total) = (*sum + value * weight, *total + weight);
        }
        let states: Vec<MetricState> = values
            .iter()
            .zip(&self.sums)
            .map(|((metric, value), (sum, total))| state(metric, *value, sum / total))
            .collect();
        let split = self.split;
        self.call(|renderer| {
            for state in states {
                match split {
                    Split::Training => renderer.update_train(state),
                    Split::Validation => renderer.update_valid(state),
                }
            }
            renderer.update_split(done);
            renderer.log_event_training("Iteration".into());
        });
        if self.interrupter.should_stop() {
            self.interruption.request();
        }
    }

    /// Ends the pass over a split.
    pub(crate) fn end_split(&mut self) {
        self.call(TrainingProgressLogger::end_split);
    }

    /// Ends an epoch.
    pub(crate) fn end_epoch(&mut self, epoch: usize) {
        self.call(|renderer| renderer.update_epoch(epoch));
    }

    /// Calls the renderer, whose "stop immediately" is a panic of its own.
    fn call(&mut self, action: impl FnOnce(&mut TuiMetricsRendererWrapper)) {
        let Some(renderer) = &mut self.renderer else { return };
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| action(renderer))) else { return };
        self.close();
        if !is_kill(&*panic) {
            std::panic::resume_unwind(panic);
        }
        self.interruption.request();
    }

    fn close(&mut self) {
        let renderer = self.renderer.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(renderer)));
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.close();
    }
}

fn is_kill(panic: &(dyn std::any::Any + Send)) -> bool {
    panic.downcast_ref::<&str>().is_some_and(|message| message.contains("from user input"))
}

fn id(metric: &Metric) -> MetricId {
    MetricId::new(Arc::new(metric.name.into()))
}

fn definition(metric: &Metric) -> MetricDefinition {
    let attributes = NumericAttributes { unit: None, higher_is_better: metric.higher_is_better }.into();
    MetricDefinition {
        metric_id: id(metric),
        name: Arc::new(metric.name.into()),
        description: None,
        attributes,
    }
}

fn state(metric: &Metric, value: f64, mean: f64) -> MetricState {
    let shown = SerializedEntry::new(format!("epoch {mean:.3} - batch {value:.3}"), value.to_string());
    MetricState::Numeric(MetricEntry::new(id(metric), shown), Some(NumericEntry::Value(value)))
}

/// Lets Ctrl-C through while the dashboard holds the terminal in raw mode, where it would be swallowed.
///
/// The dashboard takes the terminal in a thread of its own, at a time of its own, and restores the settings at its end.
fn keep_control_c() {
    #[cfg(unix)]
    {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let terminal = rustix::stdio::stdin();
        if let Ok(mut settings) = tcgetattr(terminal) {
            settings.local_modes |= LocalModes::ISIG;
            let _ = tcsetattr(terminal, OptionalActions::Now, &settings);
        }
    }
}
