//! The training of a denoiser by compiled steps, epoch by epoch.

use super::denoiser::Denoiser;
use super::evaluation::validate;
use super::history::{Epoch, Scores, State};
use super::network::Network;

use super::settings::Settings;
use crate::dataset::patches::{Batch, Patches, signs};
use crate::dataset::photographs::Photograph;
use crate::error::Error;
use crate::experiments::checkpoint::{self, Parts, Writer};
use crate::experiments::continuation::End;
use crate::experiments::epoch::{Sums, written};
use crate::experiments::schedule::Schedule;
use crate::experiments::session::Session;
use crate::experiments::trained;
use crate::terminal::progress::Progress;
use banach::{AdamConfig, Objective, clip_gradients};
use burn::module::Module as _;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use std::time::Instant;

/// Norm to which the gradient of all parameters together is clipped.
const GRADIENT_NORM: f64 = 0.2;
/// The Jacobian is penalised in one mini-batch of this number, with a weight this many times as large.
const PENALISED: usize = 4;
/// Most lines of epochs that a run writes.
const MOST_LINES: usize = 100;

/// A noisy batch, its noise, and the weight of each row.
type Noisy = (Tensor<4>, Tensor<4>, Tensor<4>);

/// A noisy batch as [`Noisy`], with a probe of the Jacobian.
type Probed = (Tensor<4>, Tensor<4>, Tensor<4>, Tensor<4>);

/// The penalty of the Jacobian: in every [`PENALISED`]th mini-batch, and alone where most rows of a mini-batch fail.
#[derive(Debug)]
struct Penalty {
    with_loss: Objective<Network, Probed>,
    alone: Objective<Network, (Tensor<4>, Tensor<4>)>,
    channels: usize,
    seed: u64,
}

impl Penalty {
    fn new(weight: f64, channels: usize, seed: u64) -> Self {
        let weight = weight * PENALISED as f64;
        Self {
            with_loss: Objective::new(move |network: &Network, batch| penalised(network, batch, weight)),
            alone: Objective::new(move |network: &Network, (z, probe)| network.gain(z, probe) * weight),
            channels,
            seed,
        }
    }

    /// The probe of mini-batch number `index`.
    fn probe(&self, z: &Tensor<4>, index: usize) -> Tensor<4> {
        let [rows, _, height, width] = z.dims();
        signs([rows, self.channels, height, width], self.seed, index as u64, &z.device())
    }
}

/// A network with everything that changes while it trains.
pub(crate) struct Training<'a> {
    session: &'a Session,
    patches: &'a Patches,
    validation: &'a [Photograph],
    network: Network,
    objective: Objective<Network, Noisy>,
    /// None where the Jacobian is not penalised.
    penalty: Option<Penalty>,
    optimizer: ModuleOptimizer,
    schedule: Schedule,
    writer: Writer,
}

impl<'a> Training<'a> {
    /// Starts with a network, or continues from the parts of a checkpoint.
    pub(crate) fn new(
        session: &'a Session,
        (patches, validation): (&'a Patches, &'a [Photograph]),
        (settings, seed): (&Settings, u64),
        network: Network,
        parts: Option<Parts>,
    ) -> Result<Self, Error> {
        let objective = Objective::new(loss);
        let weight = settings.jacobian_weight;
        let penalty = (weight > 0.0).then(|| Penalty::new(weight, settings.channels, seed));
        let mut training = Self {
            session,
            patches,
            validation,
            network,
            objective,
            penalty,
            optimizer: AdamConfig::new().init().map_err(Error::layer)?,
            schedule: Schedule::new(settings.learning_rate, settings.epochs * patches.count()),
            writer: Writer::new(&session.path(checkpoint::FOLDER)),
        };
        if let Some(Parts { model, optimizer, .. }) = parts {
            let loaded = training.network.try_load_record(model);
            training.network = loaded.map_err(|error| Error::Training(error.to_string()))?;
            training.optimizer = training.optimizer.load_record(optimizer);
        }
        Ok(training)
    }

