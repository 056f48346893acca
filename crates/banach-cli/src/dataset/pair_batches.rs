//! Mini-batches of generated pairs: drawn anew in every epoch, fixed by the seed and the epoch.

use super::chairs::Chairs;
use super::colour_image::ColourImage;
use super::flow_field::FlowField;
use super::flow_pairs::FlowPair;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use std::ops::Range;

/// Pixels of a block, along each axis, that has one displacement in a mini-batch: that of the finest flow of FlowNet.
pub(crate) const BLOCK: usize = 4;
/// Networks estimate displacements in units of so many pixels.
pub(crate) const UNIT: f32 = 20.0;
/// Numbers of the pairs of an epoch.
const EPOCH: u64 = 1 << 24;

/// A mini-batch on a device.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Both images of each pair, colours from 0 to 1, `[batch, 6, height, width]`.
    pub(crate) images: Tensor<4>,
    /// Their flow, as mean over blocks in units of [`UNIT`], `[batch, 2, height / 4, width / 4]`.
    pub(crate) flow: Tensor<4>,
}

/// The pairs of a training run.
#[derive(Clone, Debug)]
pub(crate) struct PairBatches {
    chairs: Chairs,
    count: usize,
    rows: usize,
    device: Device,
}

impl PairBatches {
    /// `count` mini-batches of `rows` pairs in each epoch.
    pub(crate) fn new(chairs: Chairs, [count, rows]: [usize; 2], device: &Device) -> Self {
        Self { chairs, count, rows, device: device.clone() }
    }

    /// Number of mini-batches in an epoch.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The mini-batches of an epoch, counted from 1. Two passes of one epoch are equal.
    pub(crate) fn pass(&self, epoch: usize) -> impl Iterator<Item = Batch> + '_ {
        (0..self.count).map(move |index| {
            let first = epoch as u64 * EPOCH + (index * self.rows) as u64;
            self.batch(first..first + self.rows as u64)
        })
    }

    /// The pairs with these numbers.
    fn batch(&self, numbers: Range<u64>) -> Batch {
        let [width, height] = self.chairs.size();
        let count = (numbers.end - numbers.start) as usize;
        let draw = |number| {
            let FlowPair { first, second, flow, .. } = self.chairs.draw(number);
            (channels(&first, &second, [width, height]), blocks(&flow))
        };
        let (images, flows): (Vec<Vec<f32>>, Vec<Vec<f32>>) = numbers.into_par_iter().map(draw).unzip();
        let tensor = |values: Vec<Vec<f32>>, shape| {
            Tensor::from_data(TensorData::new(values.concat(), shape), &self.device)
        };
        Batch {
            images: tensor(images, [count, 6, height, width]),
            flow: tensor(flows, [count, 2, height / BLOCK, width / BLOCK]),
        }
    }
}

/// The colours of two images, channel by channel, `[6, height, width]`; pixels beyond the last row and column repeat these.
///
/// Every pixel of every pair passes here; a build that hardly optimises this crate inlines indexed loops alone.
pub(crate) fn channels(first: &ColourImage, second: &ColourImage, [width, height]: [usize; 2]) -> Vec<f32> {
    let size = width * height;
    let mut values = vec![0.0; 6 * size];
    for (image, values) in [first, second].into_iter().zip(values.chunks_exact_mut(3 * size)) {
        let (red, others) = values.split_at_mut(size);
        let (green, blue) = others.split_at_mut(size);
        for y in 0..height {
            let first = y.min(image.height - 1) * image.width;
            let row = &image.pixels[first..first + image.width];
            let (mut at, mut x) = (y * width, 0);
            while x < width {
                let [r, g, b] = row[if x < row.len() { x } else { row.len() - 1 }];
                (red[at], green[at], blue[at]) = (r, g, b);
                (at, x) = (at + 1, x + 1);
            }
        }
    }
    values
}

/// The mean displacement of each block, `[2, height / 4, width / 4]`, in units of [`UNIT`]; unknown ones count as none.
fn blocks(flow: &FlowField) -> Vec<f32> {
    let columns = flow.width / BLOCK;
    let size = columns * (flow.height / BLOCK);
    let mut values = vec![0.0; 2 * size];
    let (right, down) = values.split_at_mut(size);
    for y in 0..flow.height {
        let row = &flow.vectors[y * flow.width..(y + 1) * flow.width];
        let (first, mut x) = (y / BLOCK * columns, 0);
        while x < row.len() {
            if let Some([u, v]) = row[x] {
                right[first + x / BLOCK] += u;
                down[first + x / BLOCK] += v;
            }
            x += 1;
        }
    }
    let whole = UNIT * (BLOCK * BLOCK) as f32;
    values.iter_mut().for_each(|sum| *sum /= whole);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::textures;

    fn numbers(batches: &PairBatches, epoch: usize) -> Vec<Vec<f32>> {
        batches
            .pass(epoch)
            .map(|batch| {
                Tensor::cat(vec![batch.images.flatten::<1>(0, 3), batch.flow.flatten(0, 3)], 0)
                    .into_data()
                    .iter()
                    .collect()
            })
            .collect()
    }

    #[test]
    fn an_epoch_is_fixed_by_its_number_and_holds_the_pairs_of_the_generator() {
        let chairs = Chairs::new(textures::load(None, [64, 64]).unwrap().kept, [64, 64], 2);
        let batches = PairBatches::new(chairs.clone(), [2, 3], &Device::flex());
        let (one, other) = (numbers(&batches, 1), numbers(&batches, 2));
        assert_eq!((one.len(), one[0].len()), (2, 3 * (6 * 64 * 64 + 2 * 16 * 16)));
        assert_eq!(one, numbers(&batches, 1));
        assert_ne!(one, other);
        let pair = chairs.draw(EPOCH + 1);
        let at = |channel: usize, x: usize, y: usize| one[0][((6 + channel) * 64 + y) * 64 + x];
        assert_eq!((at(0, 5, 7), at(5, 63, 0)), (pair.first.at(5, 7)[0], pair.second.at(63, 0)[2]));
        let mean: f32 =
            (0..16).map(|at| pair.flow.at(8 + at % 4, 12 + at / 4).unwrap()[1]).sum::<f32>() / 16.0;
        let found = one[0][3 * 6 * 64 * 64 + (2 + 1) * 256 + 3 * 16 + 2];
        assert!((found * UNIT - mean).abs() < 1e-4, "{found} {mean}");
    }

    #[test]
    fn images_are_extended_by_their_last_row_and_column() {
        let image = |part| ColourImage {
            width: 2,
            height: 1,
            pixels: vec![[part, 1.0, 2.0], [part + 0.5, 1.0, 2.0]],
        };
        let values = channels(&image(0.0), &image(5.0), [3, 2]);
        assert_eq!(values[..6], [0.0, 0.5, 0.5, 0.0, 0.5, 0.5]);
        assert_eq!((values[18], values.len()), (5.0, 36));
    }
}
