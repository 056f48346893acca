//! How does the Bibtex experiment run from its arguments to its report?

mod answers;
mod average;
mod checkpoint;
mod course;
mod display;
mod evaluation;
mod folder;
mod gauge;
mod history;
mod joint;
mod loss;
mod network;
mod recipe;
mod settings;
mod step;
mod summary;
mod table;
mod tally;
mod work;

pub(crate) use evaluation::Scores;
pub(crate) use joint::Cell;
pub(crate) use loss::clip;
pub(crate) use network::Sample;
pub(crate) use recipe::PUBLISHED_HIDDEN;
pub(crate) use table::table;

use crate::command::BibtexArguments;
use crate::dataset::batches::Batches;
use crate::dataset::bibtex::{self, Bibtex};
use crate::device;
use crate::error::Error;
use crate::report::plural::counted;
use crate::terminal::interruption;
use crate::terminal::output::say;
use banach::AdamConfig;
use burn::lr_scheduler::exponential::ExponentialLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::logger::FileMetricLogger;
use burn::train::{Interrupter, Learner, SupervisedTraining, TrainingStrategy};
use checkpoint::{Ledger, State};
use course::{Course, End};
use display::Display;
use gauge::Gauge;
use history::{Epoch, History, Patience};
use network::Network;
use settings::Settings;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Keeps Adam's steps finite. The gradient of a mean over 159 labels is small, so this has to be smaller.
const EPSILON: f64 = 1e-8;

/// Runs `banach train bibtex`.
pub(crate) fn train(arguments: &BibtexArguments) -> Result<(), Error> {
    let default = format!("out/bibtex-{}-seed{}", arguments.layer.as_str(), arguments.seed);
    let folder = arguments.out.clone().unwrap_or_else(|| PathBuf::from(default));
    settings::check(arguments)?;
    device::named(&arguments.device)?;
    let data = bibtex::load(&arguments.data, arguments.seed)?;
    let outcome = run(arguments, &data, &folder, Display::choose(arguments.quiet), &interruption::listen()?)?;
    say(summary::table(&outcome.state, &outcome.best, outcome.parameters))?;
    say(format_args!("results are in {}", folder.display()))
}

/// What a finished run gave.
struct Outcome {
    state: State,
    best: Epoch,
    parameters: usize,
}

/// Trains one network up to its end, and writes its report into `folder`.
fn run(
    arguments: &BibtexArguments,
    data: &Bibtex,
    folder: &Path,
    display: Display,
    interrupter: &Interrupter,
) -> Result<Outcome, Error> {
    let device = device::named(&arguments.device)?;
    let settings = Settings::new(arguments, &data.fingerprint)?;
    let mut state = State { layer: arguments.layer, seed: arguments.seed, settings, epochs: Vec::new() };
    if arguments.resume && !folder.is_dir() {
        return Err(Error::NoCheckpoint { path: folder.join("checkpoint") });
    }
    let _locked = folder::open(folder, arguments.resume)?;
    if arguments.resume {
        let earlier = checkpoint::load(&folder.join("checkpoint"))?;
        earlier.check_same(&state, folder)?;
        enough(state.settings.epochs, earlier.epochs.len())?;
        state.epochs = earlier.epochs;
    }
    if !arguments.resume {
        checkpoint::begin(&folder.join("checkpoint"), &state)?;
    }
    let tracked = device.clone().autodiff();
    let (shape, config) = (state.settings.shape(state.layer), state.settings.fixed_point(state.layer));
    let network = Network::new(shape, state.seed, &config, &data.train, &tracked)?;
    let (history, parameters) = (History::new(state.epochs.clone()), network.num_params());
    let finished = state.epochs.len();
    let end = if finished >= state.settings.epochs || history.is_exhausted(state.settings.patience) {
        End::Finished
    } else {
        let run = Run { folder, state: &state, history: &history, device: &device, interrupter };
        run.launch(network, data, display)?
    };
    state.epochs = history.epochs();
    let best = history.best();
    // What this process did says nothing about a run that it did not continue.
    let told = state.epochs.len() == finished && summary::is_written(folder, finished);
    if let (Some(best), false) = (&best, told) {
        summary::write(folder, &state, Some(best), parameters)?;
    }
    match (end, best) {
        (End::Failed(reason), _) => Err(Error::Training(reason)),
        (End::Interrupted, _) => Err(Error::Interrupted(advice(state.epochs.len(), folder))),
        (End::Finished, Some(best)) => Ok(Outcome { state, best, parameters }),
        (End::Finished, None) => Err(Error::Training("no epoch was trained".into())),
    }
}

fn advice(finished: usize, folder: &Path) -> String {
    if finished == 0 {
        return "no epoch was finished, so start again without --resume".into();
    }
    format!(
        "{} kept in {}; repeat the command with --resume to continue",
        counted(finished, "finished epoch"),
        folder.display()
    )
}

