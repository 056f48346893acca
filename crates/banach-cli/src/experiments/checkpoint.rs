//! Checkpoints: what a run needs to continue, complete or not there.

use super::epoch::Epoch;
use crate::error::Error;
use crate::options::LayerName;
use crate::report::file;
use banach::program::panics_as_messages;
use burn::optim::OptimizerRecord;
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

/// The folder of the checkpoints within the results.
pub(crate) const FOLDER: &str = "checkpoint";
const STATE: &str = "state.json";
const PARTS: [&str; 3] = ["model", "optimizer", "average"];

/// What a file of JSON holds, and a thread of its own may write.
pub(crate) trait Recorded: Clone + Serialize + DeserializeOwned + Send + 'static {}

impl<T: Clone + Serialize + DeserializeOwned + Send + 'static> Recorded for T {}

/// The settings of an experiment, which a resumed run must repeat.
pub(crate) trait Repeatable: Recorded {
    /// The settings that may change when a run continues.
    const CHANGEABLE: &'static [&'static str];
    /// The settings that no option gives.
    const WITHOUT_OPTION: &'static [&'static str] = &[];

    /// Most epochs.
    fn epochs(&self) -> usize;

    /// Epochs without a better score after which training stops.
    fn patience(&self) -> usize;

    /// Where the examples come from.
    fn examples(&self) -> PathBuf;

    /// Whether a running mean of the weights is part of a checkpoint.
    fn averages(&self) -> bool {
        false
    }

    /// Refuses to continue a run in `path` that was started with other settings. The data may have moved as long as they are
    /// the same.
    fn check_same(&self, earlier: &Self, path: &Path) -> Result<(), Error> {
        let fields = |settings: &Self| serde_json::to_value(settings).unwrap_or_default();
        let (found, expected) = (fields(self), fields(earlier));
        // Another recipe changes many settings, and none of them was asked for.
        let names = found.as_object().into_iter().flat_map(|fields| fields.keys().map(String::as_str));
        let mut names = std::iter::once("recipe").chain(names);
        match names.find(|name| !Self::CHANGEABLE.contains(name) && found[*name] != expected[*name]) {
            None => Ok(()),
            Some("data_fingerprint") => Err(Error::OtherExamples { data: self.examples() }),
            Some(name) => Err(Error::OtherSettings {
                path: path.to_path_buf(),
                name: if Self::WITHOUT_OPTION.contains(&name) {
                    name.replace('_', " ")
                } else {
                    format!("--{}", name.replace('_', "-"))
                },
                found: bare(&found[name]),
                expected: bare(&expected[name]),
            }),
        }
    }
}

/// A value without the quotes of a string.
fn bare(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

/// The run that a checkpoint belongs to, with its settings S, and its finished epochs, with their scores E. The parts of
/// the last epoch lie beside the state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "S: DeserializeOwned, E: DeserializeOwned"))]
pub(crate) struct State<S, E> {
    pub(crate) layer: LayerName,
    pub(crate) seed: u64,
    pub(crate) settings: S,
    pub(crate) epochs: Vec<Epoch<E>>,
}

/// What training continues from.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The weights.
    pub(crate) model: ModuleRecord,
    /// The moments of the optimizer.
    pub(crate) optimizer: OptimizerRecord,
    /// The running mean of the weights, where one is taken.
    pub(crate) average: Option<ModuleRecord>,
}

/// Writes checkpoints in a thread of its own, one after the other.
#[derive(Debug)]
pub(crate) struct Writer {
    folder: PathBuf,
    pending: Option<JoinHandle<Result<(), Error>>>,
}

