//! How does training run compiled? A whole step as one program, gradients clipped together, and Adam in one pass.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::{AdamConfig, Error, FixedPoint, FixedPointConfig, Objective, Update, clip_gradients};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};

const STATES: usize = 16;

/// x = tanh(x W / 4 + z)
#[derive(Module, Debug)]
struct Cell {
    weight: Linear,
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (self.weight.forward(x) * 0.25 + z).tanh()
    }
}

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
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let mut network = Network {
        encoder: LinearConfig::new(4, STATES).init(&device),
        equilibrium: FixedPointConfig::new()
            .init(Cell { weight: LinearConfig::new(STATES, STATES).init(&device) })?,
        decoder: LinearConfig::new(STATES, 1).init(&device),
    };
    let z = Tensor::<2>::random([32, 4], Distribution::Normal(0.0, 1.0), &device);
    let y = z.clone().sum_dim(1);

    // ANCHOR: train
    let objective = Objective::new(|network: &Network, (z, y): (Tensor<2>, Tensor<2>)| {
        (network.forward(z) - y).square().mean()
    });
    let mut optimizer = AdamConfig::new().init()?;
    let mut losses = vec![];
    for _ in 0..100 {
        let (loss, gradients) = objective.value_and_gradient(&network, (z.clone(), y.clone()))?;
        losses.push(loss);
        let (gradients, _) = clip_gradients(&network, gradients, 1.0)?;
        network = optimizer.step(1e-2, network, gradients);
    }
    // ANCHOR_END: train

    println!("loss {:.4} at the start, {:.4} at the end", losses[0], losses[99]);
    assert!(losses[99] < 0.1 * losses[0]);
    Ok(())
}
