//! Structured prediction energy networks: one energy, trained by a hinge loss, unrolled, or by its implicit derivative.

use super::inference::{constant, logits, minimised};
use super::label_network::{LabelNetwork, LayerSolve, Solve};
use super::loss::loss;
use super::measures::LabelMeasures;
use super::tuned::Sizes;
use crate::dataset::example::Widths;
use crate::error::Error;
use crate::experiments::epoch::Work;
use crate::experiments::perceptron::Perceptron;
use crate::options::LayerName;
use crate::random::Generator;
use banach::{Energy, EntropicDescent, FixedPoint, FixedPointConfig, Unrolled, UnrolledConfig};
use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};

/// Epochs in which the features are trained alone, by cross-entropy, before the hinge loss.
const PRETRAINING: usize = 8;
/// Steps of the unrolled inference, their first size and momentum.
const STEPS: usize = 10;
const RATE: f64 = 0.5;
const MOMENTUM: f64 = 0.1;

/// How the energy is minimised, and its minimiser differentiated.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a module cannot stand in a box")]
enum Inference {
    /// By projected gradient steps in [0, 1]ⁿ; the hinge loss needs no derivative of the minimiser.
    Projected(LabelMeasures),
    /// By entropic mirror descent of learned steps, on the tape.
    Unrolled(Unrolled<LabelMeasures>),
    /// As a fixed point of entropic mirror descent, with its implicit derivative.
    Implicit(FixedPoint<EntropicDescent<LabelMeasures>>),
}

/// A network that gives the logits ℓ of the features, and the energy of a labelling y given ℓ.
#[derive(Module, Debug)]
pub(crate) struct Structured {
    features: Perceptron,
    inference: Inference,
}

/// `E(y, ℓ) - Δ(y, y*)` with Δ the squared distance: its minimiser is the labelling that violates the margin most.
#[derive(Module, Debug)]
struct Augmented {
    energy: LabelMeasures,
}

impl Energy for Augmented {
    type State = Tensor<2>;
    type Input = (Tensor<2>, Tensor<2>);

    fn start(&self, (base, _): &(Tensor<2>, Tensor<2>)) -> Tensor<2> {
        base.zeros_like()
    }

    fn energy(&self, y: Tensor<2>, (base, truth): (Tensor<2>, Tensor<2>)) -> Tensor<1> {
        self.energy.energy(y.clone(), base) - distance(y, truth)
    }
}

/// `‖y - y*‖²` of every row.
fn distance(y: Tensor<2>, truth: Tensor<2>) -> Tensor<1> {
    let away = y - truth;
    (away.clone() * away).sum_dim(1).squeeze_dim(1)
}

impl Structured {
    /// The network for `layer`: spen, spen-e2e or spen-implicit.
    pub(crate) fn new(
        layer: LayerName,
        sizes: Sizes<'_>,
        config: &FixedPointConfig,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self, Error> {
        let Widths { features: inputs, labels } = sizes.widths;
        let features = Perceptron::new([inputs, sizes.hidden, labels], generator, device);
        let features = features.with_output_bias(sizes.bias, device);
        let energy = LabelMeasures::new([labels, sizes.label_units], generator, device);
        let inference = if layer == LayerName::SpenE2e {
            let unrolled = UnrolledConfig::new(STEPS, RATE).with_momentum(MOMENTUM).with_entropy();
            Inference::Unrolled(unrolled.init(energy).map_err(Error::layer)?)
        } else if layer == LayerName::SpenImplicit {
            let update = EntropicDescent::new(energy, 1.0).map_err(Error::layer)?;
            Inference::Implicit(config.init(update).map_err(Error::layer)?)
        } else {
            Inference::Projected(energy)
        };
        Ok(Self { features, inference })
    }

    /// The loss of a mini-batch in an epoch, counted from 1.
    pub(crate) fn objective(
        &self,
        (z, mask): (Tensor<2>, Option<Tensor<2>>),
        truth: Tensor<2>,
        f1_weight: f64,
        epoch: usize,
    ) -> Tensor<1> {
        let Inference::Projected(energy) = &self.inference else {
            return loss(self.logits(z, mask), truth, f1_weight);
        };
        let base = self.features.masked(z, mask);
        if epoch <= PRETRAINING {
            return loss(base, truth, 0.0);
        }
        // The structured hinge loss max(0, max_y (Δ(y, y*) - E(y)) + E(y*)); its subgradient holds y.
        let device = base.device();
        let given = (base.clone().without_autodiff(), truth.clone().without_autodiff());
        let found = constant(minimised(Augmented { energy: energy.valid() }, given), &device);
        let margin = distance(found.clone(), truth.clone()) - energy.energy(found, base.clone());
        activation::relu(margin + energy.energy(truth, base)).mean()
    }
}

impl LabelNetwork for Structured {
    fn logits(&self, z: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        let base = self.features.masked(z, mask);
        match &self.inference {
            Inference::Projected(energy) => {
                let device = base.device();
                let y = minimised(energy.valid(), base.without_autodiff());
                constant(logits(y), &device)
            }
            Inference::Unrolled(layer) => layer.forward(base).unwrap_or_else(|error| panic!("bug: {error}")),
            Inference::Implicit(layer) => layer.forward(base),
        }
    }

    fn solve_at(&self, z: Tensor<2>) -> Option<Box<dyn Solve + '_>> {
        match &self.inference {
            Inference::Projected(_) | Inference::Unrolled(_) => None,
            Inference::Implicit(layer) => {
                Some(Box::new(LayerSolve::of_logits(layer, self.features.forward(z))))
            }
        }
    }

    fn take_work(&self, rows: usize) -> Work {
        match &self.inference {
            Inference::Projected(_) | Inference::Unrolled(_) => Work::once(rows),
            Inference::Implicit(layer) => layer.take_statistics().into(),
        }
    }
}
