//! The network of a recipe and a layer.

use super::convex::Convex;
use super::label_network::{LabelNetwork, Minimised, Predicted, Solve};
use super::loss::loss;
use super::published::Published;
use super::recipe::{Recipe, Shape};
use super::structured::Structured;
use super::tuned::{Sizes, Tuned};
use super::value::Value;
use crate::dataset::batches::Batch;
use crate::dataset::bibtex;
use crate::dataset::example::Example;
use crate::error::Error;
use crate::experiments::epoch::Work;
use crate::options::{LayerName, RecipeName};
use crate::random::Generator;
use banach::program::Program;
use banach::{FixedPointConfig, Report};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

const WEIGHT_STREAM: u64 = 2;
const FEATURE_STREAM: u64 = 3;
/// The share of features that an example of Bibtex has, about.
const PRESENT: f64 = 0.04;

/// The network that trains.
#[derive(Module, Debug)]
pub(crate) struct Network {
    body: Body,
    /// Weight of 1 - F1 in the loss.
    f1_weight: f64,
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a module cannot stand in a box")]
enum Body {
    Published(Published),
    Tuned(Tuned),
    Structured(Structured),
    Convex(Convex),
    Value(Value),
}

impl Body {
    fn network(&self) -> &dyn LabelNetwork {
        match self {
            Self::Published(network) => network,
            Self::Tuned(network) => network,
            Self::Structured(network) => network,
            Self::Convex(network) => network,
            Self::Value(network) => network,
        }
    }
}

impl Network {
    /// The network of this shape; the training examples give the starting biases.
    pub(crate) fn new(
        shape: Shape,
        seed: u64,
        config: &FixedPointConfig,
        train: &[Example],
        device: &Device,
    ) -> Result<Self, Error> {
        let mut generator = Generator::new(seed, WEIGHT_STREAM);
        let Shape { recipe, layer, widths, hidden, label_units, f1_weight } = shape;
        let tuned = recipe == RecipeName::Tuned;
        let odds = tuned.then(|| log_odds(train, widths.labels));
        let label_units = label_units.unwrap_or_default();
        let sizes = Sizes { widths, hidden, label_units, bias: odds.as_deref() };
        let generator = &mut generator;
        let body = match layer {
            LayerName::Spen | LayerName::SpenE2e | LayerName::SpenImplicit => {
                Body::Structured(Structured::new(layer, sizes, config, generator, device)?)
            }
            LayerName::Icnn | LayerName::IcnnImplicit => {
                Body::Convex(Convex::new(layer, sizes, config, generator, device)?)
            }
            LayerName::DvnGt | LayerName::DvnAdversarial => {
                let adversarial = layer == LayerName::DvnAdversarial;
                Body::Value(Value::new(sizes, adversarial, generator, device))
            }
            LayerName::FpiNn | LayerName::FpiGd | LayerName::Feedforward if !tuned => {
                Body::Published(Published::new(layer, (widths, hidden), config, generator, device)?)
            }
            LayerName::Mlp
            | LayerName::FpiNn
            | LayerName::FpiGd
            | LayerName::Feedforward
            | LayerName::NoLayer
            | LayerName::Variational => Body::Tuned(Tuned::new(layer, sizes, config, generator, device)?),
        };
        Ok(Self { body, f1_weight })
    }

    /// The logits of the outputs, `[batch, labels]`; the mask is a factor for each hidden unit of each example.
    pub(crate) fn logits(&self, z: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        self.body.network().logits(z, mask)
    }

    /// The loss of a training mini-batch in an epoch, counted from 1, on the tape.
    pub(crate) fn objective(&self, batch: Batch, epoch: usize) -> Tensor<1> {
        let Batch { z, y, mask, draw } = batch;
        match &self.body {
            Body::Published(_) | Body::Tuned(_) | Body::Convex(_) => {
                loss(self.logits(z, mask), y, self.f1_weight)
            }
            Body::Structured(network) => network.objective((z, mask), y, self.f1_weight, epoch),
            Body::Value(network) => network.objective((z, mask), y, draw),
        }
    }

