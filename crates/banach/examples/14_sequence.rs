//! How are the frames of a sequence solved? Each from the solution of the last, forward and backward.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::{Error, FixedPoint, FixedPointConfig, Statistics, Update, WarmStarts};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};

/// x = tanh(0.8 x W + z)
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
        (self.state.forward(x) * 0.8 + z).tanh()
    }
}

const SEQUENCES: usize = 8;
const FRAMES: usize = 40;

/// What it takes to solve all frames, with a backward pass through each.
fn run(
    layer: &FixedPoint<Cell>,
    frames: &[Tensor<2>],
    mut solve: impl FnMut(&Tensor<2>) -> Result<Tensor<2>, Error>,
) -> Result<Statistics, Error> {
    for z in frames {
        let _ = solve(z)?.square().mean().backward();
    }
    Ok(layer.take_statistics())
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let state = LinearConfig::new(32, 32).init(&device);
    let layer = FixedPointConfig::new().init(Cell { state })?;
    // Every sequence turns slowly from one input towards another.
    let input = || Tensor::<2>::random([SEQUENCES, 32], Distribution::Normal(0.0, 1.0), &device);
    let (from, to) = (input(), input());
    let frame = |time: usize| {
        let angle = 0.005 * time as f64;
        from.clone() * angle.cos() + to.clone() * angle.sin()
    };
    let frames: Vec<Tensor<2>> = (0..FRAMES).map(frame).collect();

    let cold = run(&layer, &frames, |z| Ok(layer.forward(z.clone())))?;

    // The last frame's state as it is: a start that is given, for the forward solve alone.
    let mut last: Option<Tensor<2>> = None;
    let given = run(&layer, &frames, |z| {
        let x0 = last.take().unwrap_or_else(|| layer.update().start(z));
        let x = layer.solve_from(x0, z.clone())?.into_value();
        last = Some(x.clone().detach());
        Ok(x)
    })?;

    // A number for each sequence: forward and backward, and a sequence that fails begins anew.
    let (warm, ids) = (WarmStarts::new(SEQUENCES)?, Vec::from_iter(0..SEQUENCES as u64));
    let remembered = run(&layer, &frames, |z| Ok(layer.solve_warm(z.clone(), &ids, &warm)?.into_value()))?;

    for (name, found) in [("cold", &cold), ("from the last state", &given), ("remembered", &remembered)] {
        let (forward, backward) = (found.mean_forward_steps(), found.mean_adjoint_steps());
        println!("{name}: {forward:.2} steps forward and {backward:.2} backward for a row");
    }
    assert_eq!(remembered.warm_rows, SEQUENCES * (FRAMES - 1));
    assert!(given.forward_steps < cold.forward_steps * 3 / 4);
    assert_eq!(given.forward_steps, remembered.forward_steps);
    assert!(remembered.adjoint_steps < cold.adjoint_steps * 3 / 4);
    Ok(())
}
