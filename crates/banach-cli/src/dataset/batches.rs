//! Mini-batches of labelled examples: order and dropout fixed by the seed and the epoch, so that a resumed run repeats them.

use super::example::{Example, Widths};
use crate::random::Generator;
use burn::tensor::{Device, Tensor, TensorData};
use std::ops::Range;
use std::sync::Arc;

const EPOCH_STREAM: u64 = 1 << 32;
const DROPOUT_STREAM: u64 = 1 << 34;

/// A mini-batch on a device.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Features, `[batch, features]`.
    pub(crate) z: Tensor<2>,
    /// Labels, `[batch, labels]`.
    pub(crate) y: Tensor<2>,
    /// A factor for each hidden unit, `[batch, units]`; none where no unit is left out.
    pub(crate) mask: Option<Tensor<2>>,
    /// Fixes other random numbers of the mini-batch: another one for each, by the seed and the epoch.
    pub(crate) draw: u64,
}

impl Batch {
    /// These rows of the mini-batch.
    pub(crate) fn rows(&self, rows: Range<usize>) -> Self {
        let part = |tensor: &Tensor<2>| tensor.clone().slice([rows.clone()]);
        Self { z: part(&self.z), y: part(&self.y), mask: self.mask.as_ref().map(part), draw: self.draw }
    }

    /// The mini-batch on another device.
    pub(crate) fn moved_to(self, device: &Device) -> Self {
        let moved = |tensor: Tensor<2>| tensor.to_device(device);
        Self { z: moved(self.z), y: moved(self.y), mask: self.mask.map(moved), draw: self.draw }
    }
}

/// What is left out of each example while training. What stays is scaled up so that means do not change.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Dropout {
    /// Share of the features.
    pub(crate) features: f64,
    /// Share of the hidden units.
    pub(crate) hidden: f64,
    /// Number of hidden units.
    pub(crate) units: usize,
}

/// Examples served in mini-batches. The examples stay sparse; each batch is made dense when it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Batches {
    examples: Arc<[Example]>,
    widths: Widths,
    size: usize,
    order: Order,
    dropout: Dropout,
    device: Device,
}

/// In which order the examples come.
#[derive(Clone, Debug)]
enum Order {
    /// As they stand.
    Fixed,
    /// Shuffled anew for each epoch, by the seed and the epoch's number alone.
    Shuffled { seed: u64 },
}

impl Batches {
    /// Batches of `size` in the order of the examples.
    pub(crate) fn in_order(examples: Arc<[Example]>, widths: Widths, size: usize, device: &Device) -> Self {
        let (order, dropout) = (Order::Fixed, Dropout::default());
        Self { examples, widths, size, order, dropout, device: device.clone() }
    }

    /// Batches shuffled by `seed` and the number of the epoch.
    pub(crate) fn shuffled(mut self, seed: u64) -> Self {
        self.order = Order::Shuffled { seed };
        self
    }

    /// Leaves features and hidden units out of shuffled examples, anew in each epoch.
    pub(crate) fn with_dropout(mut self, dropout: Dropout) -> Self {
        self.dropout = dropout;
        self
    }

    /// The examples, as they stand.
    pub(crate) fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// The numbers of features and labels.
    pub(crate) fn widths(&self) -> Widths {
        self.widths
    }

    /// Number of mini-batches in a pass.
    pub(crate) fn count(&self) -> usize {
        self.examples.len().div_ceil(self.size)
    }

    /// The pass of an epoch, counted from 1. Two passes of one epoch are equal.
    pub(crate) fn pass(&self, epoch: usize) -> Pass<'_> {
        let (order, generator) = match self.order {
            Order::Fixed => ((0..self.examples.len()).collect(), Generator::new(0, DROPOUT_STREAM)),
            Order::Shuffled { seed } => {
                let epoch = epoch as u64;
                let order = Generator::new(seed, EPOCH_STREAM + epoch).permutation(self.examples.len());
                (order, Generator::new(seed, DROPOUT_STREAM + epoch))
            }
        };
        let seed = if let Order::Shuffled { seed } = self.order { seed } else { 0 };
        let draw = seed.rotate_left(40) ^ ((epoch as u64) << 32);
        Pass { batches: self, order, generator, draw, served: 0 }
    }

    fn batch(&self, rows: &[usize], draw: u64, generator: &mut Generator) -> Batch {
        let chosen = || rows.iter().map(|&row| &self.examples[row]);
        let Dropout { features, hidden, units } = self.dropout;
        let Widths { features: inputs, labels } = self.widths;
        let mut z = vec![0.0_f32; rows.len() * inputs];
        for (row, example) in z.chunks_exact_mut(inputs).zip(chosen()) {
            for &(index, value) in &example.features {
                row[index as usize] = value * kept(features, generator);
            }
        }
        let mut y = vec![0.0_f32; rows.len() * labels];
        for (row, example) in y.chunks_exact_mut(labels).zip(chosen()) {
            example.labels.iter().for_each(|&label| row[label as usize] = 1.0);
        }
        let mask: Option<Vec<f32>> =
            (hidden > 0.0).then(|| (0..rows.len() * units).map(|_| kept(hidden, generator)).collect());
        let tensor =
            |values, columns| Tensor::from_data(TensorData::new(values, [rows.len(), columns]), &self.device);
        Batch { z: tensor(z, inputs), y: tensor(y, labels), mask: mask.map(|mask| tensor(mask, units)), draw }
    }
}

