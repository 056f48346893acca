//! The tuned networks: a perceptron reads the features, and a fixed point couples the labels.
//!
//! The perceptron gives logits ℓ(z) once. The state x is then found among the labels alone, so a step of the solver
//! costs a few hundredths of reading the features again, and dropout stays outside the map.

use super::label_network::{LabelNetwork, LayerSolve, Minimised, Solve, minimised};
use crate::dataset::example::Widths;
use crate::error::Error;
use crate::experiments::epoch::Work;
use crate::experiments::perceptron::{Perceptron, linear};
use crate::options::LayerName;
use crate::random::Generator;
use banach::{Energy, FixedPoint, FixedPointConfig, GradientDescent, GradientDescentConfig, Update};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData, activation};

/// How strongly a label unit counts in the energy to start with; every other one attracts.
const STARTING_WEIGHT: f32 = 0.1;

/// `g(x, ℓ) = sigmoid(ℓ + U relu(V x + c) + d)`, labels -> units -> labels. U and d start as 0: no label knows of another.
#[derive(Module, Debug)]
pub(crate) struct Labels {
    body: Perceptron,
}

impl Labels {
    /// What the sigmoid of g is applied to, `[batch, labels]`.
    fn logits(&self, x: Tensor<2>, base: Tensor<2>) -> Tensor<2> {
        base + self.body.forward(x)
    }
}

impl Update for Labels {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, base: &Tensor<2>) -> Tensor<2> {
        base.zeros_like()
    }

    fn update(&self, x: Tensor<2>, base: Tensor<2>) -> Tensor<2> {
        activation::sigmoid(self.logits(x, base))
    }
}

/// `f(x, ℓ) = ½ ‖x - ℓ‖² + ½ Σ a relu(V sigmoid(x) + c)²` over the label units, with weights a of either sign.
///
/// The published energy has only the second kind of term. Without the first it is flat wherever the units are silent,
/// and its minimisers are far away and not alone.
#[derive(Module, Debug)]
pub(crate) struct LabelEnergy {
    units: Linear,
    weights: Param<Tensor<1>>,
}

impl Energy for LabelEnergy {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, base: &Tensor<2>) -> Tensor<2> {
        base.clone()
    }

    fn energy(&self, x: Tensor<2>, base: Tensor<2>) -> Tensor<1> {
        let units = activation::relu(self.units.forward(activation::sigmoid(x.clone())));
        let weighted = units.clone() * units * self.weights.val().unsqueeze_dim::<2>(0);
        let away = x - base;
        let squares = (away.clone() * away).sum_dim(1) + weighted.sum_dim(1);
        squares.squeeze_dim(1) * 0.5
    }
}

/// How the logits of the perceptron couple the labels.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a module cannot stand in a box")]
pub(crate) enum Coupling {
    /// Not at all. The field is empty.
    None(Vec<Perceptron>),
    /// x̂ = g(0, ℓ).
    Once(Labels),
    /// x̂ = g(x̂, ℓ).
    FixedPoint(FixedPoint<Labels>),
    /// x̂ = x̂ - ∂f/∂x (x̂, ℓ), and the output is sigmoid(x̂).
    Descent(FixedPoint<GradientDescent<LabelEnergy>>),
}

/// A tuned network.
#[derive(Module, Debug)]
pub(crate) struct Tuned {
    features: Perceptron,
    coupling: Coupling,
}

/// The sizes of a tuned network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes<'a> {
    /// Features and labels.
    pub(crate) widths: Widths,
    /// Hidden units of the perceptron.
    pub(crate) hidden: usize,
    /// Hidden units through which labels act on one another.
    pub(crate) label_units: usize,
    /// The starting biases of the logits ℓ; none draws them.
    pub(crate) bias: Option<&'a [f32]>,
}

impl Tuned {
    /// The network for `layer`, where any layer that is neither a map nor an energy of a fixed point couples nothing.
    pub(crate) fn new(
        layer: LayerName,
        sizes: Sizes<'_>,
        config: &FixedPointConfig,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self, Error> {
        let Widths { features: inputs, labels: outputs } = sizes.widths;
        let features = Perceptron::new([inputs, sizes.hidden, outputs], generator, device);
        let features = features.with_output_bias(sizes.bias, device);
        let units = sizes.label_units;
        let mut labels = || Labels {
            body: Perceptron::new([outputs, units, outputs], generator, device).with_silent_output(device),
        };
        let coupling = if layer == LayerName::Feedforward {
            Coupling::Once(labels())
        } else if layer == LayerName::FpiNn {
            Coupling::FixedPoint(config.init(labels()).map_err(Error::layer)?)
        } else if layer == LayerName::FpiGd {
            let energy = LabelEnergy::new([outputs, units], generator, device);
            let step = GradientDescentConfig::new(1.0).init(energy).map_err(Error::layer)?;
            Coupling::Descent(config.init(step).map_err(Error::layer)?)
        } else {
            Coupling::None(Vec::new())
        };
        Ok(Self { features, coupling })
    }

    /// The minimisers of the energy for the features z; none of a map.
    pub(crate) fn minimised(&self, z: Tensor<2>) -> Option<Result<Minimised, Error>> {
        match &self.coupling {
            Coupling::None(_) | Coupling::Once(_) | Coupling::FixedPoint(_) => None,
            Coupling::Descent(layer) => Some(minimised(layer, self.features.forward(z))),
        }
    }
}

impl LabelNetwork for Tuned {
    /// At a fixed point the logits are those inside the last application of g.
    fn logits(&self, z: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        let base = self.features.masked(z, mask);
        match &self.coupling {
            Coupling::None(_) => base,
            Coupling::Once(labels) => labels.logits(base.zeros_like(), base),
            Coupling::FixedPoint(layer) => {
                let x = layer.forward(base.clone());
                layer.update().logits(x, base)
            }
            Coupling::Descent(layer) => layer.forward(base),
        }
    }

    fn solve_at(&self, z: Tensor<2>) -> Option<Box<dyn Solve + '_>> {
        let input = |z| self.features.forward(z);
        match &self.coupling {
            Coupling::None(_) | Coupling::Once(_) => None,
            Coupling::FixedPoint(layer) => {
                Some(Box::new(LayerSolve { layer, input: input(z), read_out: Labels::logits }))
            }
            Coupling::Descent(layer) => Some(Box::new(LayerSolve::of_logits(layer, input(z)))),
        }
    }

    fn take_work(&self, rows: usize) -> Work {
        match &self.coupling {
            Coupling::None(_) | Coupling::Once(_) => Work::once(rows),
            Coupling::FixedPoint(layer) => layer.take_statistics().into(),
            Coupling::Descent(layer) => layer.take_statistics().into(),
        }
    }
}

impl LabelEnergy {
    fn new([labels, units]: [usize; 2], generator: &mut Generator, device: &Device) -> Self {
        let signs = |unit: usize| if unit.is_multiple_of(2) { STARTING_WEIGHT } else { -STARTING_WEIGHT };
        let weights: Vec<f32> = (0..units).map(signs).collect();
        Self {
            units: linear(labels, units, generator, device),
            weights: Param::from_data(TensorData::new(weights, [units]), device),
        }
    }
}