/// Refuses fewer epochs than are trained: they cannot be taken back.
fn enough(wanted: usize, trained: usize) -> Result<(), Error> {
    if wanted >= trained {
        return Ok(());
    }
    Err(Error::Setting {
        found: format!("--epochs {wanted} where {trained} are trained already"),
        expected: format!("at least {trained}"),
        advice: format!("give --epochs {trained} or more, or name another folder with --out"),
    })
}

/// A run that is ready to train.
struct Run<'a> {
    folder: &'a Path,
    state: &'a State,
    history: &'a History,
    device: &'a Device,
    interrupter: &'a Interrupter,
}

impl Run<'_> {
    /// Trains through burn-train, from the last checkpoint if there is one.
    fn launch(&self, network: Network, data: &Bibtex, display: Display) -> Result<End, Error> {
        let (interrupter, settings) = (self.interrupter, &self.state.settings);
        let course = self.course(data, display);
        let ledger = Ledger::new(&self.folder.join("checkpoint"), self.state.clone(), self.history.clone());
        let [model, optimizer, schedule] = ledger.parts();
        let finished = self.state.epochs.len();
        let train = Batches::in_order(data.train.clone(), settings.batch, &course.device);
        let train = train.shuffled(self.state.seed, finished).with_dropout(settings.dropout());
        let train = Arc::new(train);
        let mut training = SupervisedTraining::new(self.folder, train, Arc::new(course.validation.clone()))
            .num_epochs(settings.epochs)
            .with_training_strategy(TrainingStrategy::Custom(Arc::new(course.clone())))
            .with_custom_checkpointers(model, optimizer, schedule)
            .with_checkpointing_strategy(KeepLastNCheckpoints::new(checkpoint::KEPT))
            .early_stopping(Patience { history: self.history.clone(), epochs: settings.patience })
            .with_metric_logger(FileMetricLogger::new(self.folder.join("metrics")))
            .with_application_logger(None)
            .renderer(display.renderer(interrupter, finished))
            .with_interrupter(interrupter.clone());
        training = gauges(training, self.state);
        if finished > 0 {
            training = training.checkpoint(finished);
        }
        let mini_batches = data.train.len().div_ceil(settings.batch);
        let learner = Learner::new(network, adam(settings)?, falling(settings, mini_batches)?);
        // The dashboard's "stop immediately" ends burn-train with a panic of its own.
        match catch_unwind(AssertUnwindSafe(|| drop(training.launch(learner)))) {
            Ok(()) => Ok(course.end()),
            Err(panic) if was_killed(&*panic) => Ok(End::Interrupted),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn course(&self, data: &Bibtex, display: Display) -> Course {
        let plain = |examples: &Arc<[bibtex::Example]>| {
            Batches::in_order(examples.clone(), self.state.settings.batch, self.device)
        };
        Course {
            device: self.device.clone().autodiff(),
            validation: plain(&data.validation),
            test: plain(&data.test),
            history: self.history.clone(),
            best: self.folder.join("best.bpk"),
            checkpoints: self.folder.join("checkpoint"),
            averaging: self.state.settings.averaging,
            batch: self.state.settings.batch,
            display,
            end: Arc::default(),
        }
    }
}

/// Adam with decoupled weight decay; without decay it is Adam.
fn adam(settings: &Settings) -> Result<ModuleOptimizer, Error> {
    AdamConfig::new().with_decay(settings.weight_decay).with_epsilon(EPSILON).init().map_err(Error::layer)
}

/// A step size that falls a little with every mini-batch, by the same part in every epoch.
fn falling(settings: &Settings, mini_batches: usize) -> Result<ModuleLrScheduler, Error> {
    let part = settings.learning_rate_decay.powf(1.0 / mini_batches as f64);
    ExponentialLrSchedulerConfig::new(settings.learning_rate, part).init().map_err(Error::Training)
}

fn was_killed(panic: &(dyn std::any::Any + Send)) -> bool {
    panic.downcast_ref::<&str>().is_some_and(|message| message.contains("from user input"))
}

/// Registers what the dashboard draws.
fn gauges(training: SupervisedTraining<Network>, state: &State) -> SupervisedTraining<Network> {
    let training = training
        .metric_train_numeric(Gauge::loss())
        .metric_valid_numeric(Gauge::loss())
        .metric_valid_numeric(Gauge::f1_at_half());
    if !state.layer.solves() {
        return training;
    }
    training
        .metric_train_numeric(Gauge::forward_steps())
        .metric_train_numeric(Gauge::adjoint_steps())
        .metric_train_numeric(Gauge::unconverged_rows())
}
