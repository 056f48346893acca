//! The training of a network, epoch by epoch.
//!
//! After every epoch the whole validation split chooses the threshold, the test split is scored for the report, and the
//! best network is kept.

use super::display::Display;
use super::evaluation::F1Scores;
use super::history::{Epoch, Scores, State};
use super::loss::GRADIENT_EPSILON;
use super::model::Description;
use super::network::Network;
use super::settings::Settings;
use super::step;
use super::weight_average::WeightAverage;
use crate::dataset::batches::Batches;
use crate::dataset::encoding::Encoding;
use crate::error::Error;
use crate::experiments::checkpoint::{self, Parts, Writer};
use crate::experiments::continuation::End;
use crate::experiments::epoch::{self, Sums, Work};
use crate::experiments::session::Session;
use crate::experiments::trained;
use crate::run_devices::Devices;
use banach::program::panics_as_messages;
use banach::{AdamConfig, Replicas};
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use std::sync::Arc;
use std::time::Instant;

/// The splits of the data, in mini-batches.
#[derive(Debug)]
pub(crate) struct Splits {
    /// Shuffled anew in each epoch, on the tape.
    pub(crate) train: Batches,
    /// Off the tape.
    pub(crate) validation: Batches,
    /// Off the tape.
    pub(crate) test: Batches,
    /// How the examples were read, for the file beside the network.
    pub(crate) encoding: Arc<Encoding>,
}

/// A network with everything that changes while it trains.
pub(crate) struct Training<'a> {
    session: &'a Session,
    splits: &'a Splits,
    network: Network,
    optimizer: ModuleOptimizer,
    average: WeightAverage,
    rate: FallingRate,
    writer: Writer,
    /// The devices that share mini-batches, if they do.
    shared: Option<(Replicas, Devices)>,
}

impl<'a> Training<'a> {
    /// Starts with a network, or continues from the parts of a checkpoint after `finished` epochs.
    pub(crate) fn new(
        session: &'a Session,
        splits: &'a Splits,
        settings: &Settings,
        network: Network,
        parts: Option<Parts>,
        finished: usize,
    ) -> Result<Self, Error> {
        let adam = AdamConfig::new().with_decay(settings.weight_decay).with_epsilon(GRADIENT_EPSILON);
        let mut training = Self {
            session,
            splits,
            average: WeightAverage::new(&network, settings.averaging),
            network,
            optimizer: adam.init().map_err(Error::layer)?,
            rate: FallingRate::new(
                settings.learning_rate,
                settings.learning_rate_decay,
                splits.train.count(),
            ),
            writer: Writer::new(&session.path(checkpoint::FOLDER)),
            shared: None,
        };
        if let Some(Parts { model, optimizer, average }) = parts {
            let loaded = training.network.try_load_record(model);
            training.network = loaded.map_err(|error| Error::Training(error.to_string()))?;
            training.optimizer = training.optimizer.load_record(optimizer);
            training.average = training.average.restored(average)?;
            training.rate.skip(finished * splits.train.count());
        }
        Ok(training)
    }

    /// Trains in shares on these devices, if mini-batches are shared.
    pub(crate) fn share(&mut self, devices: &Devices) -> Result<(), Error> {
        if devices.is_shared() {
            let tracked = devices.all.iter().map(|device| device.clone().autodiff());
            self.shared = Some((Replicas::new(tracked).map_err(Error::layer)?, devices.clone()));
        }
        Ok(())
    }

    /// Trains up to the last epoch of the settings, and adds each finished epoch to the state.
    pub(crate) fn run(&mut self, state: &mut State, display: &mut Display) -> Result<End, Error> {
        let trained = match self.shared.clone() {
            None => self.epochs(state, display),
            // A tensor of a lost server panics where it is read.
            Some((_, devices)) => panics_as_messages(|| self.epochs(state, display))
                .unwrap_or_else(|message| Err(devices.failed(None, &message))),
        };
        // The last checkpoint must be complete however the run ends.
        let written = self.writer.finish();
        if let Err(Error::Lost(_)) = trained { trained } else { written.and(trained) }
    }

    fn epochs(&mut self, state: &mut State, display: &mut Display) -> Result<End, Error> {
        for epoch in state.epochs.len() + 1..=state.settings.epochs {
            let (begun, mut sums) = (Instant::now(), self.train_epoch(epoch, display)?);
            let seconds = begun.elapsed().as_secs_f64();
            if self.session.interruption.is_requested() {
                return Ok(End::Interrupted);
            }
            let Some((scores, work)) = self.evaluate(display) else { return Ok(End::Interrupted) };
            sums.work.add_failures(&work);
            self.finish_epoch(Epoch { epoch, seconds, sums, scores }, state, display)?;
            if state.is_over() {
                break;
            }
            if self.session.interruption.is_requested() {
                return Ok(End::Interrupted);
            }
        }
        Ok(End::Finished)
    }

