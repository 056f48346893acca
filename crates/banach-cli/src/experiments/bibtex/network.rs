//! What is the network that trains, whatever its layer and its recipe?

use super::answers::{Answering, Sizes};
use super::joint::{Cell, Joint};
use super::settings::{self, Settings};
use super::work::Work;
use crate::command::{LayerName, RecipeName};
use crate::dataset::bibtex::{Example, FEATURES, LABELS};
use crate::error::Error;
use crate::random::Generator;
use banach::program::Program;
use banach::{FixedPoint, FixedPointConfig, Report};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

const WEIGHT_STREAM: u64 = 2;
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
    Joint(Joint),
    Answering(Answering),
}

impl Network {
    /// The network that the settings describe; the training examples give the starting biases.
    pub(crate) fn new(
        layer: LayerName,
        seed: u64,
        settings: &Settings,
        train: &[Example],
        device: &Device,
    ) -> Result<Self, Error> {
        let mut generator = Generator::new(seed, WEIGHT_STREAM);
        let (config, hidden) = (settings.fixed_point(layer), settings.hidden);
        let tuned = settings.recipe == RecipeName::Tuned;
        let body = if tuned || layer == LayerName::Mlp {
            let odds = tuned.then(|| log_odds(train));
            let label_units = settings.label_units.unwrap_or_default();
            let sizes = Sizes { hidden, label_units, bias: odds.as_deref() };
            Body::Answering(Answering::new(layer, sizes, &config, &mut generator, device)?)
        } else {
            Body::Joint(Joint::new(layer, hidden, &config, &mut generator, device)?)
        };
        Ok(Self { body, f1_weight: settings.f1_weight })
    }

    /// The logits of the outputs, `[batch, 159]`; the mask is a factor for each hidden unit of each example.
    pub(crate) fn logits(&self, z: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        match &self.body {
            Body::Joint(network) => network.logits((z, mask)),
            Body::Answering(network) => network.logits(z, mask),
        }
    }

    /// Weight of 1 - F1 in the loss.
    pub(crate) fn f1_weight(&self) -> f64 {
        self.f1_weight
    }

    /// What the solvers did since the last call; g applied once counts as one step.
    pub(crate) fn take_work(&self) -> Work {
        match &self.body {
            Body::Joint(network) => network.take_work(),
            Body::Answering(network) => network.take_work(),
        }
    }
}

/// `ln(p / (1 - p))` for the share p of examples with each label, kept off 0 and 1 by one more of each kind.
fn log_odds(examples: &[Example]) -> Vec<f32> {
    let mut counts = vec![1.0_f64; LABELS];
    for &label in examples.iter().flat_map(|example| &example.labels) {
        counts[label as usize] += 1.0;
    }
    let all = examples.len() as f64 + 2.0;
    counts.into_iter().map(|count| (count / (all - count)).ln() as f32).collect()
}

/// The published update g(x, z) as a program, traced for a mini-batch of `rows`.
pub(crate) fn program(rows: usize, device: &Device) -> Result<Program, Error> {
    let (layer, _) = published(&FixedPointConfig::new(), device)?;
    layer.program((Tensor::zeros([rows, FEATURES], device), None)).map_err(Error::layer)
}

/// How the published layer is solved for `rows` of features, a few of each present.
pub(crate) fn solved(rows: usize, config: &FixedPointConfig, device: &Device) -> Result<Report, Error> {
    let (layer, mut generator) = published(config, device)?;
    let present = |_| f32::from(u8::from(generator.uniform() < PRESENT));
    let features: Vec<f32> = (0..rows * FEATURES).map(present).collect();
    let z = Tensor::from_data(TensorData::new(features, [rows, FEATURES]), device);
    layer.solve((z, None)).map(|solution| solution.report().clone()).map_err(Error::layer)
}

/// The published layer with its starting weights, and the generator that drew them.
fn published(config: &FixedPointConfig, device: &Device) -> Result<(FixedPoint<Cell>, Generator), Error> {
    let mut generator = Generator::new(0, WEIGHT_STREAM);
    match Joint::new(LayerName::FpiNn, settings::PUBLISHED_HIDDEN, config, &mut generator, device)? {
        Joint::FixedPoint(layer) => Ok((layer, generator)),
        Joint::Feedforward(_) | Joint::Descent(_) => Err(Error::Training("found no fixed point".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starting_bias_is_the_log_odds_of_a_label() {
        let example = |labels: &[u32]| Example { features: vec![], labels: labels.to_vec() };
        let odds = log_odds(&[example(&[0, 1]), example(&[0]), example(&[0])]);
        assert_eq!(odds.len(), LABELS);
        assert!((odds[0] - 4.0_f32.ln()).abs() < 1e-6 && (odds[1] - (2.0_f32 / 3.0).ln()).abs() < 1e-6);
        assert!((odds[2] + 4.0_f32.ln()).abs() < 1e-6);
    }
}
