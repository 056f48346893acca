//! The time and the score of epochs of the published Bibtex map.

use super::journal::Journal;
use super::measurement::Timing;
use super::step::Step;
use crate::dataset::batches::Batches;
use crate::dataset::bibtex;
use crate::dataset::example::{Example, Widths};
use crate::device;
use crate::error::Error;
use crate::experiments::multilabel::{Cell, F1Scores, PUBLISHED_HIDDEN, clip};
use crate::options::{BackwardName, Measuring};
use crate::random::Generator;
use banach::solve::{Neumann, Picard, Tolerance};
use banach::{AdamConfig, FixedPoint, FixedPointConfig};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const BATCH: usize = 40;
const EPOCHS: usize = 3;
const LEARNING_RATE: f64 = 1e-3;
/// As the peers' Adam has it.
const EPSILON: f64 = 1e-8;
const MAX_STEPS: usize = 60;
const WEIGHT_STREAM: u64 = 24;
/// Keeps logarithms of outputs and of what they lack to 1 finite.
const LEAST: f64 = 1e-7;

type Layer = FixedPoint<Cell>;

/// Runs `banach bench bibtex`.
pub(crate) fn bench(data: &Path, measuring: &Measuring) -> Result<(), Error> {
    let data = bibtex::load(data, 1)?;
    // The peers hold nothing back for validation.
    let train: Arc<[Example]> = data.train.iter().chain(data.validation.iter()).cloned().collect();
    let mut journal = Journal::new("bibtex", measuring)?;
    for solver in ["anderson", "fixed_point_iter"] {
        if journal.wants(solver) {
            for backward in journal.backwards() {
                epochs(&mut journal, solver, backward, [&train, &data.test])?;
            }
        }
    }
    journal.close()
}

fn config(solver: &str) -> FixedPointConfig {
    let config = FixedPointConfig::new().with_max_steps(MAX_STEPS);
    let config = config.with_tolerance(Tolerance { absolute: 0.0, relative: 1e-4, ..Tolerance::default() });
    match solver {
        "fixed_point_iter" => config.with_solver(Picard::default()).with_adjoint(Neumann::default()),
        _ => config,
    }
}

fn epochs(
    journal: &mut Journal<'_>,
    solver: &str,
    backward: BackwardName,
    [train, test]: [&Arc<[Example]>; 2],
) -> Result<(), Error> {
    let device = journal.device.clone().autodiff();
    let cell = Cell::new(bibtex::WIDTHS, PUBLISHED_HIDDEN, &mut Generator::new(0, WEIGHT_STREAM), &device);
    let config = config(solver).with_engine(journal.measuring.engine.engine());
    let mut layer = config.init(cell).map_err(Error::layer)?;
    let mut optimizer = AdamConfig::new().with_epsilon(EPSILON).init().map_err(Error::layer)?;
    let step = Step::new(backward, journal.measuring.engine, loss);
    let batches = Batches::in_order(train.clone(), bibtex::WIDTHS, BATCH, &device).shuffled(0);
    for epoch in 1..=journal.measuring.repeats.unwrap_or(EPOCHS) {
        let (start, mut total, mut steps) = (Instant::now(), 0.0, 0);
        for batch in batches.pass(epoch) {
            let (loss, gradients) = step.take(&layer, (batch.z, batch.y))?;
            let (gradients, finite) = clip(&layer, gradients);
            if !finite {
                return Err(Error::Training(format!("the gradient is not finite in epoch {epoch}")));
            }
            layer = optimizer.step(LEARNING_RATE, layer, gradients);
            (total, steps) = (total + loss, steps + 1);
        }
        device::wait(&journal.device)?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let counts = layer.take_statistics();
        let score = score(&layer.valid(), test, &journal.device)?;
        layer.take_statistics();
        let measurement =
            journal.measurement(solver, Some(backward), Timing::once(ms), counts.mean_forward_steps());
        let measurement = journal.with_transfers(measurement, &counts);
        journal.write(
            measurement
                .with("epoch", epoch)
                .with("adjoint_iterations", counts.mean_adjoint_steps())
                .with("loss", total / f64::from(steps))
                .with("test_f1_at_half", score),
        )?;
    }
    Ok(())
}

/// Mean binary cross-entropy of the outputs x̂.
fn loss(layer: &Layer, (z, y): (Tensor<2>, Tensor<2>)) -> Tensor<1> {
    let x = layer.forward((z, None)).clamp(LEAST, 1.0 - LEAST);
    let absent = (y.clone().neg() + 1.0) * (x.clone().neg() + 1.0).log();
    (y * x.log() + absent).mean().neg()
}

/// Mean F1 of the test split at one half, in percent.
fn score(layer: &Layer, test: &Arc<[Example]>, device: &Device) -> Result<f64, Error> {
    let Widths { labels, .. } = bibtex::WIDTHS;
    let mut scores = F1Scores::new(labels);
    for batch in Batches::in_order(test.clone(), bibtex::WIDTHS, test.len(), device).pass(1) {
        let x = layer.solve((batch.z, None)).map_err(Error::layer)?.into_value();
        scores.extend(&x.into_data().iter().collect::<Vec<f32>>());
    }
    Ok(scores.f1(test, 0.5))
}