/// 0 with the probability `share`, otherwise what makes the mean 1. No share draws no number.
fn kept(share: f64, generator: &mut Generator) -> f32 {
    if share == 0.0 {
        1.0
    } else if generator.uniform() < share {
        0.0
    } else {
        (1.0 / (1.0 - share)) as f32
    }
}

/// One pass over the examples.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    batches: &'a Batches,
    order: Vec<usize>,
    generator: Generator,
    draw: u64,
    served: usize,
}

impl Iterator for Pass<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let end = self.order.len().min(self.served + self.batches.size);
        let rows = &self.order[self.served..end];
        self.served = end;
        if rows.is_empty() {
            None
        } else {
            Some(self.batches.batch(rows, self.draw ^ end as u64, &mut self.generator))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(count: u32) -> Arc<[Example]> {
        (0..count)
            .map(|index| Example {
                features: vec![(index, 1.0), (1000, 1.0)],
                labels: vec![(index + 7) % 159],
            })
            .collect()
    }

    const WIDTHS: Widths = Widths { features: 1836, labels: 159 };

    fn first_columns(batches: &Batches, epoch: usize) -> Vec<f32> {
        let passes = batches.pass(epoch).map(|batch| batch.z.slice([0..1, 0..9]).into_data());
        passes.flat_map(|data| data.iter::<f32>().collect::<Vec<_>>()).collect()
    }

    #[test]
    fn a_pass_serves_every_example_once_and_the_last_batch_may_be_smaller() {
        let batches = Batches::in_order(examples(7), WIDTHS, 3, &Device::flex());
        let passes: Vec<Batch> = batches.pass(1).collect();
        assert_eq!(passes.iter().map(|batch| batch.z.dims()[0]).collect::<Vec<_>>(), [3, 3, 1]);
        assert_eq!(batches.count(), 3);
        let last = passes[2].y.clone().into_data().iter::<f32>().collect::<Vec<_>>();
        assert_eq!(last.iter().position(|&value| value == 1.0), Some(13));
        assert_eq!(last.iter().sum::<f32>(), 1.0);
    }

    #[test]
    fn an_epoch_has_an_order_of_its_own_which_another_run_repeats() {
        let fresh = Batches::in_order(examples(9), WIDTHS, 2, &Device::flex()).shuffled(4);
        let again = Batches::in_order(examples(9), WIDTHS, 2, &Device::flex()).shuffled(4);
        assert_ne!(first_columns(&fresh, 1), first_columns(&fresh, 2));
        assert_eq!(first_columns(&fresh, 2), first_columns(&again, 2));
    }

    #[test]
    fn what_is_left_out_keeps_the_mean_and_is_fixed_by_seed_and_epoch() {
        let dropout = Dropout { features: 0.25, hidden: 0.5, units: 40 };
        let batches =
            Batches::in_order(examples(200), WIDTHS, 200, &Device::flex()).shuffled(4).with_dropout(dropout);
        let pass = |epoch| {
            let batch = batches.pass(epoch).next().unwrap();
            let mask = batch.mask.unwrap();
            assert_eq!((mask.dims(), batch.y.sum().into_scalar::<f32>()), ([200, 40], 200.0));
            (batch.z.sum().into_scalar::<f32>() / 400.0, mask.mean().into_scalar::<f32>())
        };
        let (features, hidden) = pass(1);
        assert!((features - 1.0).abs() < 0.1 && (hidden - 1.0).abs() < 0.05, "found {features} and {hidden}");
        assert_eq!(pass(1), (features, hidden));
        assert_ne!(pass(2), (features, hidden));
    }
}