    /// Trains up to the last epoch of the settings, and adds each finished epoch to the state. The denoiser has the shape of
    /// the network.
    pub(crate) fn run(&mut self, state: &mut State, denoiser: &Denoiser) -> Result<End, Error> {
        let trained = self.epochs(state, denoiser);
        // The last checkpoint must be complete however the run ends.
        self.writer.finish().and(trained)
    }

    fn epochs(&mut self, state: &mut State, denoiser: &Denoiser) -> Result<End, Error> {
        let (total, count) = (state.settings.epochs, self.patches.count());
        let progress = self.session.progress(state.epochs.len() * count, total * count, "mini-batches");
        for epoch in state.epochs.len() + 1..=total {
            let (begun, trained) = (Instant::now(), self.train_epoch(epoch, &progress)?);
            let seconds = begun.elapsed().as_secs_f64();
            let Some(mut sums) = trained else { return Ok(End::Interrupted) };
            let denoiser = denoiser.clone().with_weights(&self.network)?;
            let sigma = state.settings.sigma.typical();
            let scored = validate(&denoiser, self.validation, sigma, &self.session.interruption);
            let Some((validation_psnr, work)) = scored else { return Ok(End::Interrupted) };
            sums.work.add_failures(&work);
            let validation_steps = work.mean_forward_steps().filter(|_| state.layer.solves());
            let scores = Scores { validation_psnr, validation_steps };
            let finished = Epoch { epoch, seconds, sums, scores };
            let every = total.div_ceil(MOST_LINES);
            if epoch.is_multiple_of(every) || epoch == total {
                progress.print(|| line(&finished, total));
            }
            self.finish_epoch(finished, state)?;
            if state.is_over() {
                break;
            }
        }
        Ok(End::Finished)
    }

    /// Trains the network on every mini-batch once; none if interrupted.
    fn train_epoch(&mut self, epoch: usize, progress: &Progress) -> Result<Option<Sums>, Error> {
        let mut sums = Sums::default();
        let patches = self.patches;
        for (index, batch) in patches.pass(epoch).enumerate() {
            sums += self.step(batch, (epoch - 1) * patches.count() + index)?;
            progress.advance_bar();
            if self.session.interruption.is_requested() {
                return Ok(None);
            }
        }
        Ok(Some(sums))
    }

    /// Trains with mini-batch number `index`, counted from 0 over all epochs. Where the loss or the gradient is not finite,
    /// every row counts as not finite and the weights stay. Where most solves fail, the gradient leads further away from a
    /// contraction, and that of the penalty alone takes its place.
    fn step(&mut self, batch: Batch, index: usize) -> Result<Sums, Error> {
        let (rows, rate, z) = (batch.z.dims()[0], self.schedule.rate(index), batch.z.clone());
        let (loss, mut gradients) = self.gradient(batch, index)?;
        let mut work = self.network.take_work(rows);
        // Of two solves a row, forward and adjoint.
        if let Some(penalty) = &self.penalty
            && work.unconverged_rows > rows
        {
            let probe = penalty.probe(&z, index);
            let found = penalty.alone.value_and_gradient(&self.network, (z, probe)).map_err(Error::layer)?;
            (_, gradients) = found;
            // The solve is that of before.
            let _ = self.network.take_work(rows);
        }
        let (gradients, norm) =
            clip_gradients(&self.network, gradients, GRADIENT_NORM).map_err(Error::layer)?;
        if norm.is_finite() && loss.is_finite() {
            self.network = self.optimizer.step(rate, self.network.clone(), gradients);
        } else {
            work.non_finite_rows = rows;
        }
        Ok(Sums::of_mini_batch(loss, rows, work))
    }

    /// The loss and its gradient; that of every [`PENALISED`]th mini-batch holds the penalty.
    fn gradient(
        &self,
        Batch { z, noise, weight }: Batch,
        index: usize,
    ) -> Result<(f64, GradientsParams), Error> {
        match &self.penalty {
            Some(penalty) if index.is_multiple_of(PENALISED) => {
                let probe = penalty.probe(&z, index);
                penalty.with_loss.value_and_gradient(&self.network, (z, noise, weight, probe))
            }
            _ => self.objective.value_and_gradient(&self.network, (z, noise, weight)),
        }
        .map_err(Error::layer)
    }

