//! Which cells converge, however large their weights become? A spectral cell and a monotone one, beside a plain one.

#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::regularize::{MonotoneConfig, SmallGain, SpectralEstimate, SpectralLinear, SpectralLinearConfig};
use banach::{Error, FixedPointConfig, Update};
use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};

const STATES: usize = 32;

/// x = tanh(x W + z)
#[derive(Module, Debug)]
struct Plain {
    state: Linear,
}

impl Update for Plain {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (self.state.forward(x) + z).tanh()
    }
}

// ANCHOR: spectral
/// The cell with W divided by its largest singular value where that is above 0.9.
#[derive(Module, Debug)]
struct Spectral {
    state: SpectralLinear,
}

impl Update for Spectral {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (self.state.forward(x) + z).tanh()
    }
}
// ANCHOR_END: spectral

fn main() -> Result<(), Error> {
    let device = Device::flex();
    device.seed(1);
    let z = Tensor::<2>::random([16, STATES], Distribution::Normal(0.0, 1.0), &device);
    let large = Initializer::Normal { mean: 0.0, std: 1.0 };
    let linear = LinearConfig::new(STATES, STATES).with_initializer(large.clone());
    let solver = FixedPointConfig::new().with_max_steps(2000);

    let plain = Plain { state: linear.init(&device) };
    let solution = solver.init(plain.clone())?.solve(z.clone())?;
    println!("plain: {}", solution.report().explain());
    assert!(!solution.report().converged());

    // ANCHOR: small_gain
    let (small, gains) = SmallGain::new().init(plain, z.clone())?;
    println!("small gain: from {:.2} to {:.2}, weights times {:.3}", gains.before, gains.after, gains.scale);
    assert!(solver.init(small)?.solve(z.clone())?.report().converged());
    // ANCHOR_END: small_gain

    // ANCHOR: estimates
    for estimate in [SpectralEstimate::Gram { steps: 4 }, SpectralEstimate::Power { margin: 0.05, steps: 50 }]
    {
        let state = SpectralLinearConfig::new(linear.clone()).with_estimate(estimate).init(&device)?;
        println!("spectral, {estimate:?}: contracts by {:.3}", state.bound());
        assert!(solver.init(Spectral { state })?.solve(z.clone())?.report().converged());
    }
    // ANCHOR_END: estimates

    // ANCHOR: monotone
    let cell = MonotoneConfig::new(STATES, STATES).with_initializer(large).init(&device)?;
    println!("monotone: ‖I - W‖ is at most {:.1}, m = {}", cell.state.bound(), cell.state.monotonicity());
    let solution = solver.init(cell)?.solve(z)?;
    // ANCHOR_END: monotone
    println!("monotone: {}", solution.report().explain());
    Ok(())
}
