//! A state of two tensors of different shapes: a map of features and a vector that see one another.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::{FixedPointConfig, Update};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};

/// a = tanh(b A / 3 + z) for features `a [batch, 3, 4]`, b = tanh(mean(a) B / 3) for a vector `b [batch, 5]`.
#[derive(Module, Debug)]
struct Pair {
    to_features: Linear,
    to_vector: Linear,
}

impl Update for Pair {
    type State = (Tensor<3>, Tensor<2>);
    type Input = Tensor<3>;

    fn start(&self, z: &Tensor<3>) -> Self::State {
        (z.zeros_like(), Tensor::zeros([z.dims()[0], 5], &z.device()))
    }

    fn update(&self, (a, b): Self::State, z: Tensor<3>) -> Self::State {
        let sent = self.to_features.forward(b).unsqueeze_dim::<3>(1) * 0.3;
        let mean = a.mean_dim(1).squeeze_dim::<2>(1);
        ((sent + z).tanh(), (self.to_vector.forward(mean) * 0.3).tanh())
    }
}

fn main() -> Result<(), banach::Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let pair = Pair {
        to_features: LinearConfig::new(5, 4).init(&device),
        to_vector: LinearConfig::new(4, 5).init(&device),
    };
    let layer = FixedPointConfig::new().init(pair)?;
    let z = Tensor::<3>::random([2, 3, 4], Distribution::Normal(0.0, 1.0), &device).require_grad();

    let solution = layer.solve(z.clone())?;
    println!("{}", solution.report().explain());
    assert!(solution.report().converged());
    let (a, b) = solution.into_value();
    println!("features {:?}, vector {:?}", a.dims(), b.dims());
    assert_eq!((a.dims(), b.dims()), ([2, 3, 4], [2, 5]));

    // A loss of the vector alone: its gradient reaches z through the features.
    let gradients = b.square().mean().backward();
    let gradient = z.grad(&gradients).expect("z is on the tape");
    let size: f32 = gradient.abs().sum().into_scalar();
    println!("the gradient of z sums to {size:.5} in absolute value");
    assert!(size > 0.0);
    Ok(())
}
