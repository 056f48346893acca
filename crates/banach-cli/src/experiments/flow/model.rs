//! Trained networks of optical flow as files.

use super::estimator::Estimator;
use super::network::{Network, Shape};
use super::settings;
use crate::error::Error;
use crate::experiments::trained::Files;
use burn::tensor::Device;
use std::path::Path;

const ADVICE: &str = "name the results folder of a `banach train flow`, whose model.json describes best.bpk";

/// The network in a folder, ready to estimate flow.
pub(crate) fn read(folder: &Path) -> Result<(Shape, Estimator), Error> {
    let device = Device::flex();
    let (shape, network) = network(folder, &device)?;
    Ok((shape, Estimator::new(network, &device)))
}

/// The network in a folder.
pub(crate) fn network(folder: &Path, device: &Device) -> Result<(Shape, Network), Error> {
    let files = Files::read(folder, ADVICE)?;
    let shape: Shape = files.description()?;
    let network = Network::new(shape, 0, &settings::evaluation(), device)?;
    Ok((shape, files.load(network)?))
}
