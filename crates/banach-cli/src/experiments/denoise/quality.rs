//! How near an image is to another: PSNR and SSIM.

use crate::dataset::plane::Plane;

/// Standard deviation of the window of SSIM, and its pixels along each axis.
const DEVIATION: f64 = 1.5;
const WINDOW: usize = 11;
/// `(K L)²` of SSIM for gray levels from 0 to 1.
const STABLE: [f64; 2] = [1e-4, 9e-4];

/// The peak signal-to-noise ratio `10 log₁₀(1 / mse)` in decibels.
pub(crate) fn psnr(found: &Plane, truth: &Plane) -> f64 {
    let squares = found.values.iter().zip(&truth.values).map(|(a, b)| f64::from(a - b).powi(2));
    -10.0 * (squares.sum::<f64>() / truth.values.len() as f64).log10()
}

/// The mean structural similarity of two images, over all places where the window lies inside; none where there is no such
/// place (Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment", 2004, eq. 13).
pub(crate) fn ssim(found: &Plane, truth: &Plane) -> Option<f64> {
    if found.width.min(found.height) < WINDOW {
        return None;
    }
    let weights = window();
    let mean = |value: &dyn Fn(f64, f64) -> f64| {
        let products: Vec<f64> = found
            .values
            .iter()
            .zip(&truth.values)
            .map(|(a, b)| value(f64::from(*a), f64::from(*b)))
            .collect();
        blurred(&products, [found.width, found.height], &weights)
    };
    let [a, b, aa, bb, ab] =
        [mean(&|a, _| a), mean(&|_, b| b), mean(&|a, _| a * a), mean(&|_, b| b * b), mean(&|a, b| a * b)];
    let local = |at: usize| {
        let (a, b) = (a[at], b[at]);
        let (variances, covariance) = (aa[at] - a * a + bb[at] - b * b, ab[at] - a * b);
        let [one, two] = STABLE;
        (2.0 * a * b + one) * (2.0 * covariance + two) / ((a * a + b * b + one) * (variances + two))
    };
    Some((0..a.len()).map(local).sum::<f64>() / a.len() as f64)
}

fn window() -> [f64; WINDOW] {
    let middle = (WINDOW / 2) as f64;
    let weights: [f64; WINDOW] =
        std::array::from_fn(|at| (-0.5 * ((at as f64 - middle) / DEVIATION).powi(2)).exp());
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

/// The weighted mean under the window, wherever it lies inside.
fn blurred(values: &[f64], [width, height]: [usize; 2], weights: &[f64; WINDOW]) -> Vec<f64> {
    let across = width - WINDOW + 1;
    let rows: Vec<f64> = values
        .chunks_exact(width)
        .flat_map(|row| {
            row.windows(WINDOW).map(|part| part.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>())
        })
        .collect();
    let down = |row: usize, column: usize| {
        weights.iter().enumerate().map(|(at, weight)| weight * rows[(row + at) * across + column]).sum()
    };
    (0..height - WINDOW + 1)
        .flat_map(|row| (0..across).map(move |column| (row, column)))
        .map(|(r, c)| down(r, c))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(shift: f32) -> Plane {
        Plane::from_levels([20, 16], |x, y| 0.5 + 0.3 * ((x * 2 + y) as f32 * 0.4).sin() + shift)
    }

    #[test]
    fn a_constant_error_has_its_psnr() {
        assert!((psnr(&waves(0.1), &waves(0.0)) - 20.0).abs() < 1e-4);
        assert_eq!(psnr(&waves(0.0), &waves(0.0)), f64::INFINITY);
    }

    #[test]
    fn ssim_is_one_for_equal_images_and_follows_its_formula_for_a_shift() {
        assert!((ssim(&waves(0.0), &waves(0.0)).unwrap() - 1.0).abs() < 1e-12);
        // Constant images have no variance: only the first factor is left.
        let [a, b] = [0.2_f32, 0.6].map(|level| Plane::from_levels([11, 11], |_, _| level));
        let expected = (2.0 * 0.2 * 0.6 + 1e-4) / (0.04 + 0.36 + 1e-4);
        assert!((ssim(&a, &b).unwrap() - expected).abs() < 1e-6);
        assert!(ssim(&waves(0.1), &waves(0.0)).unwrap() < 1.0);
        assert_eq!(ssim(&waves(0.0).part([0, 0], [10, 16]), &waves(0.0)), None);
    }
}
