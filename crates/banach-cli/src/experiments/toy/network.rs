//! The three networks of the toy.

use super::problem::BOUNDS;
use crate::error::Error;
use crate::experiments::epoch::Work;
use crate::experiments::perceptron::Perceptron;
use crate::options::{EngineName, LayerName};
use crate::random::Generator;
use banach::{
    Energy, FixedPoint, FixedPointConfig, GradientDescent, GradientDescentConfig, Projection, Update,
};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

const WEIGHT_STREAM: u64 = 12;
/// The step size γ of the descent. The minimiser does not depend on it.
const RATE: f64 = 0.3;
/// Added to the curvature of the energy, so that it has one minimiser whatever was learnt.
const LEAST_CURVATURE: f64 = 0.01;

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

/// `f(x, a) = ½ ‖x L‖² + ½ ε ‖x‖² + (a B)ᵀ x`, with L and B learnt and ε = 0.01: convex in x for every L.
///
/// The problem behind the samples has this form with `Lᵀ` a root of Q - ε I, and B = I.
#[derive(Module, Debug)]
pub(crate) struct Quadratic {
    root: Param<Tensor<2>>,
    slope: Param<Tensor<2>>,
}

impl Quadratic {
    fn new(n: usize, generator: &mut Generator, device: &Device) -> Self {
        let bound = 1.0 / (n as f64).sqrt();
        let mut matrix = || {
            let draws = (0..n * n).map(|_| (bound * (2.0 * generator.uniform() - 1.0)) as f32).collect();
            Param::from_data(TensorData::new::<f32, _>(draws, [n, n]), device)
        };
        Self { root: matrix(), slope: matrix() }
    }
}

impl Energy for Quadratic {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, a: &Tensor<2>) -> Tensor<2> {
        a.zeros_like()
    }

    fn energy(&self, x: Tensor<2>, a: Tensor<2>) -> Tensor<1> {
        let bent = x.clone().matmul(self.root.val());
        let squares = (bent.clone() * bent).sum_dim(1) + (x.clone() * x.clone()).sum_dim(1) * LEAST_CURVATURE;
        (squares * 0.5 + (a.matmul(self.slope.val()) * x).sum_dim(1)).squeeze_dim(1)
    }
}

/// The map, applied once or up to its fixed point, or the step of an energy.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a module cannot stand in a box")]
pub(crate) enum Network {
    /// x̂ = g(0, a).
    Feedforward(Cell),
    /// x̂ = g(x̂, a).
    FixedPoint(FixedPoint<Cell>),
    /// x̂ = argmin f(x, a) over the box.
    Descent(FixedPoint<GradientDescent<Quadratic>>),
}

impl Network {
    /// A network for `n` unknowns; g starts from the same weights wherever there is a g.
    pub(crate) fn new(
        layer: LayerName,
        n: usize,
        seed: u64,
        engine: EngineName,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut generator = Generator::new(seed, WEIGHT_STREAM);
        let config = FixedPointConfig::new().with_engine(engine.engine());
        if layer == LayerName::FpiGd {
            let bounds = Projection::Box { lower: vec![BOUNDS.0], upper: vec![BOUNDS.1] };
            let step = GradientDescentConfig::new(RATE).with_projection(bounds);
            let step = step.init(Quadratic::new(n, &mut generator, device)).map_err(Error::layer)?;
            return Ok(Self::Descent(config.init(step).map_err(Error::layer)?));
        }
        let cell = Cell { body: Perceptron::new([2 * n, 4 * n, n], &mut generator, device) };
        if layer == LayerName::FpiNn {
            return Ok(Self::FixedPoint(config.init(cell).map_err(Error::layer)?));
        }
        Ok(Self::Feedforward(cell))
    }

    /// What the solvers did since the last call, for a mini-batch of `rows`.
    pub(crate) fn take_work(&self, rows: usize) -> Work {
        match self {
            Self::Feedforward(_) => Work::once(rows),
            Self::FixedPoint(layer) => layer.take_statistics().into(),
            Self::Descent(layer) => layer.take_statistics().into(),
        }
    }

    /// x̂ for every row of a, `[batch, n]`.
    pub(crate) fn forward(&self, a: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Feedforward(cell) => cell.update(cell.start(&a), a),
            Self::FixedPoint(layer) => layer.forward(a),
            Self::Descent(layer) => layer.forward(a),
        }
    }
}
