//! The time of a training step of a dense cell: value and gradient of mean(x²) through its fixed point.

use super::journal::Journal;
use super::matrix::Matrix;
use super::step::Step;
use crate::error::Error;
use crate::options::{BackwardName, EngineName, Measuring};
use crate::random::Generator;
use banach::program::Program;
use banach::solve::{Neumann, Picard, Tolerance};
use banach::{FixedPoint, FixedPointConfig, Report, Update};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use std::fmt::{self, Display, Formatter};
use std::ops::ControlFlow;

/// Batch and width.
const SIZES: [(usize, usize); 3] = [(16, 64), (64, 256), (256, 512)];
const WEIGHT_STREAM: u64 = 21;
const SPECTRAL_NORM: f64 = 0.9;
const MAX_STEPS: usize = 1000;
const REPEATS: usize = 30;
const WARM_UP: usize = 3;

/// `x = tanh(x W + z U)`.
#[derive(Module, Debug)]
pub(super) struct Cell {
    state: Param<Tensor<2>>,
    input: Param<Tensor<2>>,
}

impl Cell {
    /// W of spectral norm 0.9, U of about 1.
    fn new(width: usize, generator: &mut Generator, device: &Device) -> Self {
        let state = Matrix::normal(width, width, generator).with_norm(SPECTRAL_NORM);
        Self::with_state(&state, generator, device)
    }

    /// Any square W, and U of about 1.
    pub(super) fn with_state(state: &Matrix, generator: &mut Generator, device: &Device) -> Self {
        let width = state.columns;
        let input = Matrix::normal(width, width, generator).scaled(1.0 / (width as f64).sqrt());
        Self { state: state.parameter(device), input: input.parameter(device) }
    }
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (x.matmul(self.state.val()) + z.matmul(self.input.val())).tanh()
    }
}

/// A pair of solvers, by the name of the setting.
fn config(solver: &str, engine: EngineName) -> FixedPointConfig {
    // The peers stop at ‖x_new - x‖ <= 1e-5 (1e-9 + ‖x‖).
    let tolerance = Tolerance { absolute: 1e-14, relative: 1e-5, ..Tolerance::default() };
    let config = FixedPointConfig::new()
        .with_tolerance(tolerance)
        .with_max_steps(MAX_STEPS)
        .with_engine(engine.engine());
    match solver {
        "picard" => config.with_solver(Picard::default()).with_adjoint(Neumann::default()),
        _ => config,
    }
}

/// Runs `banach bench cell`.
pub(crate) fn bench(measuring: &Measuring) -> Result<(), Error> {
    let mut journal = Journal::new("cell", measuring)?;
    for (batch, width) in SIZES {
        for solver in ["picard", "anderson"] {
            let setting = format!("B{batch} n{width} {solver}");
            if journal.wants(&setting) {
                for backward in journal.backwards() {
                    measure(&mut journal, &setting, backward, (batch, width), solver)?;
                }
            }
            for looks in [Looks::Few, Looks::EveryStep] {
                let setting = format!("{setting} {looks}");
                if journal.is_elsewhere() && journal.wants(&setting) {
                    solve(&mut journal, &setting, looks, (batch, width), solver)?;
                }
            }
        }
    }
    journal.close()
}

fn measure(
    journal: &mut Journal<'_>,
    setting: &str,
    backward: BackwardName,
    (batch, width): (usize, usize),
    solver: &str,
) -> Result<(), Error> {
    let device = journal.device.clone().autodiff();
    let (layer, z) = drawn(&config(solver, journal.measuring.engine), (batch, width), &device)?;
    let step = Step::new(backward, journal.measuring.engine, loss);
    let mut loss = 0.0;
    let timing = journal.median_ms(REPEATS, WARM_UP, || {
        loss = step.take(&layer, z.clone())?.0;
        Ok(())
    })?;
    let counts = layer.take_statistics();
    let measurement = journal.measurement(setting, Some(backward), timing, counts.mean_forward_steps());
    let measurement = journal.with_transfers(measurement, &counts);
    let unconverged = counts.unconverged_rows + counts.adjoint_unconverged_rows;
    journal.write(
        measurement
            .with("adjoint_iterations", counts.mean_adjoint_steps())
            .with("loss", loss)
            .with("unconverged_rows", unconverged),
    )
}

/// How often the host looks at the residuals while a device iterates.
#[derive(Clone, Copy, Debug)]
enum Looks {
    /// As the measured rate suggests.
    Few,
    /// After every step, as an observer does.
    EveryStep,
}

impl Display for Looks {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Few => "forward",
            Self::EveryStep => "forward, every step read",
        })
    }
}

/// The forward solve alone.
fn solve(
    journal: &mut Journal<'_>,
    setting: &str,
    looks: Looks,
    (batch, width): (usize, usize),
    solver: &str,
) -> Result<(), Error> {
    let device = journal.device.clone();
    let (layer, z) = drawn(&config(solver, journal.measuring.engine), (batch, width), &device)?;
    let timing = journal.median_ms(REPEATS, WARM_UP, || {
        let z = z.clone();
        let solution = match looks {
            Looks::Few => layer.solve(z),
            Looks::EveryStep => layer.solve_observed(z.zeros_like(), z, |_| ControlFlow::Continue(())),
        };
        solution.map(|_| ()).map_err(Error::layer)
    })?;
    let counts = layer.take_statistics();
    let measurement = journal.measurement(setting, None, timing, counts.mean_forward_steps());
    journal.write(match looks {
        Looks::Few => journal.with_transfers(measurement, &counts),
        Looks::EveryStep => measurement,
    })
}

fn loss(layer: &FixedPoint<Cell>, z: Tensor<2>) -> Tensor<1> {
    layer.forward(z).powi_scalar(2).mean()
}

/// The update as a program, in the smallest size.
pub(crate) fn program(device: &Device) -> Result<Program, Error> {
    let (layer, z) = smallest(&FixedPointConfig::new(), device)?;
    layer.program(z).map_err(Error::layer)
}

/// How the smallest size is solved.
pub(crate) fn solved(config: &FixedPointConfig, device: &Device) -> Result<Report, Error> {
    let (layer, z) = smallest(config, device)?;
    layer.solve(z).map(|solution| solution.report().clone()).map_err(Error::layer)
}

/// The solution in the smallest size, and the gradient of the mean of its squares to the input.
pub(crate) fn differentiated(config: &FixedPointConfig, device: &Device) -> Result<[Vec<f32>; 2], Error> {
    let (layer, z) = smallest(config, &device.clone().autodiff())?;
    let z = z.require_grad();
    let x = layer.forward(z.clone());
    let gradients = x.clone().powi_scalar(2).mean().backward();
    let gradient = z.grad(&gradients).unwrap_or_else(|| panic!("bug: found no gradient of a tracked input"));
    Ok([x, gradient].map(|tensor| tensor.into_data().iter::<f32>().collect()))
}

fn smallest(config: &FixedPointConfig, device: &Device) -> Result<(FixedPoint<Cell>, Tensor<2>), Error> {
    drawn(config, SIZES[0], device)
}

/// A layer and an input, equal on every device.
fn drawn(
    config: &FixedPointConfig,
    (batch, width): (usize, usize),
    device: &Device,
) -> Result<(FixedPoint<Cell>, Tensor<2>), Error> {
    let mut generator = Generator::new(0, WEIGHT_STREAM);
    let cell = Cell::new(width, &mut generator, device);
    let z = Matrix::normal(batch, width, &mut generator).tensor(device);
    Ok((config.init(cell).map_err(Error::layer)?, z))
}
