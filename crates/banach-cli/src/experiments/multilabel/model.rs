//! Trained networks as files: a description, and the weights beside it.

use super::network::Network;
use super::settings::Settings;
use crate::dataset::encoding::Encoding;
use crate::error::Error;
use crate::options::LayerName;
use crate::report::file;
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The description of a network.
pub(crate) const MODEL: &str = "model.json";
/// The weights of the best epoch.
pub(crate) const BEST: &str = "best.bpk";

/// What a network is, and how it reads files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Description {
    /// The layer.
    pub(crate) layer: LayerName,
    /// The epoch of the weights.
    pub(crate) epoch: usize,
    /// The threshold with the best F1 on the validation split.
    pub(crate) threshold: f64,
    /// The settings of the run.
    pub(crate) settings: Settings,
    /// How attributes become features and labels.
    pub(crate) encoding: Encoding,
}

/// Writes a network into a folder: the weights first, which the description then stands for.
pub(crate) fn write(folder: &Path, description: &Description, network: &Network) -> Result<(), Error> {
    let path = folder.join(BEST);
    let bytes = network.clone().into_record().into_bytes();
    let bytes = bytes.map_err(|error| Error::write(&path, error))?;
    file::write_whole(&path, &bytes).map_err(|error| Error::write(&path, error))?;
    file::write_json(&folder.join(MODEL), description)
}

/// The network in a folder.
pub(crate) fn read(folder: &Path, device: &Device) -> Result<(Description, Network), Error> {
    let bytes = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| broken(&path, error))
    };
    let (description, weights) = (bytes(MODEL)?, bytes(BEST)?);
    let description: Description =
        serde_json::from_slice(&description).map_err(|error| broken(&folder.join(MODEL), error))?;
    let Description { layer, settings, encoding, .. } = &description;
    let (shape, config) = (settings.shape(*layer, encoding.widths()), settings.fixed_point(*layer));
    let network = Network::new(shape, 0, &config, &[], device)?;
    let broken = |error: &dyn std::fmt::Display| broken(&folder.join(BEST), error);
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(weights)).map_err(|error| broken(&error))?;
    let network = network.try_load_record(record).map_err(|error| broken(&error))?;
    Ok((description, network))
}

fn broken(path: &Path, reason: impl ToString) -> Error {
    let reason = reason.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let reason = reason.chars().take(200).collect();
    Error::Model {
        path: path.to_path_buf(),
        reason,
        advice: "name the results folder of a `banach train multilabel` or `banach train bibtex`, whose model.json describes best.bpk",
    }
}