    /// The network back on its constraints after an optimizer step.
    pub(crate) fn projected(self) -> Self {
        let body = match self.body {
            Body::Convex(network) => Body::Convex(network.projected()),
            body @ (Body::Published(_) | Body::Tuned(_) | Body::Structured(_) | Body::Value(_)) => body,
        };
        Self { body, ..self }
    }

    /// The logits as [`logits`](Self::logits) gives them, and how each row was solved; none where nothing is solved for.
    pub(crate) fn predicted(&self, z: Tensor<2>) -> Result<Predicted, Error> {
        self.body.network().predicted(z)
    }

    /// The minimisers of the energy of FPI_GD for the features z; none for another layer.
    pub(crate) fn minimised(&self, z: Tensor<2>) -> Option<Result<Minimised, Error>> {
        match &self.body {
            Body::Published(network) => network.minimised(z),
            Body::Tuned(network) => network.minimised(z),
            Body::Structured(_) | Body::Convex(_) | Body::Value(_) => None,
        }
    }

    /// Weight of 1 - F1 in the loss.
    pub(crate) fn f1_weight(&self) -> f64 {
        self.f1_weight
    }

    /// What the solvers did since the last call, for a mini-batch of `rows`; g applied once counts as one step.
    pub(crate) fn take_work(&self, rows: usize) -> Work {
        self.body.network().take_work(rows)
    }
}

/// `ln(p / (1 - p))` for the share p of examples with each label, kept off 0 and 1 by one more of each kind.
fn log_odds(examples: &[Example], labels: usize) -> Vec<f32> {
    let mut counts = vec![1.0_f64; labels];
    for &label in examples.iter().flat_map(|example| &example.labels) {
        counts[label as usize] += 1.0;
    }
    let all = examples.len() as f64 + 2.0;
    counts.into_iter().map(|count| (count / (all - count)).ln() as f32).collect()
}

/// An untrained network and features that look random, to look at its update and its solve.
#[derive(Debug)]
pub(crate) struct Sample {
    layer: LayerName,
    network: Network,
    z: Tensor<2>,
}

impl Sample {
    /// The network that `banach train bibtex` trains by `recipe` with `layer`, and one mini-batch for it.
    pub(crate) fn new(
        recipe: RecipeName,
        layer: LayerName,
        config: &FixedPointConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let network = Network::new(Recipe::shape(recipe, layer, bibtex::WIDTHS), 0, config, &[], device)?;
        let inputs = bibtex::WIDTHS.features;
        let rows = Recipe::of(recipe, layer).batch;
        let mut generator = Generator::new(0, FEATURE_STREAM);
        let present = |_| f32::from(u8::from(generator.uniform() < PRESENT));
        let features: Vec<f32> = (0..rows * inputs).map(present).collect();
        let z = Tensor::from_data(TensorData::new(features, [rows, inputs]), device);
        Ok(Self { layer, network, z })
    }

    /// The update as a program, traced for the mini-batch.
    pub(crate) fn program(&self) -> Result<Program, Error> {
        self.solve()?.program()
    }

    /// How the mini-batch is solved.
    pub(crate) fn solved(&self) -> Result<Report, Error> {
        self.solve()?.report()
    }

    fn solve(&self) -> Result<Box<dyn Solve + '_>, Error> {
        let solve = self.network.body.network().solve_at(self.z.clone());
        solve.ok_or_else(|| Error::without_fixed_point(self.layer.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starting_bias_is_the_log_odds_of_a_label() {
        let example = |labels: &[u32]| Example { features: vec![], labels: labels.to_vec() };
        let odds = log_odds(&[example(&[0, 1]), example(&[0]), example(&[0])], 159);
        assert_eq!(odds.len(), 159);
        assert!((odds[0] - 4.0_f32.ln()).abs() < 1e-6 && (odds[1] - (2.0_f32 / 3.0).ln()).abs() < 1e-6);
        assert!((odds[2] + 4.0_f32.ln()).abs() < 1e-6);
    }
}
