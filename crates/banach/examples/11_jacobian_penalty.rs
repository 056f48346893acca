//! How is an update kept a contraction while it is trained? With a penalty on its Jacobian and losses on the way to x̂.

#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::regularize::{
    FixedPointCorrection, discounted, frobenius_penalty, random_signs, spectral_penalty,
};
use banach::{Error, FixedPoint, FixedPointConfig, Update};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor};

/// x = tanh(x W + z)
#[derive(Module, Debug)]
struct Cell {
    state: Linear,
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (self.state.forward(x) + z).tanh()
    }
}

/// Trains a cell to shift its input by one place; gives the loss, the mean of ‖J‖ and the steps of a row.
fn trained(device: &Device, penalty: f64, correction: f64) -> Result<(f64, f64, f64), Error> {
    device.seed(1);
    let cell = Cell { state: LinearConfig::new(8, 8).init(device) };
    let mut layer: FixedPoint<Cell> = FixedPointConfig::new().init(cell)?;
    let mut optimizer = AdamConfig::new().init();
    let mut last = f64::NAN;
    for step in 0..150 {
        let z = Tensor::<2>::random([32, 8], Distribution::Normal(0.0, 0.5), device);
        let shifted = Tensor::cat(vec![z.clone().narrow(1, 1, 7), z.clone().narrow(1, 0, 1)], 1);
        let loss = |x: &Tensor<2>| (x.clone() - (z.clone() + shifted.clone() * 0.7).tanh()).square().mean();
        // ANCHOR: loss
        let x = layer.forward(z.clone());
        let mut total = loss(&x);
        last = total.clone().into_scalar();
        if penalty > 0.0 {
            let probe = random_signs(&x)?;
            total = total + frobenius_penalty(&layer, x, z.clone(), probe)? * penalty;
        }
        if correction > 0.0 {
            let states = FixedPointCorrection::sampled(8, 2, step).states(&layer, z.clone())?;
            total = total + discounted(&states, 0.8, loss)? * correction;
        }
        let gradients = GradientsParams::from_grads(total.backward(), &layer);
        // ANCHOR_END: loss
        layer = optimizer.step(0.02, layer, gradients);
    }
    let layer = layer.valid();
    let z = Tensor::<2>::random([64, 8], Distribution::Normal(0.0, 0.5), &device.clone().inner());
    layer.take_statistics();
    let x = layer.forward(z.clone());
    let (squared, _) = spectral_penalty(&layer, x.clone(), z, random_signs(&x)?, 30)?;
    let norm: f64 = squared.sqrt().into_scalar();
    Ok((last, norm, layer.statistics().mean_forward_steps()))
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    let [plain, penalised, corrected] = [(0.0, 0.0), (0.05, 0.0), (0.05, 0.3)]
        .map(|(penalty, correction)| trained(&device, penalty, correction));
    let (plain, penalised, corrected) = (plain?, penalised?, corrected?);
    for (name, (loss, norm, steps)) in
        [("plain", plain), ("penalty", penalised), ("penalty and correction", corrected)]
    {
        println!("{name}: loss {loss:.4}, ‖J‖ {norm:.2}, {steps:.1} steps a row");
    }
    assert!(penalised.1 < plain.1, "the penalty makes the Jacobian smaller");
    Ok(())
}