    /// Adds the epoch to the state, writes the checkpoint, and keeps the network if it is the best so far.
    fn finish_epoch(&mut self, epoch: Epoch, state: &mut State) -> Result<(), Error> {
        state.epochs.push(epoch);
        if state.has_improved() {
            trained::write(self.session.folder.path(), &state.settings.shape(state.layer), &self.network)?;
        }
        let (model, optimizer) = (self.network.clone().into_record(), self.optimizer.to_record());
        self.writer.save(state, Parts { model, optimizer, average: None })
    }
}

/// The mean squared error of the estimated noise, in units of the variance of the noise.
fn loss(network: &Network, (z, noise, weight): Noisy) -> Tensor<1> {
    ((network.noise(z) - noise) * weight).square().mean()
}

/// The loss with a penalty of the weight given on `‖J‖_F² / n`.
fn penalised(network: &Network, (z, noise, row_weight, probe): Probed, weight: f64) -> Tensor<1> {
    let (found, gain) = network.noise_and_gain(z, probe);
    ((found - noise) * row_weight).square().mean() + gain * weight
}

fn line(epoch: &Epoch, epochs: usize) -> String {
    let (sums, scores, width) = (&epoch.sums, &epoch.scores, epochs.to_string().len());
    let line = format!(
        "epoch {:>width$}/{epochs} {:6.1} s  loss {}  validation PSNR {}  steps {} + {}, evaluated {}",
        epoch.epoch,
        epoch.seconds,
        written(sums.mean_loss(), 5),
        written(scores.validation_psnr, 3),
        written(sums.work.mean_forward_steps(), 1),
        written(sums.work.mean_adjoint_steps(), 1),
        written(scores.validation_steps, 1),
    );
    line + &sums.work.failures()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::patches::NoiseLevel;
    use crate::experiments::denoise::network::Shape;
    use crate::options::LayerName;
    use banach::FixedPointConfig;
    use banach::solve::Tolerance;
    use burn::module::{ModuleMapper, Param};
    use burn::tensor::{Device, TensorData};

    /// Multiplies every parameter.
    struct Times(f64);

    impl ModuleMapper for Times {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weight| (weight * self.0).detach().require_grad())
        }
    }

    #[test]
    fn the_penalty_alone_leads_back_to_a_contraction() {
        let (device, sigma) = (Device::flex().autodiff(), NoiseLevel::Fixed(25.0));
        let gain = Some(100.0);
        let shape = Shape { layer: LayerName::FpiNn, fold: 1, channels: 8, convolutions: 2, gain, sigma };
        let config = FixedPointConfig::new()
            .with_tolerance(Tolerance { relative: 1e-2, ..Tolerance::default() })
            .with_max_steps(16)
            .with_escalate(false);
        let mut network = Network::new(shape, 1, &config, &device).unwrap().map(&mut Times(3.0));
        let levels = (0..2 * 12 * 12).map(|at| (at as f32 * 0.7).sin().abs()).collect::<Vec<f32>>();
        let z = Tensor::<4>::from_data(TensorData::new(levels, [2, 1, 12, 12]), &device);
        let failed = |network: &Network| {
            let _ = network.noise(z.clone());
            network.take_work(2).unconverged_rows
        };
        assert_eq!(failed(&network), 2);
        let penalty = Penalty::new(1.0, 8, 1);
        let mut optimizer = AdamConfig::new().init().unwrap();
        for index in 0..40 {
            let probed = (z.clone(), penalty.probe(&z, index));
            let (_, gradients) = penalty.alone.value_and_gradient(&network, probed).unwrap();
            network = optimizer.step(2e-2, network, gradients);
        }
        let _ = network.take_work(2);
        assert_eq!(failed(&network), 0);
    }
}
