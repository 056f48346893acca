//! Trained denoisers as files.

use super::denoiser::Denoiser;
use super::network::{Network, Shape};
use super::settings;
use crate::error::Error;
use crate::experiments::trained::Files;
use burn::tensor::Device;
use std::path::Path;

const ADVICE: &str =
    "name the results folder of a `banach train denoise`, whose model.json describes best.bpk";

/// The network in a folder.
pub(crate) fn read(folder: &Path) -> Result<(Shape, Denoiser), Error> {
    denoiser(Files::read(folder, ADVICE)?)
}

/// The network of a description and its weights; errors name the folder.
pub(crate) fn decode(folder: &Path, description: &[u8], weights: &[u8]) -> Result<(Shape, Denoiser), Error> {
    let (description, weights) = (description.to_vec(), weights.to_vec());
    denoiser(Files { folder, advice: ADVICE, description, weights })
}

fn denoiser(files: Files<'_>) -> Result<(Shape, Denoiser), Error> {
    let (device, shape) = (Device::flex(), files.description()?);
    let network = Network::new(shape, 0, &settings::application(), &device)?;
    Ok((shape, Denoiser::new(files.load(network)?, &shape, &device)))
}
