//! Mini-batches of noisy patches: crops, orientations and noise fixed by the seed and the epoch.

use super::photographs::Photograph;
use super::plane::Plane;
use crate::random::Generator;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const EPOCH_STREAM: u64 = 1 << 36;
const IMAGE_STREAM: u64 = 1 << 37;
const SIGN_STREAM: u64 = 1 << 38;
/// The greatest standard deviation of blind training, on the scale of 0 to 255.
pub(crate) const MOST_NOISE: f64 = 55.0;
/// The standard deviation where no other is given, on the same scale.
pub(crate) const TYPICAL_NOISE: f64 = 25.0;
/// Below this standard deviation errors of blind training weigh no more, on the same scale.
const LEAST_WEIGHED: f64 = 5.0;

/// The standard deviation of the noise, on the scale of 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum NoiseLevel {
    /// One for all.
    Fixed(f64),
    /// Drawn anew for every patch, uniformly up to `most`.
    Blind {
        /// The greatest.
        most: f64,
    },
}

impl NoiseLevel {
    /// The standard deviation that networks are evaluated at.
    pub(crate) fn typical(self) -> f64 {
        match self {
            Self::Fixed(sigma) => sigma,
            Self::Blind { .. } => TYPICAL_NOISE,
        }
    }

    /// Whether networks have to find it out.
    pub(crate) fn is_blind(self) -> bool {
        matches!(self, Self::Blind { .. })
    }

    fn draw(self, generator: &mut Generator) -> f64 {
        match self {
            Self::Fixed(sigma) => sigma,
            Self::Blind { most } => most * generator.uniform(),
        }
    }
}

/// A mini-batch on a device; images are folded ([`Plane::folded`]).
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Noisy patches, `[batch, fold², side / fold, side / fold]`.
    pub(crate) z: Tensor<4>,
    /// Their noise, in the same shape.
    pub(crate) noise: Tensor<4>,
    /// One over the standard deviation of the noise of each patch, `[batch, 1, 1, 1]`.
    pub(crate) weight: Tensor<4>,
}

/// How patches are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PatchSettings {
    /// Pixels of a patch along each axis; a multiple of `fold`.
    pub(crate) side: usize,
    /// Pixels along each side of the blocks that are folded into channels.
    pub(crate) fold: usize,
    /// Patches of each image in an epoch.
    pub(crate) crops: usize,
    /// Patches of a mini-batch.
    pub(crate) batch: usize,
    /// The noise.
    pub(crate) level: NoiseLevel,
}

/// The patches of a training split.
#[derive(Clone, Debug)]
pub(crate) struct Patches {
    photographs: Arc<[Photograph]>,
    settings: PatchSettings,
    seed: u64,
    device: Device,
}

impl Patches {
    /// Patches of images that are all at least as large as a patch.
    pub(crate) fn new(
        photographs: Arc<[Photograph]>,
        settings: PatchSettings,
        seed: u64,
        device: &Device,
    ) -> Self {
        Self { photographs, settings, seed, device: device.clone() }
    }

    /// Number of mini-batches in an epoch; all have the same size, and a rest is left out.
    pub(crate) fn count(&self) -> usize {
        (self.photographs.len() * self.settings.crops / self.settings.batch).max(1)
    }

    /// Patches of an epoch.
    pub(crate) fn rows(&self) -> usize {
        self.count() * self.settings.batch
    }

