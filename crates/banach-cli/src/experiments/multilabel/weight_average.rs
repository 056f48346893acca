//! The running mean of the weights, which is evaluated instead of the last weights.

use super::network::Network;
use crate::error::Error;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::store::ModuleRecord;
use burn::tensor::Tensor;

/// `m ← d m + (1 - d) θ` after every mini-batch, with d growing from 0.1 to its final value.
///
/// Means of the last steps are less noisy than the last step, most of all while the step size is still large.
#[derive(Clone, Debug)]
pub(crate) struct WeightAverage {
    mean: Network,
    decay: f64,
}

impl WeightAverage {
    /// Starts at the weights of a network, off the tape; the decay 0 takes no mean.
    pub(crate) fn new(network: &Network, decay: f64) -> Self {
        Self { mean: network.valid(), decay }
    }

    /// Takes in the weights after mini-batch number `step`, counted from 0 over all epochs.
    pub(crate) fn add(&mut self, network: &Network, step: usize) {
        if self.decay == 0.0 {
            self.mean = network.valid();
            return;
        }
        let step = step as f64;
        let keep = self.decay.min((1.0 + step) / (10.0 + step));
        let mut collect = Collect(GradientsParams::new());
        network.valid().visit(&mut collect);
        self.mean = self.mean.clone().map(&mut Mix { weights: collect.0, keep });
    }

    /// The network with the mean of the weights.
    pub(crate) fn network(&self) -> &Network {
        &self.mean
    }

    /// The mean as a record; none where no mean is taken.
    pub(crate) fn record(&self) -> Option<ModuleRecord> {
        (self.decay > 0.0).then(|| self.mean.clone().into_record())
    }

    /// The mean of a record; without a record that of the network it was made from.
    pub(crate) fn restored(mut self, record: Option<ModuleRecord>) -> Result<Self, Error> {
        if let Some(record) = record {
            let loaded = self.mean.try_load_record(record);
            self.mean = loaded.map_err(|error| Error::Training(error.to_string()))?;
        }
        Ok(self)
    }
}

/// The weights by their names.
struct Collect(GradientsParams);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.register(param.id, param.val());
    }
}

struct Mix {
    weights: GradientsParams,
    keep: f64,
}

impl ModuleMapper for Mix {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.weights.remove::<D>(param.id) {
            Some(new) => param.map(|mean| mean * self.keep + new * (1.0 - self.keep)),
            None => param,
        }
    }
}
