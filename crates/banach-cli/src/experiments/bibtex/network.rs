//! What does the Bibtex network compute, with its map applied once or up to its fixed point?

use super::settings::{HIDDEN, Settings};
use crate::command::LayerName;
use crate::dataset::bibtex::{FEATURES, LABELS};
use crate::error::Error;
use crate::experiments::perceptron::Perceptron;
use crate::random::Generator;
use banach::program::Program;
use banach::{FixedPoint, FixedPointConfig, Update};
use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};

const WEIGHT_STREAM: u64 = 2;

/// `g(x, z) = sigmoid(W2 relu(W1 [z, x] + b1) + b2)`, 1836 + 159 -> 600 -> 159.
#[derive(Module, Debug)]
pub(crate) struct Cell {
    body: Perceptron,
}

impl Cell {
    /// A cell with starting weights drawn from `seed`.
    pub(crate) fn new(seed: u64, device: &Device) -> Self {
        let mut generator = Generator::new(seed, WEIGHT_STREAM);
        Self { body: Perceptron::new([FEATURES + LABELS, HIDDEN, LABELS], &mut generator, device) }
    }

    /// What the sigmoid of g is applied to, `[batch, 159]`.
    fn logits(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        self.body.forward(Tensor::cat(vec![z, x], 1))
    }
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        Tensor::zeros([z.dims()[0], LABELS], &z.device())
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        activation::sigmoid(self.logits(x, z))
    }
}

/// The update g(x, z) as a program, traced for a mini-batch of `rows`.
pub(crate) fn program(rows: usize, device: &Device) -> Result<Program, Error> {
    let layer = FixedPointConfig::new().init(Cell::new(0, device)).map_err(Error::layer)?;
    layer.program(Tensor::zeros([rows, FEATURES], device)).map_err(Error::layer)
}

/// The map, applied once or up to its fixed point.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a module cannot stand in a box")]
pub(crate) enum Layer {
    /// x̂ = g(0, z).
    Feedforward(Cell),
    /// x̂ = g(x̂, z).
    FixedPoint(FixedPoint<Cell>),
}

/// The network that trains.
#[derive(Module, Debug)]
pub(crate) struct Network {
    layer: Layer,
}

/// What the solvers did since they were last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Work {
    /// Mean steps of the forward solver a row.
    pub(crate) forward_steps: f64,
    /// Mean steps of the adjoint solver a row.
    pub(crate) adjoint_steps: f64,
    /// Rows whose fixed point was not found to the tolerance, and rows whose adjoint was not.
    pub(crate) unconverged_rows: usize,
    /// Rows in which a number that is not finite was met.
    pub(crate) non_finite_rows: usize,
}

impl Network {
    /// The network that `layer` and `settings` describe.
    pub(crate) fn new(
        layer: LayerName,
        seed: u64,
        settings: &Settings,
        device: &Device,
    ) -> Result<Self, Error> {
        let cell = Cell::new(seed, device);
        let layer = match layer {
            LayerName::Feedforward => Layer::Feedforward(cell),
            LayerName::FpiNn => Layer::FixedPoint(settings.fixed_point().init(cell).map_err(Error::layer)?),
        };
        Ok(Self { layer })
    }

    /// The logits of x̂, `[batch, 159]`: x̂ is their sigmoid.
    ///
    /// At a fixed point x̂ = g(x̂, z), so the logits inside this last application of g are those of x̂ itself, and the
    /// loss can be computed from them: no logarithm of an output that has been rounded to 0 or 1, and an incoming
    /// cotangent that never exceeds 1. The derivative is the same by the implicit function theorem.
    pub(crate) fn logits(&self, z: Tensor<2>) -> Tensor<2> {
        match &self.layer {
            Layer::Feedforward(cell) => cell.logits(cell.start(&z), z),
            Layer::FixedPoint(layer) => {
                let x = layer.forward(z.clone());
                layer.update().logits(x, z)
            }
        }
    }

    /// What the solvers did since the last call; g applied once counts as one step.
    pub(crate) fn take_work(&self) -> Work {
        match &self.layer {
            Layer::Feedforward(_) => Work { forward_steps: 1.0, ..Work::default() },
            Layer::FixedPoint(layer) => {
                let counts = layer.take_statistics();
                Work {
                    forward_steps: counts.mean_forward_steps(),
                    adjoint_steps: counts.mean_adjoint_steps(),
                    unconverged_rows: counts.unconverged_rows + counts.adjoint_unconverged_rows,
                    non_finite_rows: counts.non_finite_rows,
                }
            }
        }
    }
}

impl Work {
    /// Adds the counts of rows; the means of steps stay as they are.
    pub(crate) fn add_rows(&mut self, other: &Work) {
        self.unconverged_rows += other.unconverged_rows;
        self.non_finite_rows += other.non_finite_rows;
    }
}
