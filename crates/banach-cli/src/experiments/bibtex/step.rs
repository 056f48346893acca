//! What happens to the network in one mini-batch: the loss, its gradient, and what is measured?

use super::evaluation::row_f1;
use super::network::{Network, Work};
use super::settings::GRADIENT_NORM;
use crate::dataset::batches::Batch;
use crate::dataset::bibtex::LABELS;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{ExecutionError, Tensor, activation};
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};

/// What one mini-batch gave, on the host.
#[derive(Clone, Debug)]
pub(crate) struct StepOutput {
    /// Mean binary cross-entropy.
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
        let loss = cross_entropy(self.logits(batch.z), batch.y);
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
        let logits = self.logits(batch.z);
        let loss = f64::from(cross_entropy(logits.clone(), batch.y.clone()).into_scalar::<f32>());
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

/// Mean of `-y ln σ(l) - (1 - y) ln(1 - σ(l))` over rows and labels, from the logits l: finite for every finite l.
fn cross_entropy(logits: Tensor<2>, y: Tensor<2>) -> Tensor<1> {
    let overflow_free = logits.clone().abs().neg().exp().log1p();
    (activation::relu(logits.clone()) - logits * y + overflow_free).mean()
}

/// Scales all gradients together to a norm of at most [`GRADIENT_NORM`].
///
/// If the norm is not finite the gradient is dropped, the weights stay as they are, and the second value is false.
fn clip(network: &Network, gradients: GradientsParams) -> (GradientsParams, bool) {
    let mut measure = Measure { gradients: &gradients, squares: 0.0 };
    network.visit(&mut measure);
    let norm = measure.squares.sqrt();
    if !norm.is_finite() {
        return (GradientsParams::new(), false);
    }
    if norm <= GRADIENT_NORM {
        return (gradients, true);
    }
    let mut scale = Scale { gradients, factor: GRADIENT_NORM / norm };
    network.visit(&mut scale);
    (scale.gradients, true)
}

struct Measure<'a> {
    gradients: &'a GradientsParams,
    squares: f64,
}

impl ModuleVisitor for Measure<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.squares += f64::from(gradient.square().sum().into_scalar::<f32>());
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let id: ParamId = param.id;
        if let Some(gradient) = self.gradients.remove::<D>(id) {
            self.gradients.register(id, gradient.mul_scalar(self.factor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn the_loss_is_finite_and_exact_at_extreme_logits() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_floats([[0.3, -200.0, 200.0, 200.0]], &device);
        let y = Tensor::<2>::from_floats([[1.0, 0.0, 1.0, 0.0]], &device);
        let loss = f64::from(cross_entropy(logits, y).into_scalar::<f32>());
        let expected = ((1.0 + (-0.3_f64).exp()).ln() + 200.0) / 4.0;
        assert!((loss - expected).abs() < 1e-5, "found {loss}, expected {expected}");
    }
}
