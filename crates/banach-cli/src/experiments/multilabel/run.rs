//! A run of multi-label classification, from its options to its report.

use super::arguments::TrainingArguments;
use super::display::Display;
use super::history::State;
use super::network::Network;
use super::recipe::Recipe;
use super::settings::{self, Settings};
use super::summary::{self, MultiLabelReport};
use super::training::{Splits, Training};
use crate::dataset::batches::Batches;
use crate::dataset::bibtex;
use crate::dataset::data_set::DataSet;
use crate::dataset::example::Example;
use crate::error::Error;
use crate::experiments::continuation::{self, End, broken_off, interrupted};
use crate::experiments::experiment::{Finished, Plan};
use crate::experiments::session::Session;
use crate::report::plural::counted;
use crate::run_devices::{self, Devices};
use crate::terminal::dashboard;
use burn::module::Module;
use burn::tensor::Device;
use std::path::Path;
use std::sync::Arc;

/// What a table keeps of a finished run, so that the run is not repeated.
pub(crate) const FINISHED: &str = "finished.json";

/// A run of an experiment on one data set: the data, and the settings.
#[derive(Debug)]
pub(crate) struct Run {
    name: &'static str,
    /// The data as options of a command.
    options: String,
    state: State,
    data: DataSet,
    devices: Devices,
    resumes: bool,
    dashboard: bool,
}

impl Run {
    /// The run of the experiment `name` with these options; `data` reads the data that `options` name.
    pub(crate) fn new(
        name: &'static str,
        arguments: &TrainingArguments,
        seed: u64,
        (path, options): (&Path, String),
        data: impl FnOnce(u64) -> Result<DataSet, Error>,
    ) -> Result<Self, Error> {
        settings::check(arguments)?;
        if arguments.dashboard {
            dashboard::check()?;
        }
        let devices = run_devices::named(&arguments.device)?;
        let data = data(seed)?;
        let settings = Settings::new(arguments, path, &data.fingerprint);
        let &TrainingArguments { layer, resume, dashboard, .. } = arguments;
        let state = State { layer, seed, settings, epochs: Vec::new() };
        Ok(Self { name, options, state, data, devices, resumes: resume, dashboard })
    }

    /// The settings of the run.
    pub(crate) fn settings(&self) -> &Settings {
        &self.state.settings
    }

    /// One line with the counts of the data.
    pub(crate) fn counts(&self) -> String {
        self.data.summary.line()
    }

    /// What the run will do.
    pub(crate) fn plan(&self) -> Plan {
        let State { layer, seed, settings, .. } = &self.state;
        let (layer_name, recipe) = (layer.as_str(), settings.recipe);
        let rows = self.data.train.len();
        let what = format!(
            "trains {layer_name}, recipe {}, on {} for at most {}",
            recipe.as_str(),
            counted(rows, "example"),
            counted(settings.epochs, "epoch")
        );
        // The dense products of a mini-batch grow with the features and the labels.
        let (widths, known) = (self.data.widths(), bibtex::WIDTHS);
        let size = (widths.features + widths.labels) as f64 / (known.features + known.labels) as f64;
        let count = (rows * settings.epochs) as f64;
        let seconds = Recipe::seconds_per_example(recipe, *layer).map(|seconds| size * seconds * count);
        let folder = format!("out/{}-{layer_name}-seed{seed}", self.name).into();
        Plan { what, seconds, folder, resumes: self.resumes }
    }

    /// Trains and evaluates.
    pub(crate) fn run(&self, session: &Session) -> Result<Finished<MultiLabelReport>, Error> {
        let (mut state, parts) = continuation::begin(session.folder.path(), &self.state, self.resumes)?;
        let finished = state.epochs.len();
        let (shape, config) =
            (state.settings.shape(state.layer, self.data.widths()), state.settings.fixed_point(state.layer));
        let tracked = self.devices.of_the_network().autodiff();
        let network = Network::new(shape, state.seed, &config, &self.data.train, &tracked)?;
        let parameters = network.num_params();
        let end = if state.is_over() {
            Ok(End::Finished)
        } else {
            let splits = self.splits(&state.settings, &tracked);
            let passes = (finished, splits.train.count());
            let mut display = Display::new(session, &state.settings, passes, self.dashboard)?;
            let mut training = Training::new(session, &splits, &state.settings, network, parts, finished)?;
            training.share(&self.devices)?;
            training.run(&mut state, &mut display)
        };
        // A run that trained nothing says nothing new about the epochs of the runs before.
        let is_new = state.epochs.len() > finished || !summary::is_written(session, finished);
        let report = MultiLabelReport::new(self.name, &self.data.summary, &state, parameters);
        let (end, lost) = match end {
            Err(Error::Lost(reason)) => (End::Interrupted, Some(reason)),
            end => (end?, None),
        };
        match end {
            End::Interrupted => {
                if is_new && !state.epochs.is_empty() {
                    summary::draw(session, &state)?;
                    session.write_report(&report)?;
                }
                let (epochs, folder) = (state.epochs.len(), session.folder.path());
                Err(lost.map_or_else(
                    || interrupted(epochs, folder),
                    |reason| broken_off(&reason, epochs, folder),
                ))
            }
            End::Finished => {
                if is_new {
                    summary::draw(session, &state)?;
                }
                let table = summary::table(self.name, &state, parameters);
                Ok(Finished { report, is_new, table, pictures: &[summary::CURVES], next: self.next() })
            }
        }
    }

    fn splits(&self, settings: &Settings, tracked: &Device) -> Splits {
        let Self { data, devices, state, .. } = self;
        let device = &devices.of_the_network();
        // Shares are cut in the memory of this machine, and sent each to its device.
        let here = Device::flex();
        let tracked = if devices.is_shared() { &here } else { tracked };
        let plain = |examples: &Arc<[Example]>, device| {
            Batches::in_order(Arc::clone(examples), data.widths(), settings.batch, device)
        };
        Splits {
            train: plain(&data.train, tracked).shuffled(state.seed).with_dropout(settings.dropout()),
            validation: plain(&data.validation, device),
            test: plain(&data.test, device),
            encoding: Arc::clone(&data.encoding),
        }
    }

    fn next(&self) -> Vec<(String, &'static str)> {
        let Self { name, options, .. } = self;
        vec![
            (
                format!("banach train {name} {options} --layer feedforward"),
                "the map applied once, to compare",
            ),
            (format!("banach table {name} {options} --seeds 2"), "all methods in one table"),
        ]
    }
}
