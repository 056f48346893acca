//! How is one of the toy's networks trained, and what does every epoch bring?

use super::network::Network;
use super::problem::Samples;
use crate::command::{EngineName, LayerName};
use crate::error::Error;
use crate::random::Generator;
use crate::terminal::output::tell;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use burn::train::Interrupter;
use serde::Serialize;

const BATCH: usize = 50;
const LEARNING_RATE: f64 = 5e-3;
const EPOCH_STREAM: u64 = 1 << 33;

/// The course of one network, as written to the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Curves {
    /// Number of weights.
    pub(crate) parameters: usize,
    /// Mean squared error of each epoch on the training samples, while the weights were changing.
    pub(crate) train_loss: Vec<f64>,
    /// Mean squared error on the test samples after each epoch.
    pub(crate) test_loss: Vec<f64>,
    /// Seconds of the whole training.
    #[serde(skip)]
    pub(crate) seconds: f64,
}

/// What the networks have in common.
pub(crate) struct Course {
    pub(crate) train: Samples,
    pub(crate) test: Samples,
    pub(crate) dimension: usize,
    pub(crate) epochs: usize,
    pub(crate) engine: EngineName,
    pub(crate) seed: u64,
    pub(crate) quiet: bool,
    pub(crate) interrupter: Interrupter,
}

impl Course {
    /// Trains a network; Adam, mean squared error.
    pub(crate) fn train(&self, layer: LayerName) -> Result<Curves, Error> {
        let started = std::time::Instant::now();
        let device = Device::flex().autodiff();
        let mut network = Network::new(layer, self.dimension, self.seed, self.engine, &device)?;
        let mut optimizer = AdamConfig::new().init();
        let parameters = network.num_params();
        let mut curves = Curves { parameters, train_loss: vec![], test_loss: vec![], seconds: 0.0 };
        for epoch in 1..=self.epochs {
            let order = Generator::new(self.seed, EPOCH_STREAM + epoch as u64).permutation(self.train.rows);
            let mut sum = 0.0;
            for rows in order.chunks(BATCH) {
                let loss = self.loss(&network, &self.train, rows, &device);
                sum += f64::from(loss.clone().into_scalar::<f32>()) * rows.len() as f64;
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                network = optimizer.step(self.learning_rate(epoch), network, gradients);
                if self.interrupter.should_stop() {
                    return Err(Error::Interrupted("the toy keeps no checkpoint, so start it again".into()));
                }
            }
            curves.train_loss.push(sum / self.train.rows as f64);
            let rows: Vec<usize> = (0..self.test.rows).collect();
            let test = self.loss(&network.valid(), &self.test, &rows, &device.clone().inner());
            curves.test_loss.push(f64::from(test.into_scalar::<f32>()));
            self.show(layer, epoch, &curves);
        }
        curves.seconds = started.elapsed().as_secs_f64();
        Ok(curves)
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

    fn show(&self, layer: LayerName, epoch: usize, curves: &Curves) {
        if let (false, Some(train), Some(test)) =
            (self.quiet, curves.train_loss.last(), curves.test_loss.last())
        {
            let (name, epochs) = (layer.as_str(), self.epochs);
            tell(format_args!(
                "{name:<11}  epoch {epoch:>3}/{epochs}  train loss {train:.3e}  test loss {test:.3e}"
            ));
        }
    }
}
