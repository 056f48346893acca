//! Where does a solve begin? Where a small network learned that solutions are: the closer the start, the fewer the steps.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::Picard;
use banach::{AdamConfig, Error, FixedPoint, FixedPointConfig, Update};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};

const STATES: usize = 16;
const INPUTS: usize = 4;

/// x = tanh(1.5 x W + z U), from a start with parameters of its own.
#[derive(Module, Debug)]
struct Cell {
    state: Linear,
    input: Linear,
    hidden: Linear,
    guess: Linear,
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        self.guess.forward(self.hidden.forward(z.clone()).tanh())
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (self.state.forward(x) * 1.5 + self.input.forward(z)).tanh()
    }
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let new = |from, to| LinearConfig::new(from, to).init(&device);
    let cell = Cell {
        state: new(STATES, STATES),
        input: new(INPUTS, STATES),
        hidden: new(INPUTS, 64),
        guess: new(64, STATES),
    };
    let solver = FixedPointConfig::new().with_solver(Picard::default());
    let mut layer: FixedPoint<Cell> = solver.init(cell)?;
    let mut optimizer = AdamConfig::new().init()?;
    let batch = || Tensor::<2>::random([64, INPUTS], Distribution::Normal(0.0, 1.0), &device);
    let mut means = vec![];
    for step in 1..=400 {
        let z = batch();
        let solution = layer.solve(z.clone())?;
        // In a network, the loss it is trained for comes on top; its gradient never reaches the start.
        let loss = layer.start_loss(z, &solution)?;
        let gradients = GradientsParams::from_grads(loss.backward(), &layer);
        layer = optimizer.step(5e-3, layer, gradients);
        if step % 50 == 0 {
            let mean = layer.take_statistics().mean_forward_steps();
            println!("after {step:3} steps of training: {mean:.2} steps of the solver for a row");
            means.push(mean);
        }
    }
    let z = batch();
    let zeros = Tensor::zeros([z.dims()[0], STATES], &device);
    let mean = |steps: &[usize]| steps.iter().sum::<usize>() as f64 / steps.len() as f64;
    let cold = mean(&layer.solve_from(zeros, z.clone())?.report().steps);
    let learned = mean(&layer.solve(z)?.report().steps);
    println!("inputs never seen: {cold:.2} steps from zeros, {learned:.2} from the learned start");
    assert!(means.last() < means.first() && learned < 0.85 * cold, "{means:?}");
    Ok(())
}
