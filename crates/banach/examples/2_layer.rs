//! A fixed-point layer inside a network, and one training step with Burn's Adam.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::{FixedPoint, FixedPointConfig, Update};
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};

const STATES: usize = 16;

// ANCHOR: cell
/// x = norm(tanh(x W / 4 + z)): the state feeds itself, as the cell of a deep equilibrium model does.
#[derive(Module, Debug)]
struct Cell {
    weight: Linear,
    norm: LayerNorm,
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        Tensor::zeros([z.dims()[0], STATES], &z.device())
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        self.norm.forward((self.weight.forward(x) * 0.25 + z).tanh())
    }
}
// ANCHOR_END: cell

// ANCHOR: network
/// The layer stands between two ordinary ones.
#[derive(Module, Debug)]
struct Network {
    encoder: Linear,
    equilibrium: FixedPoint<Cell>,
    decoder: Linear,
}

impl Network {
    fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        self.decoder.forward(self.equilibrium.forward(self.encoder.forward(z)))
    }

    /// Mean squared error against the sum of the inputs.
    fn loss(&self, z: Tensor<2>) -> Tensor<1> {
        (self.forward(z.clone()) - z.sum_dim(1)).square().mean()
    }
}
// ANCHOR_END: network

fn main() -> Result<(), banach::Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let cell = Cell {
        weight: LinearConfig::new(STATES, STATES).init(&device),
        norm: LayerNormConfig::new(STATES).init(&device),
    };
    let mut network = Network {
        encoder: LinearConfig::new(4, STATES).init(&device),
        equilibrium: FixedPointConfig::new().init(cell)?,
        decoder: LinearConfig::new(STATES, 1).init(&device),
    };
    let z = Tensor::<2>::random([32, 4], burn::tensor::Distribution::Normal(0.0, 1.0), &device);

    // ANCHOR: step
    let loss = network.loss(z.clone());
    let before: f32 = loss.clone().into_scalar();
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    network = AdamConfig::new().init().step(1e-2, network, gradients);
    let after: f32 = network.loss(z).into_scalar();
    // ANCHOR_END: step

    // ANCHOR: report
    let statistics = network.equilibrium.statistics();
    println!("loss {before:.4} before the step, {after:.4} after it");
    println!("{:.1} forward steps a row on average", statistics.mean_forward_steps());
    println!("{:.1} adjoint steps a row on average", statistics.mean_adjoint_steps());
    // ANCHOR_END: report

    assert!(after < before);
    assert_eq!((statistics.solves, statistics.unconverged_rows), (2, 0));
    assert_eq!((statistics.adjoint_rows, statistics.adjoint_unconverged_rows), (32, 0));
    Ok(())
}
