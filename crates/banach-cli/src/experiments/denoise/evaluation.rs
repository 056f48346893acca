//! Scores of a denoiser on a set of images, each in one piece.

use super::denoiser::Denoiser;
use super::quality::{psnr, ssim};
use crate::dataset::patches::noisy;
use crate::dataset::photographs::Photograph;
use crate::dataset::plane::Plane;
use crate::experiments::epoch::Work;
use crate::terminal::interruption::Interruption;
use serde::{Deserialize, Serialize};

/// Mean scores of a test set: PSNR in decibels. What is denoised is clipped to the range of gray levels, the noisy images
/// are not. None where the set has no such images, or a score is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TestScores {
    pub(crate) psnr_noisy: Option<f64>,
    pub(crate) psnr: Option<f64>,
    pub(crate) ssim: Option<f64>,
    pub(crate) psnr_bsd68: Option<f64>,
    pub(crate) ssim_bsd68: Option<f64>,
    /// Images of the set, and how many of them belong to BSD68.
    pub(crate) images: usize,
    pub(crate) images_bsd68: usize,
    /// What the solver did.
    pub(crate) work: Work,
}

/// What is measured of an image.
struct Measured {
    noisy: f64,
    psnr: f64,
    ssim: Option<f64>,
    in_bsd68: bool,
}

/// Gray levels that an image file can hold.
pub(crate) fn clipped(plane: Plane) -> Plane {
    let values = plane.values.iter().map(|level| level.clamp(0.0, 1.0)).collect();
    Plane { values, ..plane }
}

/// Mean PSNR on a validation split, and what the solver did; none if interrupted.
pub(crate) fn validate(
    denoiser: &Denoiser,
    photographs: &[Photograph],
    sigma: f64,
    interruption: &Interruption,
) -> Option<(Option<f64>, Work)> {
    let (mut scores, mut work) = (Vec::new(), Work::default());
    for (index, Photograph { plane, .. }) in photographs.iter().enumerate() {
        let (clean, done) =
            denoiser.denoise(&noisy(plane, sigma, index), |_| !interruption.is_requested())?;
        scores.push(Some(psnr(&clipped(clean), plane)));
        work += done;
    }
    Some((mean(scores), work))
}

/// All scores on a test set; none if interrupted. `advance` is called after every image.
pub(crate) fn test(
    denoiser: &Denoiser,
    photographs: &[Photograph],
    sigma: f64,
    interruption: &Interruption,
    advance: impl Fn(),
) -> Option<TestScores> {
    let (mut measured, mut work) = (Vec::new(), Work::default());
    for (index, Photograph { plane, in_bsd68, .. }) in photographs.iter().enumerate() {
        let noisy = noisy(plane, sigma, index);
        let (clean, done) = denoiser.denoise(&noisy, |_| !interruption.is_requested())?;
        let clean = clipped(clean);
        measured.push(Measured {
            noisy: psnr(&noisy, plane),
            psnr: psnr(&clean, plane),
            ssim: ssim(&clean, plane),
            in_bsd68: *in_bsd68,
        });
        work += done;
        advance();
    }
    let of = |wanted: fn(&Measured) -> bool, score: fn(&Measured) -> Option<f64>| {
        mean(measured.iter().filter(|one| wanted(one)).map(score).collect())
    };
    Some(TestScores {
        psnr_noisy: of(|_| true, |one| Some(one.noisy)),
        psnr: of(|_| true, |one| Some(one.psnr)),
        ssim: of(|_| true, |one| one.ssim),
        psnr_bsd68: of(|one| one.in_bsd68, |one| Some(one.psnr)),
        ssim_bsd68: of(|one| one.in_bsd68, |one| one.ssim),
        images: measured.len(),
        images_bsd68: measured.iter().filter(|one| one.in_bsd68).count(),
        work,
    })
}

/// The mean of finite numbers; none where there are none, or one of them is missing or not finite.
fn mean(values: Vec<Option<f64>>) -> Option<f64> {
    let count = values.len();
    let sum: f64 = values.into_iter().sum::<Option<f64>>()?;
    (count > 0 && sum.is_finite()).then(|| sum / count as f64)
}