impl Writer {
    /// A writer into `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), pending: None }
    }

    /// Writes the parts, then the state that names them, then removes the parts before. Waits for the checkpoint before.
    pub(crate) fn save<S: Repeatable, E: Recorded>(
        &mut self,
        state: &State<S, E>,
        parts: Parts,
    ) -> Result<(), Error> {
        self.finish()?;
        let (folder, state) = (self.folder.clone(), state.clone());
        // The tensors may be those of a server that is lost before they are read.
        let written = move || panics_as_messages(|| write(&folder, &state, parts));
        self.pending = Some(std::thread::spawn(move || {
            written().unwrap_or_else(|message| {
                Err(Error::Training(format!("no checkpoint was written: {message}")))
            })
        }));
        Ok(())
    }

    /// Waits until the last checkpoint is on disk.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        match self.pending.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

fn write<S: Repeatable, E: Recorded>(folder: &Path, state: &State<S, E>, parts: Parts) -> Result<(), Error> {
    let epoch = state.epochs.len();
    let Parts { model, optimizer, average } = parts;
    let records =
        [Some(model.into_bytes()), Some(optimizer.into_bytes()), average.map(ModuleRecord::into_bytes)];
    for (name, record) in PARTS.iter().zip(records) {
        let path = part_path(folder, name, epoch);
        if let Some(record) = record {
            let bytes = record.map_err(|error| Error::write(&path, error))?;
            file::write_whole(&path, &bytes).map_err(|error| Error::write(&path, error))?;
        }
    }
    begin(folder, state)?;
    for name in PARTS {
        // A part that stays behind only takes room.
        let _ = std::fs::remove_file(part_path(folder, name, epoch.saturating_sub(1)));
    }
    Ok(())
}

fn part_path(folder: &Path, name: &str, epoch: usize) -> PathBuf {
    folder.join(format!("{name}-{epoch}.bpk"))
}

/// Writes the state alone, which says whose the folder is before an epoch is finished.
pub(crate) fn begin<S: Repeatable, E: Recorded>(folder: &Path, state: &State<S, E>) -> Result<(), Error> {
    file::write_json(&folder.join(STATE), state)
}

/// The state in `folder`, which names at least one finished epoch.
pub(crate) fn load<S: Repeatable, E: Recorded>(folder: &Path) -> Result<State<S, E>, Error> {
    let path = folder.join(STATE);
    let none = || Error::NoCheckpoint { path: folder.to_path_buf() };
    if !path.is_file() {
        return Err(none());
    }
    let bytes = std::fs::read(&path).map_err(|error| broken(&path, error))?;
    let state: State<S, E> = serde_json::from_slice(&bytes).map_err(|error| broken(&path, error))?;
    if state.epochs.is_empty() { Err(none()) } else { Ok(state) }
}

/// The parts of the last epoch of a state.
pub(crate) fn load_parts<S: Repeatable, E: Recorded>(
    folder: &Path,
    state: &State<S, E>,
) -> Result<Parts, Error> {
    let [model, optimizer, average] = PARTS.map(|name| part_path(folder, name, state.epochs.len()));
    let averages = state.settings.averages();
    Ok(Parts {
        model: read(&model, ModuleRecord::from_bytes)?,
        optimizer: read(&optimizer, OptimizerRecord::from_bytes)?,
        average: averages.then(|| read(&average, ModuleRecord::from_bytes)).transpose()?,
    })
}

fn read<R>(path: &Path, from_bytes: fn(Bytes) -> Result<R, RecordError>) -> Result<R, Error> {
    let bytes = std::fs::read(path).map_err(|error| broken(path, error))?;
    from_bytes(Bytes::from_bytes_vec(bytes)).map_err(|error| broken(path, error))
}

fn broken(path: &Path, reason: impl ToString) -> Error {
    Error::BrokenCheckpoint { path: path.to_path_buf(), reason: reason.to_string().replace('\n', " ") }
}

impl<S: Repeatable, E: Recorded> State<S, E> {
    /// Refuses to continue this run with another layer, seed or settings.
    pub(crate) fn check_same(&self, other: &Self, folder: &Path) -> Result<(), Error> {
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
