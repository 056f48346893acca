//! What a user sees of a run: a bar, lines of epochs, or the dashboard.

use super::history::Epoch;
use super::settings::Settings;
use super::step::Evaluated;
use crate::error::Error;
use crate::experiments::epoch::{Sums, written};
use crate::experiments::session::Session;
use crate::terminal::dashboard::Dashboard;
use crate::terminal::dashboard::metric::{Metric, Split};
use crate::terminal::progress::Progress;

/// Most lines of epochs that a run writes.
const MOST_LINES: usize = 100;

const LOSS: Metric = Metric { name: "Loss", higher_is_better: false };
const F1: Metric = Metric { name: "F1 at one half", higher_is_better: true };
const FORWARD: Metric = Metric { name: "Forward steps", higher_is_better: false };
const ADJOINT: Metric = Metric { name: "Adjoint steps", higher_is_better: false };
const UNCONVERGED: Metric = Metric { name: "Unconverged rows", higher_is_better: false };

/// The display of one run.
#[derive(Debug)]
pub(crate) struct Display {
    view: View,
    epochs: usize,
    /// Rows of the current split that are over.
    done: usize,
}

#[derive(Debug)]
enum View {
    Progress(Progress),
    Dashboard(Box<Dashboard>),
}

impl Display {
    /// The display of a run of `mini_batches` in each epoch, of which `finished` epochs are over.
    pub(crate) fn new(
        session: &Session,
        settings: &Settings,
        (finished, mini_batches): (usize, usize),
        dashboard: bool,
    ) -> Result<Self, Error> {
        let epochs = settings.epochs;
        let view = if dashboard {
            let metrics = [LOSS, F1, FORWARD, ADJOINT, UNCONVERGED];
            let metrics = if settings.solves() { &metrics[..] } else { &metrics[..2] };
            View::Dashboard(Box::new(Dashboard::open(epochs, finished, metrics, &session.interruption)?))
        } else {
            let (done, total) = (finished * mini_batches, epochs * mini_batches);
            View::Progress(session.progress(done, total, "mini-batches"))
        };
        Ok(Self { view, epochs, done: 0 })
    }

    /// A pass over `rows` training rows begins.
    pub(crate) fn training_begins(&mut self, rows: usize) {
        self.begin(Split::Training, rows);
    }

    /// A pass over `rows` validation rows begins.
    pub(crate) fn validation_begins(&mut self, rows: usize) {
        self.begin(Split::Validation, rows);
    }

    fn begin(&mut self, split: Split, rows: usize) {
        self.done = 0;
        if let View::Dashboard(dashboard) = &mut self.view {
            dashboard.start_split(split, rows);
        }
    }

    /// A training mini-batch of `rows` is over.
    pub(crate) fn trained(&mut self, sums: &Sums, rows: usize) {
        self.done += rows;
        match &mut self.view {
            View::Progress(progress) => progress.advance_bar(),
            View::Dashboard(dashboard) => {
                let work = &sums.work;
                let all = [
                    (LOSS, sums.mean_loss()),
                    (FORWARD, work.mean_forward_steps()),
                    (ADJOINT, work.mean_adjoint_steps()),
                    (UNCONVERGED, Some(work.unconverged_rows as f64)),
                ];
                let values: Vec<(Metric, f64)> =
                    all.into_iter().filter_map(|(metric, value)| Some((metric, value?))).collect();
                let shown = if work.adjoint_rows > 0 { &values[..] } else { &values[..values.len().min(1)] };
                dashboard.mini_batch(shown, rows, self.done);
            }
        }
    }

    /// A validation mini-batch is over.
    pub(crate) fn validated(&mut self, evaluated: &Evaluated) {
        self.done += evaluated.rows;
        if let View::Dashboard(dashboard) = &mut self.view {
            let values = [(LOSS, evaluated.loss), (F1, evaluated.f1_at_half)];
            dashboard.mini_batch(&values, evaluated.rows, self.done);
        }
    }

    /// A pass over a split is over.
    pub(crate) fn split_ends(&mut self) {
        if let View::Dashboard(dashboard) = &mut self.view {
            dashboard.end_split();
        }
    }

    /// An epoch is over.
    pub(crate) fn epoch_ends(&mut self, epoch: &Epoch) {
        let every = self.epochs.div_ceil(MOST_LINES);
        match &mut self.view {
            View::Progress(progress) => {
                if epoch.epoch.is_multiple_of(every) || epoch.epoch == self.epochs {
                    progress.print(|| line(epoch, self.epochs));
                }
            }
            View::Dashboard(dashboard) => dashboard.end_epoch(epoch.epoch),
        }
    }
}

fn line(epoch: &Epoch, epochs: usize) -> String {
    let (sums, scores, width) = (&epoch.sums, &epoch.scores, epochs.to_string().len());
    let mut line = format!(
        "epoch {:>width$}/{epochs} {:6.1} s  loss {}  validation F1 {:5.2} at {:.2}  test F1 at half {:5.2}  steps {} + {}",
        epoch.epoch,
        epoch.seconds,
        written(sums.mean_loss(), 5),
        scores.validation_f1,
        scores.threshold,
        scores.test_f1_at_half,
        written(sums.work.mean_forward_steps(), 1),
        written(sums.work.mean_adjoint_steps(), 1),
    );
    for (count, name) in
        [(sums.work.unconverged_rows, "unconverged"), (sums.work.non_finite_rows, "non-finite")]
    {
        if count > 0 {
            line.push_str(&format!("  {count} {name}"));
        }
    }
    line
}
