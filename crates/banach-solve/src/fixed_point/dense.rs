//! Which way does a Newton step go in each row, when all of `J` is written down?

use super::Visit;
use crate::ledger::Ledger;
use crate::present::same_shape;
use crate::{Error, Map, Outcome, Rows};

/// The solution `d` of `(I - J) d = g(x) - x` by elimination with partial pivoting, in double precision on the host.
///
/// `J` is found by its images of the unit vectors, for all rows at once: one application a column. Rows in which `I - J`
/// is singular to the precision of the state end; in rows where it holds what is no number `d` is `g(x) - x` itself.
pub(super) fn straight<R: Rows>(
    derivative: &dyn Map<R>,
    visit: &Visit<'_, R>,
    ledger: &mut Ledger<R>,
) -> Result<R, Error> {
    let (rows, n) = (visit.x.rows(), visit.x.width());
    let mut matrices = vec![0.0; rows * n * n];
    for column in 0..n {
        let unit: Vec<f64> = (0..rows * n).map(|k| f64::from(u8::from(k % n == column))).collect();
        let unit = visit.x.holding(&unit);
        let image = derivative.apply(&unit);
        ledger.derivative_applications += 1;
        same_shape(&image, &unit)?;
        for (k, value) in unit.minus(&image).numbers().into_iter().enumerate() {
            matrices[k * n + column] = value;
        }
    }
    let mut direction = visit.difference().numbers();
    for row in (0..rows).filter(|row| visit.active[*row]) {
        let matrix = &mut matrices[row * n * n..][..n * n];
        let right = &mut direction[row * n..][..n];
        if matrix.iter().all(|value| value.is_finite()) && !eliminate(matrix, right, visit.x.precision()) {
            ledger.end(row, Outcome::Singular);
        }
    }
    Ok(visit.x.holding(&direction))
}

/// Puts the solution in place of the right-hand side; false, and nothing of use, where the matrix is singular.
///
/// A pivot counts as zero where it is no more than the rounding of the largest entry: the entries of `I - J` are what is
/// left of numbers of size one, so that scaling a row of it up would only scale up its rounding.
fn eliminate(matrix: &mut [f64], right: &mut [f64], precision: f64) -> bool {
    let n = right.len();
    let largest = matrix.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let floor = n as f64 * precision * largest;
    for k in 0..n {
        let size = |i: usize| matrix[i * n + k].abs();
        let pivot = (k..n).fold(k, |best, i| if size(i) > size(best) { i } else { best });
        if size(pivot) <= floor {
            return false;
        }
        (0..n).for_each(|j| matrix.swap(k * n + j, pivot * n + j));
        right.swap(k, pivot);
        for i in k + 1..n {
            let factor = matrix[i * n + k] / matrix[k * n + k];
            (k..n).for_each(|j| matrix[i * n + j] -= factor * matrix[k * n + j]);
            right[i] -= factor * right[k];
        }
    }
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| matrix[k * n + j] * right[j]).sum();
        right[k] = (right[k] - known) / matrix[k * n + k];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elimination_pivots_and_knows_what_is_singular() {
        let mut right = [2.0, 9.0];
        assert!(eliminate(&mut [0.0, 2.0, 4.0, 1.0], &mut right, f64::EPSILON));
        assert_eq!(right, [2.0, 1.0]);
        for singular in [[0.0; 4], [1.0, 2.0, 0.1, 0.2], [1.0, 0.0, 0.0, 1e-17]] {
            assert!(!eliminate(&mut singular.clone(), &mut [1.0, 1.0], f64::EPSILON), "{singular:?}");
        }
        let mut right = [1.0, 1.0];
        assert!(eliminate(&mut [1.0, 0.0, 0.0, 1e-14], &mut right, f64::EPSILON) && right == [1.0, 1e14]);
    }
}
