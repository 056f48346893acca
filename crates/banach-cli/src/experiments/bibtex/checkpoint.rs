//! What is kept of a run so that it can continue, and when does a checkpoint count as complete?

use super::history::{Epoch, History};
use super::settings::Settings;
use crate::command::LayerName;
use crate::error::Error;
use crate::report::file;
use burn::optim::OptimizerRecord;
use burn::optim::lr_scheduler::LrSchedulerRecord;
use burn::store::ModuleRecord;
use burn::train::checkpoint::{Checkpoint, Checkpointer, CheckpointerError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const PARTS: [&str; 3] = ["model", "optimizer", "schedule"];
/// The running mean of the weights, written beside the parts where one is taken.
pub(crate) const AVERAGE: &str = "average";

/// How many checkpoints stay on disk: enough that the one named by the state is never deleted before its successor
/// is complete, although the parts are written by threads of their own.
pub(crate) const KEPT: usize = 3;

/// The run that a checkpoint belongs to, and its finished epochs. The parts of the last one lie beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) layer: LayerName,
    pub(crate) seed: u64,
    pub(crate) settings: Settings,
    pub(crate) epochs: Vec<Epoch>,
}

/// Writes the state once all parts of an epoch are on disk. Until then, the state names the epoch before.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    folder: PathBuf,
    state: State,
    history: History,
    saved: Arc<Mutex<HashMap<usize, usize>>>,
}

impl Ledger {
    /// A ledger for the run described by `state`, which takes its epochs from `history`.
    pub(crate) fn new(folder: &Path, state: State, history: History) -> Self {
        Self { folder: folder.to_path_buf(), state, history, saved: Arc::default() }
    }

    /// The three writers of the parts: model, optimizer, schedule of the step size.
    pub(crate) fn parts(&self) -> [Part; 3] {
        PARTS.map(|name| Part { name, ledger: self.clone() })
    }

    fn count(&self, epoch: usize) -> Result<(), CheckpointerError> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = saved.entry(epoch).or_default();
        *parts += 1;
        if *parts < PARTS.len() {
            return Ok(());
        }
        saved.remove(&epoch);
        let mut state = self.state.clone();
        state.epochs = self.history.epochs();
        state.epochs.truncate(epoch);
        file::write_json(&state_path(&self.folder), &state)
            .map_err(|error| CheckpointerError::Unknown(error.to_string()))
    }
}

/// Writes one part of every checkpoint, whole or not at all.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    name: &'static str,
    ledger: Ledger,
}

impl<R: Checkpoint> Checkpointer<R> for Part {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        let bytes = record.checkpoint_into_bytes().map_err(CheckpointerError::Record)?;
        let path = part_path(&self.ledger.folder, self.name, epoch);
        file::write_whole(&path, &bytes).map_err(CheckpointerError::IOError)?;
        self.ledger.count(epoch)
    }

    fn restore(&self, epoch: usize) -> Result<R, CheckpointerError> {
        R::load(part_path(&self.ledger.folder, self.name, epoch))
    }

    fn delete(&self, epoch: usize) -> Result<(), CheckpointerError> {
        match std::fs::remove_file(part_path(&self.ledger.folder, self.name, epoch)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(CheckpointerError::IOError(error))
            }
            _ => Ok(()),
        }
    }
}

/// The file of a part after an epoch.
pub(crate) fn part_path(folder: &Path, name: &str, epoch: usize) -> PathBuf {
    folder.join(format!("{name}-{epoch}.bpk"))
}

fn state_path(folder: &Path) -> PathBuf {
    folder.join("state.json")
}

/// Says whose the folder is, before an epoch is finished.
pub(crate) fn begin(folder: &Path, state: &State) -> Result<(), Error> {
    file::write_json(&state_path(folder), state)
}

/// The state in `folder`, after making sure that every part of its last epoch can be read.
pub(crate) fn load(folder: &Path) -> Result<State, Error> {
    let path = state_path(folder);
    let none = || Error::NoCheckpoint { path: folder.to_path_buf() };
    if !path.is_file() {
        return Err(none());
    }
    let broken = |path: &Path, reason: String| Error::BrokenCheckpoint { path: path.to_path_buf(), reason };
    let bytes = std::fs::read(&path).map_err(|error| broken(&path, error.to_string()))?;
    let state: State = serde_json::from_slice(&bytes).map_err(|error| broken(&path, error.to_string()))?;
    if state.epochs.is_empty() {
        return Err(none());
    }
    let [model, optimizer, schedule] = PARTS.map(|name| part_path(folder, name, state.epochs.len()));
    let part = |path: &Path, failure: Option<CheckpointerError>| match failure {
        Some(error) => Err(broken(path, error.to_string().replace('\n', " "))),
        None => Ok(()),
    };
    part(&model, <ModuleRecord as Checkpoint>::load(model.clone()).err())?;
    part(&optimizer, <OptimizerRecord as Checkpoint>::load(optimizer.clone()).err())?;
    part(&schedule, <LrSchedulerRecord as Checkpoint>::load(schedule.clone()).err())?;
    if state.settings.averaging > 0.0 {
        let average = part_path(folder, AVERAGE, state.epochs.len());
        part(&average, <ModuleRecord as Checkpoint>::load(average.clone()).err())?;
    }
    Ok(state)
}

impl State {
    /// Refuses to continue this run with another layer, seed or settings.
    pub(crate) fn check_same(&self, other: &State, folder: &Path) -> Result<(), Error> {
        let differ = |name: &str, found: String, expected: String| {
            Err(Error::OtherSettings { path: folder.to_path_buf(), name: name.into(), found, expected })
        };
        if other.layer != self.layer {
            return differ("--layer", other.layer.as_str().into(), self.layer.as_str().into());
        }
        if other.seed != self.seed {
            return differ("--seed", other.seed.to_string(), self.seed.to_string());
        }
        other.settings.check_same(&self.settings, folder)
    }
}
