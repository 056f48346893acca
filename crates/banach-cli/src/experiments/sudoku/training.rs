//! Training of the quadratic program, and the errors of its boards.

use super::network::Network;
use super::puzzle::{Puzzle, Puzzles, boards, indicators};
use super::rules::{Board, Rules};
use crate::error::Error;
use crate::experiments::epoch::{Epoch, Sums, Work};
use crate::random::Generator;
use crate::terminal::interruption::Interruption;
use crate::terminal::progress::Progress;
use banach_optimize::{OptimizationCounts, QuadraticProgram};
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use std::time::Instant;

const BATCH: usize = 50;
const LEARNING_RATE: f64 = 3e-2;
const EPOCH_STREAM: u64 = 1 << 34;

/// The scores after an epoch.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SudokuScores {
    /// Mean squared error of the test puzzles, a variable.
    pub(crate) test_loss: Option<f64>,
    /// The share of test boards with a wrong digit.
    pub(crate) test_error: f64,
}

/// A trained program.
#[derive(Debug)]
pub(crate) struct Trained {
    /// Number of weights.
    pub(crate) parameters: usize,
    pub(crate) epochs: Vec<Epoch<SudokuScores>>,
    /// The boards that the program gives for the test puzzles after the last epoch.
    pub(crate) boards: Vec<Board>,
    /// Seconds of the whole training.
    pub(crate) seconds: f64,
}

/// What is trained, and on what.
pub(crate) struct SudokuTraining<'a> {
    pub(crate) rules: Rules,
    pub(crate) puzzles: &'a Puzzles,
    pub(crate) epochs: usize,
    pub(crate) seed: u64,
    pub(crate) interruption: &'a Interruption,
    pub(crate) progress: &'a Progress,
}

/// A layer of quadratic programs, with the counts that were read last.
#[derive(Debug, Default)]
struct Layer {
    program: QuadraticProgram,
    read: OptimizationCounts,
}

impl Layer {
    /// What the solver did since the last call.
    fn take_work(&mut self) -> Work {
        let counts = self.program.counts();
        let non_finite =
            |counts: &OptimizationCounts| counts.terminations.get("non-finite").copied().unwrap_or(0);
        let work = Work {
            forward_rows: counts.rows - self.read.rows,
            forward_steps: counts.steps - self.read.steps,
            unconverged_rows: counts.failed - self.read.failed,
            non_finite_rows: non_finite(&counts) - non_finite(&self.read),
            ..Work::default()
        };
        self.read = counts;
        work
    }
}

impl SudokuTraining<'_> {
    /// Trains a program; Adam, mean squared error.
    pub(crate) fn train(&self) -> Result<Trained, Error> {
        let started = Instant::now();
        let device = Device::flex().autodiff();
        let mut network = Network::new(self.rules, self.seed, &device);
        let mut optimizer = AdamConfig::new().init();
        let parameters = network.num_params();
        let (mut train, mut test) = (Layer::default(), Layer::default());
        let (mut epochs, mut boards) = (Vec::with_capacity(self.epochs), vec![]);
        for epoch in 1..=self.epochs {
            let (begun, mut sums) = (Instant::now(), Sums::default());
            let puzzles = &self.puzzles.train;
            let order = Generator::new(self.seed, EPOCH_STREAM + epoch as u64).permutation(puzzles.len());
            for rows in order.chunks(BATCH) {
                let chosen: Vec<&Puzzle> = rows.iter().map(|row| &puzzles[*row]).collect();
                let samples: Vec<u64> = rows.iter().map(|row| *row as u64).collect();
                let (loss, _) = self.loss(&network, &train.program, (&chosen, &samples), &device)?;
                let value = f64::from(loss.clone().into_scalar::<f32>());
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                sums += Sums::of_mini_batch(value, rows.len(), train.take_work());
                network = optimizer.step(self.learning_rate(epoch), network, gradients);
                if self.interruption.is_requested() {
                    let advice = "the experiment keeps no checkpoint, so start it again";
                    return Err(Error::Interrupted(advice.into()));
                }
            }
            let seconds = begun.elapsed().as_secs_f64();
            let (scores, answered) = self.scores(&network.valid(), &mut test, &device.clone().inner())?;
            sums.work.add_failures(&test.take_work());
            epochs.push(Epoch { epoch, seconds, sums, scores });
            boards = answered;
            let wrong = 100.0 * scores.test_error;
            self.progress.advance(|| format!("{wrong:.1} % of the test boards are wrong"));
        }
        Ok(Trained { parameters, epochs, boards, seconds: started.elapsed().as_secs_f64() })
    }

    /// Falls linearly from epoch to epoch, so that the last epochs settle.
    fn learning_rate(&self, epoch: usize) -> f64 {
        LEARNING_RATE * (self.epochs + 1 - epoch) as f64 / self.epochs as f64
    }

    /// The scores on the test puzzles, and the boards given for them.
    fn scores(
        &self,
        network: &Network,
        layer: &mut Layer,
        device: &Device,
    ) -> Result<(SudokuScores, Vec<Board>), Error> {
        let puzzles: Vec<&Puzzle> = self.puzzles.test.iter().collect();
        let samples: Vec<u64> = (0..puzzles.len() as u64).collect();
        let (loss, x) = self.loss(network, &layer.program, (&puzzles, &samples), device)?;
        let test_loss = Some(f64::from(loss.into_scalar::<f32>())).filter(|loss| loss.is_finite());
        let boards = boards(self.rules, &x);
        let wrong = boards.iter().zip(&puzzles).filter(|(board, puzzle)| **board != puzzle.answer).count();
        Ok((SudokuScores { test_loss, test_error: wrong as f64 / puzzles.len() as f64 }, boards))
    }

    /// The mean squared error of puzzles, and x̂.
    fn loss(
        &self,
        network: &Network,
        program: &QuadraticProgram,
        (puzzles, samples): (&[&Puzzle], &[u64]),
        device: &Device,
    ) -> Result<(Tensor<1>, Tensor<2>), Error> {
        let given = indicators(self.rules, puzzles.iter().map(|puzzle| &puzzle.given), device);
        let answers = indicators(self.rules, puzzles.iter().map(|puzzle| &puzzle.answer), device);
        let x = network.forward(program, given, samples)?;
        Ok(((x.clone() - answers).square().mean(), x))
    }
}
