//! The published networks: one map, or one energy, that reads the features and the labels side by side.

use super::label_network::{LabelNetwork, LayerSolve, Minimised, Solve, minimised};
use crate::dataset::example::Widths;
use crate::error::Error;
use crate::experiments::epoch::Work;
use crate::experiments::perceptron::{Perceptron, linear};
use crate::options::LayerName;
use crate::random::Generator;
use banach::{Energy, FixedPoint, FixedPointConfig, GradientDescent, GradientDescentConfig, Update};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, activation};

/// The features z, and a factor for each hidden unit while training: equal in every step of one solve, so that g
/// stays a function.
pub(crate) type Input = (Tensor<2>, Option<Tensor<2>>);

/// `g(x, z) = sigmoid(W2 relu(W1 [z, x] + b1) + b2)`, features + labels -> hidden -> labels.
#[derive(Module, Debug)]
pub(crate) struct Cell {
    body: Perceptron,
    labels: usize,
}

impl Cell {
    /// With starting weights from the generator.
    pub(crate) fn new(widths: Widths, hidden: usize, generator: &mut Generator, device: &Device) -> Self {
        let Widths { features, labels } = widths;
        Self { body: Perceptron::new([features + labels, hidden, labels], generator, device), labels }
    }

    /// What the sigmoid of g is applied to, `[batch, labels]`.
    fn logits(&self, x: Tensor<2>, (z, mask): Input) -> Tensor<2> {
        self.body.masked(Tensor::cat(vec![z, x], 1), mask)
    }
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Input;

    fn start(&self, (z, _): &Input) -> Tensor<2> {
        Tensor::zeros([z.dims()[0], self.labels], &z.device())
    }

    fn update(&self, x: Tensor<2>, input: Input) -> Tensor<2> {
        activation::sigmoid(self.logits(x, input))
    }
}

/// `f(x, z) = mean over the hidden units of relu(W [z, sigmoid(x)] + b)²`.
#[derive(Module, Debug)]
pub(crate) struct PublishedEnergy {
    hidden: Linear,
    labels: usize,
}

impl Energy for PublishedEnergy {
    type State = Tensor<2>;
    type Input = Input;

    fn start(&self, (z, _): &Input) -> Tensor<2> {
        Tensor::zeros([z.dims()[0], self.labels], &z.device())
    }

    fn energy(&self, x: Tensor<2>, (z, mask): Input) -> Tensor<1> {
        let units = activation::relu(self.hidden.forward(Tensor::cat(vec![z, activation::sigmoid(x)], 1)));
        let squares = units.clone() * units;
        let squares = match mask {
            Some(mask) => squares * mask,
            None => squares,
        };
        squares.mean_dim(1).squeeze_dim(1)
    }
}

/// A published network.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a module cannot stand in a box")]
pub(crate) enum Published {
    /// x̂ = g(0, z).
    Feedforward(Cell),
    /// x̂ = g(x̂, z).
    FixedPoint(FixedPoint<Cell>),
    /// x̂ = x̂ - ∂f/∂x (x̂, z), and the output is sigmoid(x̂).
    Descent(FixedPoint<GradientDescent<PublishedEnergy>>),
}

impl Published {
    /// The network for `layer`, where any layer that is neither a fixed point nor an energy is g applied once.
    pub(crate) fn new(
        layer: LayerName,
        (widths, hidden): (Widths, usize),
        config: &FixedPointConfig,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self, Error> {
        if layer == LayerName::FpiGd {
            let Widths { features, labels } = widths;
            let energy =
                PublishedEnergy { hidden: linear(features + labels, hidden, generator, device), labels };
            let step = GradientDescentConfig::new(1.0).init(energy).map_err(Error::layer)?;
            return Ok(Self::Descent(config.init(step).map_err(Error::layer)?));
        }
        let cell = Cell::new(widths, hidden, generator, device);
        if layer == LayerName::FpiNn {
            return Ok(Self::FixedPoint(config.init(cell).map_err(Error::layer)?));
        }
        Ok(Self::Feedforward(cell))
    }

    /// The minimisers of the energy for the features z; none of a map.
    pub(crate) fn minimised(&self, z: Tensor<2>) -> Option<Result<Minimised, Error>> {
        match self {
            Self::Feedforward(_) | Self::FixedPoint(_) => None,
            Self::Descent(layer) => Some(minimised(layer, (z, None))),
        }
    }
}

impl LabelNetwork for Published {
    /// At a fixed point x̂ = g(x̂, z), so the logits inside this last application of g are those of x̂ itself, and the
    /// loss can be computed from them: no logarithm of an output that has been rounded to 0 or 1, and an incoming
    /// cotangent that never exceeds 1. The derivative is the same by the implicit function theorem.
    fn logits(&self, z: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        let input = (z, mask);
        match self {
            Self::Feedforward(cell) => cell.logits(cell.start(&input), input),
            Self::FixedPoint(layer) => {
                let x = layer.forward(input.clone());
                layer.update().logits(x, input)
            }
            Self::Descent(layer) => layer.forward(input),
        }
    }

    fn solve_at(&self, z: Tensor<2>) -> Option<Box<dyn Solve + '_>> {
        let input = (z, None);
        match self {
            Self::Feedforward(_) => None,
            Self::FixedPoint(layer) => Some(Box::new(LayerSolve { layer, input, read_out: Cell::logits })),
            Self::Descent(layer) => Some(Box::new(LayerSolve::of_logits(layer, input))),
        }
    }

    fn take_work(&self, rows: usize) -> Work {
        match self {
            Self::Feedforward(_) => Work::once(rows),
            Self::FixedPoint(layer) => layer.take_statistics().into(),
            Self::Descent(layer) => layer.take_statistics().into(),
        }
    }
}