    /// Trains the network on every mini-batch once.
    fn train_epoch(&mut self, epoch: usize, display: &mut Display) -> Result<Sums, Error> {
        let (train, mut sums) = (&self.splits.train, Sums::default());
        let shared = self.shared.clone();
        display.training_begins(train.examples().len());
        for (index, batch) in train.pass(epoch).enumerate() {
            let rows = batch.z.dims()[0];
            let (gradients, mini_batch) = match &shared {
                None => step::train(&self.network, batch, epoch),
                Some((replicas, devices)) => {
                    let step = step::train_shared(&self.network, &batch, epoch, replicas);
                    step.map_err(|error| {
                        let banach::Error::Replica { position, message, .. } = error else {
                            return Error::layer(error);
                        };
                        devices.failed(Some(position), &message)
                    })?
                }
            };
            let network = self.network.clone();
            self.network = self.optimizer.step(self.rate.next(), network, gradients).projected();
            self.average.add(&self.network, (epoch - 1) * train.count() + index);
            sums += mini_batch;
            display.trained(&mini_batch, rows);
            if self.session.interruption.is_requested() {
                break;
            }
        }
        display.split_ends();
        Ok(sums)
    }

    /// Scores the validation and test splits; none if interrupted.
    fn evaluate(&self, display: &mut Display) -> Option<(Scores, Work)> {
        let Splits { validation, test, .. } = self.splits;
        let labels = validation.widths().labels;
        let (mut work, mut outputs) = (Work::default(), [F1Scores::new(labels), F1Scores::new(labels)]);
        display.validation_begins(validation.examples().len());
        for (index, split) in [validation, test].into_iter().enumerate() {
            for batch in split.pass(1) {
                let evaluated = step::evaluate(self.average.network(), batch);
                outputs[index].extend(&evaluated.outputs);
                work += evaluated.work;
                if index == 0 {
                    display.validated(&evaluated);
                }
                if self.session.interruption.is_requested() {
                    return None;
                }
            }
        }
        display.split_ends();
        let [on_validation, on_test] = outputs;
        let (threshold, validation_f1) = on_validation.best_threshold(validation.examples());
        let truth = test.examples();
        let scores = Scores {
            threshold,
            validation_f1,
            test_f1: on_test.f1(truth, threshold),
            test_f1_at_half: on_test.f1(truth, 0.5),
            metrics: on_test.metrics(truth, threshold),
            at_half: on_test.metrics(truth, 0.5),
            precision: on_test.precision(truth),
        };
        Some((scores, work))
    }

    /// Adds the epoch to the state, writes the checkpoint, and keeps the network if it is the best so far.
    fn finish_epoch(&mut self, epoch: Epoch, state: &mut State, display: &mut Display) -> Result<(), Error> {
        display.epoch_ends(&epoch);
        state.epochs.push(epoch);
        if let Some(best) = epoch::best(&state.epochs).filter(|_| state.has_improved()) {
            let description = Description {
                layer: state.layer,
                epoch: best.epoch,
                threshold: best.scores.threshold,
                settings: state.settings.clone(),
                encoding: Encoding::clone(&self.splits.encoding),
            };
            trained::write(self.session.folder.path(), &description, self.average.network())?;
        }
        let parts = Parts {
            model: self.network.clone().into_record(),
            optimizer: self.optimizer.to_record(),
            average: self.average.record(),
        };
        self.writer.save(state, parts)
    }
}

/// A step size that falls a little with every mini-batch, by the same part in every epoch.
#[derive(Clone, Copy, Debug)]
struct FallingRate {
    rate: f64,
    factor: f64,
}

impl FallingRate {
    fn new(first: f64, factor_of_an_epoch: f64, mini_batches: usize) -> Self {
        let factor = factor_of_an_epoch.powf(1.0 / mini_batches as f64);
        Self { rate: first / factor, factor }
    }

    fn next(&mut self) -> f64 {
        self.rate *= self.factor;
        self.rate
    }

    /// Passes over mini-batches that an earlier run trained.
    fn skip(&mut self, mini_batches: usize) {
        for _ in 0..mini_batches {
            self.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_size_falls_by_its_factor_in_an_epoch_and_resumes_to_the_bit() {
        let mut whole = FallingRate::new(0.1, 0.5, 4);
        let rates: Vec<f64> = (0..9).map(|_| whole.next()).collect();
        assert!((rates[0] - 0.1).abs() < 1e-15 && (rates[4] - 0.05).abs() < 1e-15, "{rates:?}");
        let mut resumed = FallingRate::new(0.1, 0.5, 4);
        resumed.skip(5);
        assert_eq!(resumed.next().to_bits(), rates[5].to_bits());
    }
}
