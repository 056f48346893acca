//! How do sparse examples become dense mini-batches, in an order that a resumed run repeats?

use super::bibtex::{Example, FEATURES, LABELS};
use crate::random::Generator;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Tensor, TensorData};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const EPOCH_STREAM: u64 = 1 << 32;

/// A mini-batch on a device.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Features, `[batch, 1836]`.
    pub(crate) z: Tensor<2>,
    /// Labels, `[batch, 159]`.
    pub(crate) y: Tensor<2>,
}

/// Examples served in mini-batches. The examples stay sparse; each batch is made dense when it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Batches {
    examples: Arc<[Example]>,
    size: usize,
    order: Order,
    device: Device,
}

/// In which order the examples come.
#[derive(Clone, Debug)]
enum Order {
    /// As they stand.
    Fixed,
    /// Shuffled anew for each epoch, by the seed and the epoch's number alone.
    Shuffled { seed: u64, finished: Arc<AtomicUsize> },
}

impl Batches {
    /// Batches of `size` in the order of the examples.
    pub(crate) fn in_order(examples: Arc<[Example]>, size: usize, device: &Device) -> Self {
        Self { examples, size, order: Order::Fixed, device: device.clone() }
    }

    /// Batches shuffled by `seed` and the number of the epoch; the next pass is epoch `finished + 1`.
    pub(crate) fn shuffled(mut self, seed: u64, finished: usize) -> Self {
        self.order = Order::Shuffled { seed, finished: Arc::new(AtomicUsize::new(finished)) };
        self
    }

    /// The examples, as they stand.
    pub(crate) fn examples(&self) -> &[Example] {
        &self.examples
    }

    fn next_order(&self) -> Vec<usize> {
        match &self.order {
            Order::Fixed => (0..self.examples.len()).collect(),
            Order::Shuffled { seed, finished } => {
                let epoch = finished.fetch_add(1, Ordering::Relaxed) + 1;
                Generator::new(*seed, EPOCH_STREAM + epoch as u64).permutation(self.examples.len())
            }
        }
    }

    fn batch(&self, rows: &[usize]) -> Batch {
        let chosen = || rows.iter().map(|&row| &self.examples[row]);
        let dense = |columns: usize, ones: Vec<&[u32]>| {
            let mut values = vec![0.0_f32; rows.len() * columns];
            for (row, indices) in ones.into_iter().enumerate() {
                indices.iter().for_each(|&index| values[row * columns + index as usize] = 1.0);
            }
            Tensor::from_data(TensorData::new(values, [rows.len(), columns]), &self.device)
        };
        Batch {
            z: dense(FEATURES, chosen().map(|example| &example.features[..]).collect()),
            y: dense(LABELS, chosen().map(|example| &example.labels[..]).collect()),
        }
    }
}

impl DataLoader<Batch> for Batches {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        Box::new(Pass { batches: self, order: self.next_order(), served: 0 })
    }

    fn num_items(&self) -> usize {
        self.examples.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        Arc::new(Self { device: device.clone(), ..self.clone() })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch>> {
        Arc::new(Self { examples: self.examples[start..end].into(), ..self.clone() })
    }
}

/// One pass over the examples.
#[derive(Debug)]
struct Pass<'a> {
    batches: &'a Batches,
    order: Vec<usize>,
    served: usize,
}

impl Iterator for Pass<'_> {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.order.len().min(self.served + self.batches.size);
        let rows = &self.order[self.served..end];
        self.served = end;
        if rows.is_empty() { None } else { Some(Ok(self.batches.batch(rows))) }
    }
}

impl DataLoaderIterator<Batch> for Pass<'_> {
    fn progress(&self) -> Progress {
        Progress::new(self.served, self.order.len(), Some("examples".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(count: u32) -> Arc<[Example]> {
        (0..count).map(|index| Example { features: vec![index, 1000], labels: vec![index + 7] }).collect()
    }

    fn first_columns(batches: &Batches) -> Vec<f32> {
        let passes = batches.iter().map(|batch| batch.unwrap().z.slice([0..1, 0..9]).into_data());
        passes.flat_map(|data| data.iter::<f32>().collect::<Vec<_>>()).collect()
    }

    #[test]
    fn a_pass_serves_every_example_once_and_the_last_batch_may_be_smaller() {
        let batches = Batches::in_order(examples(7), 3, &Device::flex());
        let passes: Vec<Batch> = batches.iter().map(|batch| batch.unwrap()).collect();
        assert_eq!(passes.iter().map(|batch| batch.z.dims()[0]).collect::<Vec<_>>(), [3, 3, 1]);
        let last = passes[2].y.clone().into_data().iter::<f32>().collect::<Vec<_>>();
        assert_eq!(last.iter().position(|&value| value == 1.0), Some(13));
        assert_eq!(last.iter().sum::<f32>(), 1.0);
    }

    #[test]
    fn a_pass_that_starts_later_repeats_the_order_of_its_epoch() {
        let fresh = Batches::in_order(examples(9), 2, &Device::flex()).shuffled(4, 0);
        let (first, second) = (first_columns(&fresh), first_columns(&fresh));
        let resumed = Batches::in_order(examples(9), 2, &Device::flex()).shuffled(4, 1);
        assert_ne!(first, second);
        assert_eq!(second, first_columns(&resumed));
    }
}