    /// The mini-batches of an epoch, counted from 1. Two passes of one epoch are equal.
    pub(crate) fn pass(&self, epoch: usize) -> impl Iterator<Item = Batch> + '_ {
        let mut generator = Generator::new(self.seed, EPOCH_STREAM + epoch as u64);
        let mut order = Vec::new();
        while order.len() < self.rows() {
            order.extend(generator.permutation(self.photographs.len()));
        }
        (0..self.count()).map(move |index| {
            let from = index * self.settings.batch;
            self.batch(&order[from..from + self.settings.batch], &mut generator)
        })
    }

    fn batch(&self, images: &[usize], generator: &mut Generator) -> Batch {
        let PatchSettings { side, fold, level, .. } = self.settings;
        let (mut clean, mut noise, mut weight) = (Vec::new(), Vec::new(), Vec::new());
        for &image in images {
            let plane = &self.photographs[image].plane;
            let mut below = |bound: usize| (generator.uniform() * bound as f64) as usize;
            let place = [below(plane.width - side + 1), below(plane.height - side + 1)];
            clean.extend(plane.oriented(place, side, below(8)).folded(fold));
            let sigma = level.draw(generator);
            noise.extend((0..side * side).map(|_| (sigma / 255.0 * generator.normal()) as f32));
            weight.push((255.0 / sigma.max(LEAST_WEIGHED)) as f32);
        }
        let z = clean.iter().zip(&noise).map(|(clean, noise)| clean + noise).collect();
        let shape = [images.len(), fold * fold, side / fold, side / fold];
        let tensor =
            |values: Vec<f32>, shape| Tensor::from_data(TensorData::new(values, shape), &self.device);
        let weight = tensor(weight, [images.len(), 1, 1, 1]);
        Batch { z: tensor(z, shape), noise: tensor(noise, shape), weight }
    }
}

/// Random signs, fixed by a seed and a number.
pub(crate) fn signs(shape: [usize; 4], seed: u64, number: u64, device: &Device) -> Tensor<4> {
    let mut generator = Generator::new(seed, SIGN_STREAM + number);
    let sign = |_| if generator.uniform() < 0.5 { -1.0_f32 } else { 1.0 };
    let values: Vec<f32> = (0..shape.iter().product()).map(sign).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// An image with noise of standard deviation `sigma`, on the scale of 0 to 255, that is the same in every run; not clipped.
pub(crate) fn noisy(plane: &Plane, sigma: f64, index: usize) -> Plane {
    let mut generator = Generator::new(0, IMAGE_STREAM + index as u64);
    let values = plane.values.iter().map(|level| level + (sigma / 255.0 * generator.normal()) as f32);
    Plane { values: values.collect(), ..*plane }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::photographs;

    fn patches(level: NoiseLevel) -> Patches {
        let settings = PatchSettings { side: 16, fold: 2, crops: 2, batch: 10, level };
        let photographs = photographs::load(None, 1, 16).unwrap();
        Patches::new(photographs.train, settings, 7, &Device::flex())
    }

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().iter().collect()
    }

    #[test]
    fn an_epoch_is_fixed_by_its_number_and_differs_from_others() {
        let patches = patches(NoiseLevel::Fixed(25.0));
        let pass = |epoch| patches.pass(epoch).map(|batch| numbers(batch.z)).collect::<Vec<_>>();
        let (one, other) = (pass(1), pass(2));
        assert_eq!((one.len(), one[0].len()), (11, 10 * 16 * 16));
        assert_eq!(one, pass(1));
        assert_ne!(one, other);
    }

    #[test]
    fn noise_has_the_deviation_that_is_asked_for_and_is_not_clipped() {
        let batch = patches(NoiseLevel::Fixed(51.0)).pass(1).next().unwrap();
        assert_eq!(numbers(batch.weight), [5.0; 10]);
        let (z, noise) = (numbers(batch.z), numbers(batch.noise));
        let square = noise.iter().map(|value| value * value).sum::<f32>() / noise.len() as f32;
        assert!((square.sqrt() - 0.2).abs() < 0.01, "{square}");
        assert!(z.iter().any(|value| *value < 0.0) || z.iter().any(|value| *value > 1.0));
        let blind = patches(NoiseLevel::Blind { most: MOST_NOISE }).pass(1).next().unwrap();
        let weights = numbers(blind.weight);
        assert!(
            weights.iter().all(|weight| (255.0 / 55.0..=51.0).contains(weight)) && weights[0] != weights[1]
        );
    }
}
