//! Trained networks as files: a description, and the weights beside it.

use crate::error::Error;
use crate::report::file;
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// The description of a network.
pub(crate) const MODEL: &str = "model.json";
/// The weights of the best epoch.
pub(crate) const BEST: &str = "best.bpk";

/// Writes a network into a folder: the weights first, which the description then stands for.
pub(crate) fn write<M: Module>(
    folder: &Path,
    description: &impl Serialize,
    network: &M,
) -> Result<(), Error> {
    let path = folder.join(BEST);
    let bytes = network.clone().into_record().into_bytes();
    let bytes = bytes.map_err(|error| Error::write(&path, error))?;
    file::write_whole(&path, &bytes).map_err(|error| Error::write(&path, error))?;
    file::write_json(&folder.join(MODEL), description)
}

/// The files of a trained network, read but not yet understood.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    /// The folder that errors name.
    pub(crate) folder: &'a Path,
    /// Where such a folder comes from, for the advice of errors.
    pub(crate) advice: &'static str,
    pub(crate) description: Vec<u8>,
    pub(crate) weights: Vec<u8>,
}

impl<'a> Files<'a> {
    /// The files in a folder.
    pub(crate) fn read(folder: &'a Path, advice: &'static str) -> Result<Self, Error> {
        let bytes =
            |name| std::fs::read(folder.join(name)).map_err(|error| broken(folder, name, advice, error));
        Ok(Self { folder, advice, description: bytes(MODEL)?, weights: bytes(BEST)? })
    }

    /// The description.
    pub(crate) fn description<D: DeserializeOwned>(&self) -> Result<D, Error> {
        serde_json::from_slice(&self.description)
            .map_err(|error| broken(self.folder, MODEL, self.advice, error))
    }

    /// The network with the weights of the file.
    pub(crate) fn load<M: Module>(self, network: M) -> Result<M, Error> {
        let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(self.weights));
        let record = record.map_err(|error| broken(self.folder, BEST, self.advice, error))?;
        // Weights may be stored in half precision.
        network
            .try_load_record(record.cast_to_module_dtype())
            .map_err(|error| broken(self.folder, BEST, self.advice, error))
    }
}

fn broken(folder: &Path, name: &str, advice: &'static str, reason: impl ToString) -> Error {
    let reason = reason.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    // Of many weights that do not fit the first tells enough.
    let reason = reason.replace("Record validation error: ", "").replace("Apply errors: ", "");
    let reason = reason.split("\", \"").next().unwrap_or_default().replace(['[', ']', '"'], "");
    Error::Model { path: folder.join(name), reason: reason.chars().take(200).collect(), advice }
}
