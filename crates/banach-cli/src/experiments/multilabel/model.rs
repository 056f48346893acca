//! Trained classifiers as files.

use super::network::Network;
use super::settings::Settings;
use crate::dataset::encoding::Encoding;
use crate::error::Error;
use crate::experiments::trained::Files;
use crate::options::LayerName;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::path::Path;

const ADVICE: &str = "name the results folder of a `banach train multilabel` or `banach train bibtex`, whose model.json describes best.bpk";

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

/// The network in a folder.
pub(crate) fn read(folder: &Path, device: &Device) -> Result<(Description, Network), Error> {
    let files = Files::read(folder, ADVICE)?;
    let description: Description = files.description()?;
    let Description { layer, settings, encoding, .. } = &description;
    let (shape, config) = (settings.shape(*layer, encoding.widths()), settings.fixed_point(*layer));
    let network = files.load(Network::new(shape, 0, &config, &[], device)?)?;
    Ok((description, network))
}
