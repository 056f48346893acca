//! The estimate of the noise of an image.

use crate::dataset::plane::Plane;

/// The median of the absolute value of a standard normal number.
const MEDIAN: f64 = 0.674_489_75;

/// The standard deviation of white noise in an image, on the scale of 0 to 255.
///
/// It is the median absolute value of the finest diagonal Haar coefficients, over that of a standard normal number (Donoho and
/// Johnstone, "Ideal spatial adaptation by wavelet shrinkage", 1994). Texture as fine as a pixel counts as noise.
pub(crate) fn noise_level(plane: &Plane) -> f64 {
    let rows =
        (0..plane.height / 2).flat_map(|row| (0..plane.width / 2).map(move |column| (2 * column, 2 * row)));
    let diagonal = |(x, y): (usize, usize)| {
        0.5 * (plane.at(x, y) - plane.at(x + 1, y) - plane.at(x, y + 1) + plane.at(x + 1, y + 1)).abs()
    };
    let mut coefficients: Vec<f32> = rows.map(diagonal).collect();
    if coefficients.is_empty() {
        return 0.0;
    }
    let middle = coefficients.len() / 2;
    let (_, median, _) = coefficients.select_nth_unstable_by(middle, f32::total_cmp);
    255.0 * f64::from(*median) / MEDIAN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::dead_leaves;
    use crate::dataset::patches::noisy;

    #[test]
    fn the_noise_that_was_added_is_found_again() {
        // Texture as fine as a pixel counts as noise, so weak noise is found exactly on smooth images alone.
        let smooth = Plane::from_levels([180, 180], |x, y| 0.2 + 0.003 * (x as f32 - 0.5 * y as f32));
        let leaves = dead_leaves::draw([180, 180], 0, 3);
        for (clean, sigma, share) in
            [(&smooth, 10.0, 0.05), (&smooth, 25.0, 0.05), (&leaves, 25.0, 0.15), (&leaves, 50.0, 0.15)]
        {
            let found = noise_level(&noisy(clean, sigma, 1));
            assert!((found - sigma).abs() < share * sigma, "{sigma}: {found}");
        }
        let flat = Plane::from_levels([7, 5], |_, _| 0.5);
        assert_eq!(noise_level(&flat), 0.0);
        assert_eq!(noise_level(&Plane::from_levels([1, 9], |_, _| 0.5)), 0.0);
    }
}
