//! A multiscale equilibrium model: two resolutions that see one another, one to find a bar, one to tell its direction.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::Tolerance;
use banach::{Error, FixedPoint, FixedPointConfig, Update, check};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor, TensorData};

const CHANNELS: usize = 8;
const SIDE: usize = 8;
const ROWS: usize = 32;

// ANCHOR: scales
/// fine = tanh(0.3 (A fine + up(coarse)) + C z), coarse = tanh(0.3 B coarse + down(fine)): one equilibrium.
#[derive(Module, Debug)]
struct Scales {
    image: Conv2d,
    fine: Conv2d,
    coarse: Conv2d,
    down: Conv2d,
    up: ConvTranspose2d,
}

impl Update for Scales {
    type State = (Tensor<4>, Tensor<4>);
    type Input = Tensor<4>;

    fn start(&self, z: &Tensor<4>) -> Self::State {
        let zeros = |side| Tensor::zeros([z.dims()[0], CHANNELS, side, side], &z.device());
        (zeros(SIDE), zeros(SIDE / 2))
    }

    fn update(&self, (fine, coarse): Self::State, z: Tensor<4>) -> Self::State {
        let sent = self.fine.forward(fine.clone()) + self.up.forward(coarse.clone());
        let seen = self.coarse.forward(coarse) * 0.3 + self.down.forward(fine);
        ((sent * 0.3 + self.image.forward(z)).tanh(), seen.tanh())
    }
}

/// Scores of the pixels, a channel of the fine scale `[rows, 1, 8, 8]`, and of the direction, from the mean squares of the
/// coarse one `[rows, 1]`.
fn scores((scales, tell): &(FixedPoint<Scales>, Linear), images: Tensor<4>) -> (Tensor<4>, Tensor<2>) {
    let (fine, coarse) = scales.forward(images);
    let squares = coarse.square().flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2);
    (fine.narrow(1, 0, 1), tell.forward(squares))
}
// ANCHOR_END: scales

/// Noisy images with a bar across or upright, the pixels of the bar, and its direction, each as ±1.
fn images(device: &Device) -> (Tensor<4>, Tensor<4>, Tensor<2>) {
    let draws = Tensor::<2>::random([ROWS, 3], Distribution::Uniform(0.0, 1.0), device).to_data();
    let draws: Vec<f32> = draws.iter().collect();
    let (mut pixels, mut directions) = (vec![], vec![]);
    for draw in draws.chunks(3) {
        let (across, at, from) = (draw[0] < 0.5, (draw[1] * 8.0) as usize, (draw[2] * 4.0) as usize);
        let bar = |along: usize, other: usize| other == at && (from..from + 5).contains(&along);
        let sign = |holds: bool| if holds { 1.0f32 } else { -1.0 };
        let place =
            |cell: usize| if across { (cell % SIDE, cell / SIDE) } else { (cell / SIDE, cell % SIDE) };
        pixels.extend((0..SIDE * SIDE).map(place).map(|(along, other)| sign(bar(along, other))));
        directions.push(sign(across));
    }
    let bars = Tensor::<4>::from_data(TensorData::new(pixels, [ROWS, 1, SIDE, SIDE]), device);
    let noise = Tensor::random(bars.dims(), Distribution::Normal(0.0, 0.5), device);
    (bars.clone() + noise, bars, Tensor::from_data(TensorData::new(directions, [ROWS, 1]), device))
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let convolution =
        |from, to| Conv2dConfig::new([from, to], [3, 3]).with_padding(PaddingConfig2d::Same).init(&device);
    let scales = Scales {
        image: convolution(1, CHANNELS),
        fine: convolution(CHANNELS, CHANNELS),
        coarse: convolution(CHANNELS, CHANNELS),
        down: Conv2dConfig::new([CHANNELS, CHANNELS], [2, 2]).with_stride([2, 2]).init(&device),
        up: ConvTranspose2dConfig::new([CHANNELS, CHANNELS], [2, 2]).with_stride([2, 2]).init(&device),
    };
    let mut model = (FixedPointConfig::new().init(scales)?, LinearConfig::new(CHANNELS, 1).init(&device));
    let start = model.0.clone();

    // ANCHOR: train
    let mut optimizer = AdamConfig::new().init();
    for _ in 0..300 {
        let (images, bars, directions) = images(&device);
        let (found, told) = scores(&model, images);
        let loss = (found - bars).square().mean() + (told.tanh() - directions).square().mean();
        model = optimizer.step(0.03, model.clone(), GradientsParams::from_grads(loss.backward(), &model));
    }
    // ANCHOR_END: train
    let (images, bars, directions) = images(&device);
    let (found, told) = scores(&model, images.clone());
    let pixels = 50.0 * (1.0 + (found.sign() * bars).mean().into_scalar::<f64>());
    let told = 50.0 * (1.0 + (told.sign() * directions).mean().into_scalar::<f64>());
    println!("{pixels:.1} % of the pixels and {told:.1} % of the directions are right");
    assert!(pixels > 97.0 && told > 85.0);
    // At the starting weights: differences in single precision say little where trained weights make x̂ steep.
    let tight = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-6));
    let found = check::gradients(&start.with_config(tight)?, images)?;
    println!("in single precision, apart from finite differences {:.1e}", found.finite_difference);
    assert!(found.agrees(2e-2), "{found:?}");
    Ok(())
}
