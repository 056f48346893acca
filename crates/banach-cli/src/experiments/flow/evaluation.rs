//! End point errors of estimated flow, by the length of the true displacement.

use super::estimator::{Estimate, Estimator};
use crate::dataset::chairs::Chairs;
use crate::dataset::colour_image::ColourImage;
use crate::dataset::flow_field::FlowField;
use crate::dataset::flow_pairs::FlowPair;
use crate::experiments::epoch::Work;
use crate::terminal::interruption::Interruption;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Displacements shorter than the first are small, those from the second on large, in pixels.
const MOTIONS: [f32; 2] = [10.0, 40.0];
/// Pairs that are estimated together.
const TOGETHER: usize = 8;
/// Generated pairs that choose the epoch, and pairs that are only reported.
const GENERATED: [u64; 2] = [24, 48];
/// The numbers of the latter.
const TEST: u64 = 1 << 20;
/// The seed of both, whatever the seed of a run is.
const SEED: u64 = 0;

/// Generated pairs that no run trains with.
#[derive(Debug)]
pub(crate) struct GeneratedPairs {
    pub(crate) validation: Vec<FlowPair>,
    pub(crate) test: Vec<FlowPair>,
}

impl GeneratedPairs {
    /// The pairs with these textures.
    pub(crate) fn draw(textures: Arc<[ColourImage]>, size: [usize; 2]) -> Self {
        let chairs = Chairs::new(textures, size, SEED);
        let pairs = |first: u64, count| {
            (first..first + count).into_par_iter().map(|number| chairs.draw(number)).collect()
        };
        Self { validation: pairs(0, GENERATED[0]), test: pairs(TEST, GENERATED[1]) }
    }
}

/// Sums of end point errors over pixels of small, medium and large displacement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Errors {
    sums: [f64; 3],
    pixels: [usize; 3],
}

impl Errors {
    /// The errors of a field where the true displacement is known.
    pub(crate) fn of(found: &FlowField, truth: &FlowField) -> Self {
        let mut errors = Self::default();
        for (found, truth) in found.vectors.iter().zip(&truth.vectors) {
            if let (Some([u, v]), Some([true_u, true_v])) = (found, truth) {
                let length = true_u.hypot(*true_v);
                let motion = MOTIONS.iter().filter(|bound| length >= **bound).count();
                errors.sums[motion] += f64::from((u - true_u).hypot(v - true_v));
                errors.pixels[motion] += 1;
            }
        }
        errors
    }

    fn add(&mut self, other: Self) {
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, other)| *sum += other);
        self.pixels.iter_mut().zip(other.pixels).for_each(|(count, other)| *count += other);
    }

    /// The mean over all pixels; none without any, or where it is not finite.
    pub(crate) fn mean(&self) -> Option<f64> {
        mean(self.sums.iter().sum(), self.pixels.iter().sum())
    }

    fn of_motion(&self, motion: usize) -> Option<f64> {
        mean(self.sums[motion], self.pixels[motion])
    }
}

fn mean(sum: f64, count: usize) -> Option<f64> {
    (count > 0 && sum.is_finite()).then(|| sum / count as f64)
}

/// The errors on a set of pairs: mean end point errors in pixels, at full resolution, over all pixels of the set. None where
/// the set has no such pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SetScores {
    pub(crate) aepe: Option<f64>,
    /// That of FlowNet, before the layer.
    pub(crate) aepe_before: Option<f64>,
    /// Where the true displacement is shorter than 10 pixels, from 10 to 40, and longer.
    pub(crate) aepe_below_10: Option<f64>,
    pub(crate) aepe_10_to_40: Option<f64>,
    pub(crate) aepe_from_40: Option<f64>,
    pub(crate) pairs: usize,
    /// Mean steps of the solver, and pairs whose fixed point was not found to the tolerance.
    pub(crate) steps: Option<f64>,
    pub(crate) unconverged: usize,
}

/// The scores of all test sets; none where no such pairs were named.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TestScores {
    pub(crate) generated: SetScores,
    pub(crate) chairs: Option<SetScores>,
    pub(crate) middlebury: Option<SetScores>,
}

/// The scores on a set, and what the solver did; none if interrupted. `advance` is called for every pair.
pub(crate) fn evaluate(
    estimator: &Estimator,
    pairs: &[FlowPair],
    interruption: &Interruption,
    advance: impl Fn(),
) -> Option<(SetScores, Work)> {
    let ([mut before, mut errors], mut work) = ([Errors::default(); 2], Work::default());
    let of_one_size = pairs.chunk_by(|one, next| size(one) == size(next));
    for together in of_one_size.flat_map(|pairs| pairs.chunks(TOGETHER)) {
        if interruption.is_requested() {
            return None;
        }
        let images: Vec<[&ColourImage; 2]> =
            together.iter().map(|pair| [&pair.first, &pair.second]).collect();
        let (estimates, done) = estimator.estimates(&images);
        let of = |(estimate, pair): (&Estimate, &FlowPair)| {
            [&estimate.before, estimate.flow()].map(|found| Errors::of(found, &pair.flow))
        };
        let found: Vec<[Errors; 2]> = estimates.par_iter().zip(together).map(of).collect();
        for [first, last] in found {
            before.add(first);
            errors.add(last);
            advance();
        }
        work += done;
    }
    let scores = SetScores {
        aepe: errors.mean(),
        aepe_before: before.mean(),
        aepe_below_10: errors.of_motion(0),
        aepe_10_to_40: errors.of_motion(1),
        aepe_from_40: errors.of_motion(2),
        pairs: pairs.len(),
        steps: work.mean_forward_steps(),
        unconverged: work.unconverged_rows,
    };
    Some((scores, work))
}

fn size(pair: &FlowPair) -> [usize; 2] {
    [pair.first.width, pair.first.height]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_means_over_known_pixels_by_motion() {
        let truth = FlowField::from_vectors([4, 1], |x, _| {
            [Some([3.0, 4.0]), None, Some([0.0, 10.0]), Some([-40.0, 0.0])][x]
        });
        let found = FlowField::from_vectors([4, 1], |x, _| {
            Some([[3.0, 5.0], [9.0, 9.0], [3.0, 14.0], [-40.0, 0.0]][x])
        });
        let errors = Errors::of(&found, &truth);
        assert_eq!(errors.mean(), Some(2.0));
        assert_eq!([0, 1, 2].map(|motion| errors.of_motion(motion)), [Some(1.0), Some(5.0), Some(0.0)]);
        assert_eq!(Errors::default().mean(), None);
    }
}
