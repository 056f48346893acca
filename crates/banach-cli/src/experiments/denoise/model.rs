//! Trained networks as files: a description, and the weights beside it.

use super::denoiser::Denoiser;
use super::network::{Network, Shape};
use super::settings;
use crate::error::Error;
use crate::report::file;
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device};
use std::path::Path;

/// The description of a network.
pub(crate) const MODEL: &str = "model.json";
/// The weights of the best epoch.
pub(crate) const BEST: &str = "best.bpk";

/// Writes a network into a folder: the weights first, which the description then stands for.
pub(crate) fn write(folder: &Path, shape: Shape, network: &Network) -> Result<(), Error> {
    let path = folder.join(BEST);
    let bytes = network.clone().into_record().into_bytes();
    let bytes = bytes.map_err(|error| Error::write(&path, error))?;
    file::write_whole(&path, &bytes).map_err(|error| Error::write(&path, error))?;
    file::write_json(&folder.join(MODEL), &shape)
}

/// The network in a folder.
pub(crate) fn read(folder: &Path) -> Result<(Shape, Denoiser), Error> {
    let bytes = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| broken(&path, error))
    };
    let (description, weights) = (bytes(MODEL)?, bytes(BEST)?);
    decode(folder, &description, weights)
}

/// The network of a description and its weights; errors name the folder.
pub(crate) fn decode(
    folder: &Path,
    description: &[u8],
    weights: Vec<u8>,
) -> Result<(Shape, Denoiser), Error> {
    let shape: Shape =
        serde_json::from_slice(description).map_err(|error| broken(&folder.join(MODEL), error))?;
    let device = Device::flex();
    let network = Network::new(shape, 0, &settings::evaluation(), &device)?;
    let broken = |error: &dyn std::fmt::Display| broken(&folder.join(BEST), error);
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(weights)).map_err(|error| broken(&error))?;
    let network = network.try_load_record(record).map_err(|error| broken(&error))?;
    Ok((shape, Denoiser::new(network, &device)))
}

fn broken(path: &Path, reason: impl ToString) -> Error {
    let reason = reason.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    // Of many weights that do not fit the first tells enough.
    let reason = reason.replace("Record validation error: ", "").replace("Apply errors: ", "");
    let reason = reason.split("\", \"").next().unwrap_or_default().replace(['[', ']', '"'], "");
    Error::Model {
        path: path.to_path_buf(),
        reason,
        advice: "name the results folder of a `banach train denoise`, whose model.json describes best.bpk",
    }
}
