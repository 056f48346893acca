//! Trained networks of optical flow as files.

use super::estimator::Estimator;
use super::network::{Network, Shape};
use super::{pytorch, settings};
use crate::error::Error;
use crate::experiments::trained::Files;
use burn::tensor::Device;
use std::path::Path;

const ADVICE: &str = "name the results folder of a `banach train flow`, whose model.json describes best.bpk, or a file of weights from PyTorch";

/// The network in a folder or a file of weights from PyTorch, ready to estimate flow.
pub(crate) fn read(path: &Path) -> Result<(Shape, Estimator), Error> {
    let device = Device::flex();
    let (shape, network) = network(path, &device)?;
    Ok((shape, Estimator::new(network, &device)))
}

/// The network in a folder or a file of weights from PyTorch.
pub(crate) fn network(path: &Path, device: &Device) -> Result<(Shape, Network), Error> {
    if path.is_file() {
        return pytorch::read(path, device);
    }
    built(Files::read(path, ADVICE)?, device)
}

/// The network that files describe.
fn built(files: Files<'_>, device: &Device) -> Result<(Shape, Network), Error> {
    let shape: Shape = files.description()?;
    let network = Network::new(shape, 0, &settings::evaluation(), device)?;
    Ok((shape, files.load(network)?))
}
