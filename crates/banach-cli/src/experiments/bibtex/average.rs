//! Which weights are evaluated? A running mean of those that training passed through.

use super::checkpoint::{self, AVERAGE, part_path};
use super::network::Network;
use crate::report::file;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::store::ModuleRecord;
use burn::tensor::Tensor;
use burn::train::checkpoint::Checkpoint;
use std::path::{Path, PathBuf};

/// Files kept beside the checkpoints, as many as there are of those.
const KEPT: usize = checkpoint::KEPT;

/// `m ← d m + (1 - d) θ` after every mini-batch, with d growing from 0.1 to its final value.
///
/// Means of the last steps are less noisy than the last step, most of all while the step size is still large.
#[derive(Clone, Debug)]
pub(crate) struct Average {
    mean: Network,
    decay: f64,
    folder: PathBuf,
}

impl Average {
    /// Starts at the weights of a network, off the tape; files go into `folder`.
    pub(crate) fn new(network: &Network, decay: f64, folder: &Path) -> Self {
        Self { mean: network.valid(), decay, folder: folder.to_path_buf() }
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

    fn path(&self, epoch: usize) -> PathBuf {
        part_path(&self.folder, AVERAGE, epoch)
    }

    /// Writes the mean after an epoch; nothing is written where no mean is taken.
    pub(crate) fn save(&self, epoch: usize) -> Result<(), String> {
        if self.decay == 0.0 {
            return Ok(());
        }
        let bytes = self.mean.clone().into_record().into_bytes().map_err(|error| error.to_string())?;
        file::write_whole(&self.path(epoch), &bytes).map_err(|error| error.to_string())?;
        if epoch > KEPT {
            let _ = std::fs::remove_file(self.path(epoch - KEPT));
        }
        Ok(())
    }

    /// The mean as it was after an epoch.
    pub(crate) fn restored(mut self, epoch: usize) -> Result<Self, String> {
        if self.decay > 0.0 && epoch > 0 {
            let path = self.path(epoch);
            let record = <ModuleRecord as Checkpoint>::load(path.clone());
            let record = record.map_err(|error| format!("{}: {error}", path.display()))?;
            self.mean = self.mean.try_load_record(record).map_err(|error| error.to_string())?;
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
