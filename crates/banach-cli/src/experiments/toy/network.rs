//! What do the toy's two networks compute?

use crate::command::LayerName;
use crate::error::Error;
use crate::experiments::perceptron::Perceptron;
use crate::random::Generator;
use banach::{FixedPoint, FixedPointConfig, Update};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

const WEIGHT_STREAM: u64 = 12;

/// `g(x, a) = W2 relu(W1 [x, a] + b1) + b2`, 2n -> 4n -> n.
///
/// With 2n hidden units g can already be a step of projected gradient exactly, since
/// `clamp(y, l, u) = l + relu(y - l) - relu(y - u)`: then its fixed point is the solution map itself.
#[derive(Module, Debug)]
pub(crate) struct Cell {
    body: Perceptron,
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, a: &Tensor<2>) -> Tensor<2> {
        a.zeros_like()
    }

    fn update(&self, x: Tensor<2>, a: Tensor<2>) -> Tensor<2> {
        self.body.forward(Tensor::cat(vec![x, a], 1))
    }
}

/// The map, applied once or up to its fixed point.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a module cannot stand in a box")]
pub(crate) enum Network {
    /// x̂ = g(0, a).
    Feedforward(Cell),
    /// x̂ = g(x̂, a).
    FixedPoint(FixedPoint<Cell>),
}

impl Network {
    /// A network for `n` unknowns; both layers start from the same weights.
    pub(crate) fn new(layer: LayerName, n: usize, seed: u64, device: &Device) -> Result<Self, Error> {
        let mut generator = Generator::new(seed, WEIGHT_STREAM);
        let cell = Cell { body: Perceptron::new([2 * n, 4 * n, n], &mut generator, device) };
        match layer {
            LayerName::Feedforward => Ok(Self::Feedforward(cell)),
            LayerName::FpiNn => {
                Ok(Self::FixedPoint(FixedPointConfig::new().init(cell).map_err(Error::layer)?))
            }
        }
    }

    /// x̂ for every row of a, `[batch, n]`.
    pub(crate) fn forward(&self, a: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Feedforward(cell) => cell.update(cell.start(&a), a),
            Self::FixedPoint(layer) => layer.forward(a),
        }
    }
}
