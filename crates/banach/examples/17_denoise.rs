//! How does a convolutional fixed point remove noise? A small FPI_NN learns it from discs, in a few seconds.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::Tolerance;
use banach::{AdamConfig, Error, FixedPoint, FixedPointConfig, Objective, Update};
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Distribution, Int, Tensor, activation::relu};

const CHANNELS: usize = 16;
const SIGMA: f64 = 0.2;
// ANCHOR: network
/// g(x, z) = relu(I z + W relu(V x)): features x of the noisy image z.
#[derive(Module, Debug)]
struct Map {
    inject: Conv2d,
    first: Conv2d,
    second: Conv2d,
}

impl Update for Map {
    type State = Tensor<4>;
    type Input = Tensor<4>;

    fn start(&self, z: &Tensor<4>) -> Tensor<4> {
        relu(self.inject.forward(z.clone()))
    }

    fn update(&self, x: Tensor<4>, z: Tensor<4>) -> Tensor<4> {
        relu(self.second.forward(relu(self.first.forward(x))) + self.inject.forward(z))
    }
}

#[derive(Module, Debug)]
struct Denoiser {
    features: FixedPoint<Map>,
    read_out: Conv2d,
}

// ANCHOR_END: network

fn convolution(channels: [usize; 2], device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
}

/// Discs of random places, sizes and gray levels on black, without noise and with it.
fn images(device: &Device) -> (Tensor<4>, Tensor<4>) {
    let numbers = |low, high| Tensor::<4>::random([8, 1, 1, 1], Distribution::Uniform(low, high), device);
    let places = Tensor::<1, Int>::arange(0..24, device).float();
    let away = |axis: [usize; 4]| (places.clone().reshape(axis) - numbers(6.0, 18.0)).square();
    let outside = (away([1, 1, 1, 24]) + away([1, 1, 24, 1])).sqrt() - numbers(3.0, 9.0);
    let clean = (-outside).clamp(0.0, 1.0) * numbers(0.3, 1.0);
    (clean.clone(), clean + Tensor::random([8, 1, 24, 24], Distribution::Normal(0.0, SIGMA), device))
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let [inject, first, second] =
        [1, CHANNELS, CHANNELS].map(|inputs| convolution([inputs, CHANNELS], &device));
    let tolerance = Tolerance { relative: 1e-2, ..Tolerance::default() };
    let config = FixedPointConfig::new().with_tolerance(tolerance);
    let features = config.init(Map { inject, first, second })?;
    let mut denoiser = Denoiser { features, read_out: convolution([CHANNELS, 1], &device) };
    let error = |denoiser: &Denoiser, (clean, z): (Tensor<4>, Tensor<4>)| {
        let noise = denoiser.read_out.forward(denoiser.features.forward(z.clone()));
        (z - noise - clean).square().mean()
    };
    let (objective, mut optimizer) = (Objective::new(error), AdamConfig::new().init()?);
    let mut last = 0.0;
    for _ in 0..150 {
        let (loss, gradients) = objective.value_and_gradient(&denoiser, images(&device))?;
        (denoiser, last) = (optimizer.step(4e-3, denoiser, gradients), loss);
    }
    let psnr = |square: f64| -10.0 * square.log10();
    println!("{:.1} dB with noise, {:.1} dB without", psnr(SIGMA * SIGMA), psnr(last));
    assert!(psnr(last) > psnr(SIGMA * SIGMA) + 4.0);
    Ok(())
}
