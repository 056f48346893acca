//! The second derivative of the projection onto a product of cones.

use super::cone::Cone;
use super::{exponential, second_order, semidefinite};

/// Returns D²Π(w)[a, b], which is symmetric in a and b, and whose inner product with a third direction is
/// symmetric in all three; None where w is not finite.
pub(crate) fn second_derivative(cones: &[Cone], w: &[f64], a: &[f64], b: &[f64]) -> Option<Vec<f64>> {
    if !w.iter().all(|w| w.is_finite()) {
        return None;
    }
    let mut out = vec![0.0; w.len()];
    let mut first = 0;
    for &cone in cones {
        let part = first..first + cone.rows();
        let (w, a, b) = (&w[part.clone()], &a[part.clone()], &b[part.clone()]);
        let out = &mut out[part.clone()];
        match cone {
            Cone::Zero(_) | Cone::NonNegative(_) => {}
            Cone::SecondOrder(_) => second_order::add_second_derivative(w, a, b, out),
            Cone::Semidefinite(n) => semidefinite::add_second_derivative(w, n, [a, b], out)?,
            Cone::Exponential => exponential::add_second_derivative(w, [a, b], out)?,
        }
        first = part.end;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::cone::Projection;

    /// Numbers between -2 and 2 from a Weyl sequence.
    fn numbers(count: usize, start: usize) -> Vec<f64> {
        (start..start + count).map(|k| (k as f64 * 0.754_877_666).fract() * 4.0 - 2.0).collect()
    }

    #[test]
    fn second_derivatives_are_differences_of_first_ones() {
        let cones = [
            Cone::SecondOrder(4),
            Cone::Exponential,
            Cone::NonNegative(2),
            Cone::Semidefinite(3),
            Cone::Zero(1),
        ];
        let rows: usize = cones.iter().map(|cone| cone.rows()).sum();
        let mut compared = 0;
        for trial in 0..200 {
            let [w, a, b] = [0, 1, 2].map(|at| numbers(rows, 1 + (3 * trial + at) * rows));
            let derivative = |step: f64| {
                let moved: Vec<f64> = w.iter().zip(&a).map(|(w, a)| w + step * a).collect();
                let projection = Projection::new(&cones, &moved).unwrap();
                let mut product = vec![0.0; rows];
                projection.add_derivative_product(&b, &mut product);
                (product, projection.margin)
            };
            if derivative(0.0).1 < 1e-2 {
                continue;
            }
            compared += 1;
            let (ahead, behind) = (derivative(1e-6).0, derivative(-1e-6).0);
            let found = second_derivative(&cones, &w, &a, &b).unwrap();
            let other = second_derivative(&cones, &w, &b, &a).unwrap();
            for row in 0..rows {
                let difference = (ahead[row] - behind[row]) / 2e-6;
                let size = 1.0 + difference.abs();
                assert!(
                    (found[row] - difference).abs() < 1e-4 * size,
                    "{trial} {row}: {} {difference}",
                    found[row]
                );
                assert!((found[row] - other[row]).abs() < 1e-9 * size, "symmetric in both directions");
            }
        }
        assert!(compared > 40, "{compared}");
    }
}
