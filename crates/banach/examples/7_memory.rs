//! The memory of a training step: equal for 10 iterations and for 200.
//!
//! Both solves are forced to the number of steps: tolerance zero, no patience. The numbers are bytes that the program
//! had allocated at its peak, above what it held before the step.

#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::{Neumann, Picard, Tolerance};
use banach::{FixedPointConfig, Update};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// x = tanh(0.5 x W + z U), 256 numbers wide.
#[derive(Module, Debug)]
struct Cell {
    state: Linear,
    input: Linear,
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        Tensor::zeros([z.dims()[0], 256], &z.device())
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (self.state.forward(x) * 0.5 + self.input.forward(z)).tanh()
    }
}

/// Peak bytes of one training step of a batch of 512, after a step that traces and warms up.
fn peak(steps: usize) -> Result<usize, banach::Error> {
    let device = Device::flex().autodiff();
    let cell = Cell {
        state: LinearConfig::new(256, 256).init(&device),
        input: LinearConfig::new(256, 256).init(&device),
    };
    let mut config = FixedPointConfig::new()
        .with_solver(Picard::default())
        .with_adjoint(Neumann::default())
        .with_tolerance(Tolerance::both(0.0))
        .with_max_steps(steps)
        .with_escalate(false);
    (config.forward.patience, config.adjoint.patience) = (None, None);
    let layer = config.init(cell)?;
    let z = Tensor::<2>::ones([512, 256], &device) * 0.3;
    let mut above = 0;
    for _ in 0..3 {
        ALLOCATED.reset_peak_usage();
        let before = ALLOCATED.current_usage();
        let gradients = layer.solve(z.clone())?.into_value().powi_scalar(2).mean().backward();
        above = ALLOCATED.peak_usage() - before;
        drop(gradients);
    }
    let taken = layer.take_statistics();
    println!(
        "{steps:4} steps: forward {:.0}, adjoint {:.0} on average; peak {:.3} MB",
        taken.mean_forward_steps(),
        taken.mean_adjoint_steps(),
        above as f64 / 1e6
    );
    Ok(above)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // On one thread: with several, the peak depends on which parts of the batch are solved at the same time.
    let thread = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let (few, many) = thread.install(|| {
        peak(10)?; // The thread keeps some memory for later solves.
        Ok::<_, banach::Error>((peak(10)?, peak(200)?))
    })?;
    let ratio = many as f64 / few as f64;
    println!("200 steps take {ratio:.4} times the memory of 10");
    assert!((ratio - 1.0).abs() < 0.02, "memory grows with the number of iterations");
    Ok(())
}
