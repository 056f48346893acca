//! What happens to the network in one mini-batch: the loss, its gradient, and what is measured?

use super::evaluation::row_f1;
use super::loss::{clip, loss};
use super::network::Network;
use super::work::Work;
use crate::dataset::batches::Batch;
use crate::dataset::bibtex::LABELS;
use burn::optim::GradientsParams;
use burn::tensor::{ExecutionError, activation};
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};

/// What one mini-batch gave, on the host.
#[derive(Clone, Debug)]
pub(crate) struct StepOutput {
    /// Mean over the rows.
    pub(crate) loss: f64,
    /// Rows of the mini-batch.
    pub(crate) rows: usize,
    /// The outputs x̂, row by row; empty while training.
    pub(crate) outputs: Vec<f32>,
    /// Mean F1 at one half, in percent; none while training.
    pub(crate) f1_at_half: Option<f64>,
    /// What the solvers did.
    pub(crate) work: Work,
}

impl ItemLazy for StepOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl TrainStep for Network {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, batch: Batch) -> TrainOutput<StepOutput> {
        let rows = batch.z.dims()[0];
        let loss = loss(self.logits(batch.z, batch.mask), batch.y, self.f1_weight());
        let value = f64::from(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), self);
        let (grads, finite) = clip(self, gradients);
        let mut work = self.take_work();
        if !finite || !value.is_finite() {
            work.non_finite_rows = rows;
        }
        let item = StepOutput { loss: value, rows, outputs: Vec::new(), f1_at_half: None, work };
        TrainOutput { grads, item }
    }
}

impl InferenceStep for Network {
    type Input = Batch;
    type Output = StepOutput;

    fn step(&self, batch: Batch) -> StepOutput {
        let logits = self.logits(batch.z, batch.mask);
        let loss = loss(logits.clone(), batch.y.clone(), self.f1_weight());
        let loss = f64::from(loss.into_scalar::<f32>());
        let outputs: Vec<f32> = activation::sigmoid(logits).into_data().iter().collect();
        let truth: Vec<f32> = batch.y.into_data().iter().collect();
        let rows = truth.len() / LABELS;
        let pairs = || outputs.chunks_exact(LABELS).zip(truth.chunks_exact(LABELS));
        let f1 = pairs().map(|(outputs, truth)| row_f1(outputs, &ones(truth), 0.5)).sum::<f64>();
        let mut work = self.take_work();
        let broken = pairs().filter(|(outputs, _)| outputs.iter().any(|output| !output.is_finite())).count();
        work.non_finite_rows = work.non_finite_rows.max(broken);
        StepOutput { loss, rows, f1_at_half: Some(100.0 * f1 / rows.max(1) as f64), outputs, work }
    }
}

fn ones(row: &[f32]) -> Vec<u32> {
    (0..).zip(row).filter(|&(_, &value)| value == 1.0).map(|(index, _)| index).collect()
}
