//! The cost of one slow row to the rest of its batch.
//!
//! `x = r(z) (x W) + z` with W orthogonal: the residual of a row falls by r in every step, so the rate alone decides the
//! number of its steps.

use super::journal::Journal;
use super::matrix::Matrix;
use super::step::Step;
use crate::error::Error;
use crate::options::{BackwardName, EngineName, Measuring};
use crate::random::Generator;
use banach::solve::{Neumann, Picard, Tolerance};
use banach::{FixedPoint, FixedPointConfig, Update};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

const WIDTH: usize = 256;
const BATCH: usize = 64;
const FAST: f64 = 0.5;
/// How many steps the slow row takes for one of the others.
const SLOWER: f64 = 20.0;
const WEIGHT_STREAM: u64 = 23;
/// Far enough above the rounding of f32, which the slow row gathers up.
const TOLERANCE: f64 = 1e-4;
const REPEATS: usize = 15;
const WARM_UP: usize = 3;

/// `x = r (x W) + z`.
#[derive(Module, Debug)]
struct Turn {
    weight: Param<Tensor<2>>,
}

impl Update for Turn {
    type State = Tensor<2>;
    /// z, and a column with the rate of every row.
    type Input = (Tensor<2>, Tensor<2>);

    fn start(&self, (z, _): &Self::Input) -> Tensor<2> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<2>, (z, rates): Self::Input) -> Tensor<2> {
        x.matmul(self.weight.val()) * rates + z
    }
}

/// Rows of z with unit length, `fast` of them and then the slow one or not.
fn input(fast: usize, slow: bool, device: &Device) -> (Tensor<2>, Tensor<2>) {
    let mut rates = vec![FAST; fast];
    rates.extend(slow.then_some(FAST.powf(1.0 / SLOWER)));
    let rows = rates.len();
    let z = Matrix::normal(rows, WIDTH, &mut Generator::new(1, WEIGHT_STREAM)).with_unit_rows();
    (z.tensor(device), Matrix { rows, columns: 1, numbers: rates }.tensor(device))
}

fn layer(engine: EngineName, device: &Device) -> Result<FixedPoint<Turn>, Error> {
    let weight = Matrix::orthogonal(WIDTH, &mut Generator::new(0, WEIGHT_STREAM)).parameter(device);
    let mut config = FixedPointConfig::new()
        .with_solver(Picard::default())
        .with_adjoint(Neumann::default())
        .with_max_steps(1000)
        .with_engine(engine.engine());
    // Against the first residual, forward and adjoint.
    config.forward.tolerance = Tolerance { absolute: TOLERANCE, relative: 0.0, ..Tolerance::default() };
    config.adjoint.tolerance = Tolerance { absolute: 0.0, relative: TOLERANCE, ..Tolerance::default() };
    config.init(Turn { weight }).map_err(Error::layer)
}

/// Runs `banach bench rows`.
pub(crate) fn bench(measuring: &Measuring) -> Result<(), Error> {
    let mut journal = Journal::new("rows", measuring)?;
    let roads = journal.backwards().into_iter().map(Some);
    for backward in std::iter::once(None).chain(roads) {
        let work = if backward.is_some() { "train" } else { "forward" };
        let setting = |rows: &str| format!("n{WIDTH} {rows} {work}");
        let mut parts = 0.0;
        for (rows, fast, slow) in
            [("B63 fast", BATCH - 1, false), ("B1 slow", 0, true), ("B64 together", BATCH - 1, true)]
        {
            if journal.wants(&setting(rows)) {
                parts += measure(&mut journal, &setting(rows), backward, (fast, slow), parts)?;
            }
        }
    }
    journal.close()
}

/// Measures one batch and gives its time; `parts` is that of the batches that make it up, as far as they are known.
fn measure(
    journal: &mut Journal<'_>,
    setting: &str,
    backward: Option<BackwardName>,
    (fast, slow): (usize, bool),
    parts: f64,
) -> Result<f64, Error> {
    let device = journal.device.clone();
    let device = if backward.is_some() { device.autodiff() } else { device };
    let (layer, input) = (layer(journal.measuring.engine, &device)?, input(fast, slow, &device));
    let step = backward.map(|backward| Step::new(backward, journal.measuring.engine, loss));
    let timing = journal.median_ms(REPEATS, WARM_UP, || match &step {
        Some(step) => step.take(&layer, input.clone()).map(|_| ()),
        None => layer.solve(input.clone()).map(|_| ()).map_err(Error::layer),
    })?;
    let counts = layer.take_statistics();
    let rows = fast + usize::from(slow);
    let own_steps = (counts.forward_steps + counts.adjoint_steps) / counts.solves.max(1);
    let mut measurement = journal
        .measurement(setting, backward, timing, counts.mean_forward_steps())
        .with("steps_of_all_rows", own_steps)
        .with("unconverged_rows", counts.unconverged_rows + counts.adjoint_unconverged_rows);
    if rows == BATCH && parts > 0.0 {
        measurement = measurement.with("parts_ms", parts).with("times_the_parts", timing.ms / parts);
    }
    journal.write(measurement)?;
    Ok(timing.ms)
}

fn loss(layer: &FixedPoint<Turn>, input: (Tensor<2>, Tensor<2>)) -> Tensor<1> {
    layer.forward(input).powi_scalar(2).mean()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slow_row_takes_twenty_times_the_steps_of_the_others() {
        let device = Device::flex().autodiff();
        for engine in [EngineName::Native, EngineName::Device] {
            let solution = layer(engine, &device).unwrap().solve(input(3, true, &device)).unwrap();
            let report = solution.report().clone();
            solution.into_value().powi_scalar(2).mean().backward();
            let adjoint = report.adjoint().remove(0);
            assert!(report.converged() && adjoint.escalation.is_none(), "{adjoint:?}");
            for (steps, fast) in [(report.steps, 14), (adjoint.steps, 13)] {
                assert_eq!(steps[..3], [fast; 3], "{engine:?}");
                assert!((264..=268).contains(&steps[3]), "{engine:?}: {steps:?}");
            }
        }
    }
}
