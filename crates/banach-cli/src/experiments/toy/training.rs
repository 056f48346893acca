//! Training of the toy's networks, one thread for each.

use super::network::Network;
use super::problem::Samples;
use crate::error::Error;
use crate::experiments::epoch::{Epoch, Sums};
use crate::options::{EngineName, LayerName};
use crate::random::Generator;
use crate::terminal::interruption::Interruption;
use crate::terminal::progress::Progress;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

const BATCH: usize = 50;
const LEARNING_RATE: f64 = 5e-3;
const EPOCH_STREAM: u64 = 1 << 33;

/// The score of a network after an epoch.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct ToyScores {
    /// Mean squared error on the test samples, if it is finite.
    pub(crate) test_loss: Option<f64>,
}

/// A trained network.
#[derive(Debug)]
pub(crate) struct Trained {
    pub(crate) layer: LayerName,
    /// Number of weights.
    pub(crate) parameters: usize,
    pub(crate) epochs: Vec<Epoch<ToyScores>>,
    /// Seconds of the whole training.
    pub(crate) seconds: f64,
}

/// What the networks have in common.
pub(crate) struct ToyTraining<'a> {
    pub(crate) train: &'a Samples,
    pub(crate) test: &'a Samples,
    pub(crate) dimension: usize,
    pub(crate) epochs: usize,
    pub(crate) engine: EngineName,
    pub(crate) seed: u64,
    pub(crate) interruption: &'a Interruption,
    pub(crate) progress: &'a Progress,
    /// The latest test loss of every network, for the line of progress.
    pub(crate) latest: Latest,
}

/// Test losses by layer.
#[derive(Debug)]
pub(crate) struct Latest(Mutex<Vec<(LayerName, Option<f64>)>>);

impl<const N: usize> From<[(LayerName, Option<f64>); N]> for Latest {
    fn from(losses: [(LayerName, Option<f64>); N]) -> Self {
        Self(Mutex::new(losses.to_vec()))
    }
}

impl Latest {
    /// Replaces the loss of a layer.
    fn replace(&self, layer: LayerName, loss: Option<f64>) {
        let mut losses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        losses.iter_mut().filter(|(name, _)| *name == layer).for_each(|(_, latest)| *latest = loss);
    }

    /// The losses of all layers.
    fn in_words(&self) -> String {
        let losses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let words = losses.iter().map(|(name, loss)| {
            let loss = loss.map_or("-".into(), |loss| format!("{loss:.1e}"));
            format!("{} {loss}", name.as_str())
        });
        format!("test loss: {}", words.collect::<Vec<_>>().join(", "))
    }
}

impl ToyTraining<'_> {
    /// Trains the networks of all layers at once. They share no numbers, so each comes out as if it trained alone.
    pub(crate) fn side_by_side(&self, layers: &[LayerName]) -> Result<Vec<Trained>, Error> {
        let failed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let threads: Vec<_> = layers
                .iter()
                .map(|&layer| {
                    let failed = &failed;
                    scope.spawn(move || {
                        let trained = self.train(layer, failed);
                        failed.fetch_or(trained.is_err(), Ordering::Relaxed);
                        trained
                    })
                })
                .collect();
            let ended = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            // The thread that failed first says why; those that it stopped were only interrupted.
            let mut ended: Vec<Result<Trained, Error>> = ended.collect();
            let reason = ended
                .iter()
                .position(|it| matches!(it, Err(error) if !matches!(error, Error::Interrupted(_))));
            match reason {
                Some(at) => ended.swap_remove(at).map(|trained| vec![trained]),
                None => ended.into_iter().collect(),
            }
        })
    }

    /// Trains a network; Adam, mean squared error.
    fn train(&self, layer: LayerName, stop: &AtomicBool) -> Result<Trained, Error> {
        let started = Instant::now();
        let device = Device::flex().autodiff();
        let mut network = Network::new(layer, self.dimension, self.seed, self.engine, &device)?;
        let mut optimizer = AdamConfig::new().init();
        let (parameters, mut epochs) = (network.num_params(), Vec::with_capacity(self.epochs));
        for epoch in 1..=self.epochs {
            let (begun, mut sums) = (Instant::now(), Sums::default());
            let order = Generator::new(self.seed, EPOCH_STREAM + epoch as u64).permutation(self.train.rows);
            for rows in order.chunks(BATCH) {
                let loss = self.loss(&network, self.train, rows, &device);
                let value = f64::from(loss.clone().into_scalar::<f32>());
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                sums += Sums::of_mini_batch(value, rows.len(), network.take_work(rows.len()));
                network = optimizer.step(self.learning_rate(epoch), network, gradients);
                if self.interruption.is_requested() || stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted("the toy keeps no checkpoint, so start it again".into()));
                }
            }
            let seconds = begun.elapsed().as_secs_f64();
            let rows: Vec<usize> = (0..self.test.rows).collect();
            let evaluated = network.valid();
            let test = self.loss(&evaluated, self.test, &rows, &device.clone().inner());
            let test_loss = Some(f64::from(test.into_scalar::<f32>())).filter(|loss| loss.is_finite());
            sums.work.add_failures(&evaluated.take_work(rows.len()));
            epochs.push(Epoch { epoch, seconds, sums, scores: ToyScores { test_loss } });
            self.latest.replace(layer, test_loss);
            self.progress.advance(|| self.latest.in_words());
        }
        Ok(Trained { layer, parameters, epochs, seconds: started.elapsed().as_secs_f64() })
    }

    /// Falls linearly from epoch to epoch, so that the last epochs settle.
    fn learning_rate(&self, epoch: usize) -> f64 {
        LEARNING_RATE * (self.epochs + 1 - epoch) as f64 / self.epochs as f64
    }

    /// The mean squared error of the chosen rows.
    fn loss(&self, network: &Network, samples: &Samples, rows: &[usize], device: &Device) -> Tensor<1> {
        let tensor = |values: &[f32]| {
            let n = self.dimension;
            let chosen: Vec<f32> =
                rows.iter().flat_map(|row| &values[row * n..(row + 1) * n]).copied().collect();
            Tensor::<2>::from_data(TensorData::new(chosen, [rows.len(), n]), device)
        };
        (network.forward(tensor(&samples.a)) - tensor(&samples.t)).square().mean()
    }
}
