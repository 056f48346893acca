//! The minimisers of a trained energy for the test examples, with a solver of one's choice.

use super::model::{self, Description};
use super::network::Network;
use crate::dataset::batches::Batches;
use crate::dataset::encoding::Encoding;
use crate::dataset::example::Example;
use crate::dataset::labelled::labelled;
use crate::error::Error;
use crate::options::LayerName;
use banach::FixedPointConfig;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::path::Path;
use std::sync::Arc;

/// A trained network of FPI_GD, and examples for it.
#[derive(Debug)]
pub(crate) struct Minimisation {
    description: Description,
    network: Network,
    /// The features of all examples.
    pub(crate) z: Tensor<2>,
}

impl Minimisation {
    /// The network in the results folder of a run, and the examples of a file.
    pub(crate) fn read(folder: &Path, examples: &Path) -> Result<Self, Error> {
        let device = Device::flex();
        let (description, network) = model::read(folder, &device)?;
        if description.layer != LayerName::FpiGd {
            return Err(Error::Setting {
                found: format!("a run of {} in {}", description.layer.as_str(), folder.display()),
                expected: "a run of fpi-gd, which minimises an energy".into(),
                advice: "train one with `banach train bibtex --layer fpi-gd`".into(),
            });
        }
        let encoding: &Encoding = &description.encoding;
        let examples: Arc<[Example]> = labelled(examples, encoding)?.examples.into();
        let batch = Batches::in_order(Arc::clone(&examples), encoding.widths(), examples.len(), &device)
            .pass(1)
            .next();
        let z = batch.ok_or_else(|| Error::Training("the file holds no example".into()))?.z;
        Ok(Self { description, network, z })
    }

    /// How the run solves.
    pub(crate) fn config(&self) -> FixedPointConfig {
        self.description.settings.fixed_point(self.description.layer)
    }

    /// A copy of the network that solves by another configuration.
    pub(crate) fn with_config(&self, config: &FixedPointConfig) -> Result<Network, Error> {
        let Description { layer, settings, encoding, .. } = &self.description;
        let shape = settings.shape(*layer, encoding.widths());
        let network = Network::new(shape, 0, config, &[], &Device::flex())?;
        let record = self.network.clone().into_record();
        network.try_load_record(record).map_err(|error| Error::Training(error.to_string()))
    }

    /// The trained network.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }
}
