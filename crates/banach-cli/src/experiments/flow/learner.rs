//! A network of optical flow that learns from mini-batches, by compiled steps.

use super::arguments::{Changes, FlowArguments};
use super::loss::{self, Pairs};
use super::network::Network;
use super::settings::Settings;
use crate::dataset::chairs::Chairs;
use crate::dataset::pair_batches::{Batch, PairBatches};
use crate::dataset::textures;
use crate::error::Error;
use crate::experiments::checkpoint::Parts;
use crate::experiments::epoch::Sums;
use crate::options::LayerName;
use banach::{AdamConfig, Objective, clip_gradients};
use burn::module::Module as _;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use std::sync::Arc;

/// Norm to which the gradient of all parameters together is clipped.
const GRADIENT_NORM: f64 = 1.0;

/// A network, what it minimises, and the state of Adam.
pub(crate) struct Learner {
    /// None while a step changes it.
    network: Option<Network>,
    objective: Objective<Network, Pairs>,
    optimizer: ModuleOptimizer,
}

impl Learner {
    /// A learner at its beginning, or as the parts of a checkpoint have it; frozen, the layer alone learns.
    pub(super) fn new(network: Network, frozen: bool, parts: Option<Parts>) -> Result<Self, Error> {
        let objective = Objective::new(if frozen { loss::of_the_layer } else { loss::of_all_scales });
        let optimizer = AdamConfig::new().init().map_err(Error::layer)?;
        let Some(Parts { model, optimizer: state, .. }) = parts else {
            return Ok(Self { network: Some(network), objective, optimizer });
        };
        let loaded = network.try_load_record(model).map_err(|error| Error::Training(error.to_string()))?;
        let network = if frozen { loaded.frozen() } else { loaded };
        Ok(Self { network: Some(network), objective, optimizer: optimizer.load_record(state) })
    }

    /// The network as it is.
    pub(super) fn network(&self) -> &Network {
        match &self.network {
            Some(network) => network,
            None => panic!("bug: a step did not put the network back"),
        }
    }

    /// A network of the default settings, and a mini-batch of pairs of a size to train it with.
    pub(crate) fn measured(layer: LayerName, size: [usize; 2]) -> Result<(Self, Batch), Error> {
        let changes = Changes::default();
        let arguments = FlowArguments {
            data: None,
            photographs: None,
            layer,
            width: None,
            frozen: None,
            epochs: None,
            changes,
            patience: 1,
            resume: false,
        };
        let textures = textures::load(None, size)?;
        let settings = Settings::new(&arguments, None, &textures.fingerprint);
        let (device, seed, [_, rows]) = (Device::flex().autodiff(), 1, settings.batches());
        let network = Network::new(settings.shape(layer), seed, &settings.training(), &device)?;
        let chairs = Chairs::new(Arc::clone(&textures.train), size, seed);
        let batches = PairBatches::new(chairs, [1, rows], &device);
        let Some(batch) = batches.pass(1).next() else { panic!("bug: an epoch without mini-batches") };
        Ok((Self::new(network, false, None)?, batch))
    }

    /// The checkpoint of this state.
    pub(super) fn parts(&self) -> Parts {
        let (model, optimizer) = (self.network().clone().into_record(), self.optimizer.to_record());
        Parts { model, optimizer, average: None }
    }

    /// Learns from a mini-batch. Where the loss or the gradient is not finite, every row counts as not finite and the weights
    /// stay.
    pub(crate) fn step(&mut self, Batch { images, flow }: Batch, rate: f64) -> Result<Sums, Error> {
        let rows = images.dims()[0];
        let found = self.objective.value_and_gradient(self.network(), (images, flow));
        let (loss, gradients) = found.map_err(Error::layer)?;
        let (gradients, norm) =
            clip_gradients(self.network(), gradients, GRADIENT_NORM).map_err(Error::layer)?;
        let mut work = self.network().take_work(rows);
        if norm.is_finite() && loss.is_finite() {
            // Weights that nothing else holds are changed where they lie.
            self.network = self.network.take().map(|network| self.optimizer.step(rate, network, gradients));
        } else {
            work.non_finite_rows = rows;
        }
        Ok(Sums::of_mini_batch(loss, rows, work))
    }
}
