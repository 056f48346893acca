//! How is an energy put into a network? As the fixed point of its projected gradient step (FPI_GD), here a small
//! quadratic program with a box, trained to give chosen answers.

#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::{Energy, Error, FixedPointConfig, GradientDescentConfig, Projection};
use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};

// ANCHOR: energy
/// f(x, z) = ½ ‖x‖² + ½ ‖x L‖² - xᵀ z: convex for every L.
#[derive(Module, Debug)]
struct Quadratic {
    l: Param<Tensor<2>>,
}

impl Energy for Quadratic {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn energy(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
        let bent =
            x.clone().powi_scalar(2).sum_dim(1) + x.clone().matmul(self.l.val()).powi_scalar(2).sum_dim(1);
        (bent * 0.5 - (x * z).sum_dim(1)).squeeze_dim(1)
    }
}
// ANCHOR_END: energy

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    let l = Tensor::<2>::from_data([[0.1, 0.0], [0.0, 0.1]], &device);
    let energy = Quadratic { l: Param::from_tensor(l.require_grad()) };
    // ANCHOR: layer
    let bounds = Projection::Box { lower: vec![0.0], upper: vec![1.0] };
    let step = GradientDescentConfig::new(0.3).with_projection(bounds).init(energy)?;
    let mut layer = FixedPointConfig::new().init(step)?;
    // ANCHOR_END: layer

    let z = Tensor::<2>::from_data([[1.0, 0.5], [3.0, -1.0]], &device);
    let target = Tensor::<2>::from_data([[0.4, 0.1], [1.0, 0.0]], &device);
    // ANCHOR: train
    let mut optimizer = AdamConfig::new().init();
    let mut losses = vec![];
    for _ in 0..150 {
        let loss = (layer.forward(z.clone()) - target.clone()).powi_scalar(2).sum();
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &layer);
        layer = optimizer.step(0.05, layer, gradients);
    }
    // ANCHOR_END: train
    let solution = layer.solve(z)?;
    println!("loss {:.2e} at the start, {:.2e} at the end", losses[0], losses[149]);
    println!("x̂ = {}", solution.value());
    println!("{}", solution.report().explain());
    assert!(losses[149] < 1e-2 * losses[0]);
    Ok(())
}
