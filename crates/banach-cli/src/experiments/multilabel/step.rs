//! A mini-batch: its loss and gradient while training, its outputs while evaluating.

use super::evaluation::row_f1;
use super::loss::{clip, loss};
use super::network::Network;
use crate::dataset::batches::Batch;
use crate::experiments::epoch::{Sums, Work};
use banach::Replicas;
use burn::optim::GradientsParams;
use burn::tensor::activation;

/// A mini-batch of the training split in an epoch: the clipped gradient, and sums over the rows.
///
/// Where the loss or the gradient is not finite, every row counts as not finite, and such a gradient is empty.
pub(crate) fn train(network: &Network, batch: Batch, epoch: usize) -> (GradientsParams, Sums) {
    let rows = batch.z.dims()[0];
    let loss = network.objective(batch, epoch);
    let value = f64::from(loss.clone().into_scalar::<f32>());
    let gradients = GradientsParams::from_grads(loss.backward(), network);
    clipped(network, (value, gradients), rows)
}

/// A mini-batch of the training split in shares on several devices: as [`train`], up to the order of sums over rows.
///
/// The loss is a mean over rows, so that each share is weighted before it is differentiated: the cotangents of its rows, and
/// what their adjoints are solved to, are then those of the whole mini-batch.
pub(crate) fn train_shared(
    network: &Network,
    batch: &Batch,
    epoch: usize,
    replicas: &Replicas,
) -> Result<(GradientsParams, Sums), banach::Error> {
    let rows = batch.z.dims()[0];
    let shares = replicas.shares(rows).into_iter().map(|share| batch.rows(share)).collect();
    let step = replicas.step(network, shares, |network: &Network, share: Batch, device| {
        let weight = share.z.dims()[0] as f64 / rows as f64;
        network.objective(share.moved_to(device), epoch) * weight
    });
    Ok(clipped(network, step?, rows))
}

/// The clipped gradient of a mini-batch, and its sums.
fn clipped(
    network: &Network,
    (value, gradients): (f64, GradientsParams),
    rows: usize,
) -> (GradientsParams, Sums) {
    let (gradients, finite) = clip(network, gradients);
    let mut work = network.take_work(rows);
    if !finite || !value.is_finite() {
        work.non_finite_rows = rows;
    }
    (gradients, Sums::of_mini_batch(value, rows, work))
}

/// A mini-batch of another split.
#[derive(Clone, Debug)]
pub(crate) struct Evaluated {
    /// Mean loss of the rows.
    pub(crate) loss: f64,
    /// The outputs x̂, row by row.
    pub(crate) outputs: Vec<f32>,
    /// Mean F1 with outputs rounded at one half, in percent.
    pub(crate) f1_at_half: f64,
    /// Rows of the mini-batch.
    pub(crate) rows: usize,
    /// What the solvers did.
    pub(crate) work: Work,
}

/// Evaluates a mini-batch.
pub(crate) fn evaluate(network: &Network, batch: Batch) -> Evaluated {
    let [rows, labels] = batch.y.dims();
    let logits = network.logits(batch.z, batch.mask);
    let loss = loss(logits.clone(), batch.y.clone(), network.f1_weight());
    let loss = f64::from(loss.into_scalar::<f32>());
    let outputs: Vec<f32> = activation::sigmoid(logits).into_data().iter().collect();
    let truth: Vec<f32> = batch.y.into_data().iter().collect();
    let pairs = || outputs.chunks_exact(labels).zip(truth.chunks_exact(labels));
    let f1 = pairs().map(|(outputs, truth)| row_f1(outputs, &ones(truth), 0.5)).sum::<f64>();
    let mut work = network.take_work(rows);
    let broken = pairs().filter(|(outputs, _)| outputs.iter().any(|output| !output.is_finite())).count();
    work.non_finite_rows = work.non_finite_rows.max(broken);
    Evaluated { loss, rows, f1_at_half: 100.0 * f1 / rows.max(1) as f64, outputs, work }
}

fn ones(row: &[f32]) -> Vec<u32> {
    (0..).zip(row).filter(|&(_, &value)| value == 1.0).map(|(index, _)| index).collect()
}
