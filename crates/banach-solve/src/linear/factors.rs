//! LU factors of a dense matrix, with an estimate of the norm of its inverse.

/// The LU factors of a matrix `[n, n]`, with partial pivoting.
#[derive(Debug, Clone)]
pub(crate) struct Factors {
    n: usize,
    /// The unit lower factor below the diagonal, and the upper factor, in row-major order.
    entries: Vec<f64>,
    /// The row exchanged with each row, in order.
    exchanges: Vec<usize>,
}

impl Factors {
    /// Factorizes a matrix; the pivot is the largest remaining entry of its column.
    pub(super) fn new(n: usize, mut entries: Vec<f64>) -> Self {
        let mut exchanges = Vec::with_capacity(n);
        for k in 0..n {
            let larger = |a: &usize, b: &usize| entries[a * n + k].abs().total_cmp(&entries[b * n + k].abs());
            let pivot = (k..n).max_by(larger).unwrap_or(k);
            exchanges.push(pivot);
            if pivot != k {
                (0..n).for_each(|column| entries.swap(k * n + column, pivot * n + column));
            }
            let (above, below) = entries.split_at_mut((k + 1) * n);
            let above = &above[k * n..];
            for row in below.chunks_mut(n) {
                row[k] /= above[k];
                let factor = row[k];
                row[k + 1..]
                    .iter_mut()
                    .zip(&above[k + 1..])
                    .for_each(|(entry, above)| *entry -= factor * above);
            }
        }
        Self { n, entries, exchanges }
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.entries[row * self.n..][..self.n]
    }

    /// Solves `M x = b` in place.
    pub(super) fn solve(&self, b: &mut [f64]) {
        for (k, &pivot) in self.exchanges.iter().enumerate() {
            b.swap(k, pivot);
        }
        for k in 0..self.n {
            b[k] -= dot(&self.row(k)[..k], &b[..k]);
        }
        for k in (0..self.n).rev() {
            let row = self.row(k);
            b[k] = (b[k] - dot(&row[k + 1..], &b[k + 1..])) / row[k];
        }
    }

    /// Solves `Mᵀ x = b` in place.
    fn solve_transposed(&self, b: &mut [f64]) {
        for k in 0..self.n {
            let row = self.row(k);
            b[k] /= row[k];
            let (done, left) = b.split_at_mut(k + 1);
            left.iter_mut().zip(&row[k + 1..]).for_each(|(b, entry)| *b -= done[k] * entry);
        }
        for k in (0..self.n).rev() {
            let (left, done) = b.split_at_mut(k);
            left.iter_mut().zip(self.row(k)).for_each(|(b, entry)| *b -= done[0] * entry);
        }
        for (k, &pivot) in self.exchanges.iter().enumerate().rev() {
            b.swap(k, pivot);
        }
    }

    /// Estimates `‖M⁻¹‖` in the 1-norm: almost always within a factor of three, and a lower bound up to
    /// rounding. Infinite where the estimate is NaN.
    ///
    /// Reference: N. Higham, FORTRAN codes for estimating the one-norm of a real or complex matrix, ACM
    /// Trans. Math. Softw. 14 (1988), algorithm 4.1.
    pub(super) fn inverse_norm(&self) -> f64 {
        let n = self.n;
        let mut x = vec![1.0 / n as f64; n];
        let mut norm = 0.0;
        for _ in 0..5 {
            let mut y = x.clone();
            self.solve(&mut y);
            let found = sum(&y);
            if !found.is_finite() {
                return f64::INFINITY;
            }
            if found <= norm {
                break;
            }
            norm = found;
            y.iter_mut().for_each(|y| *y = 1.0_f64.copysign(*y));
            self.solve_transposed(&mut y);
            let largest = (0..n).max_by(|a, b| y[*a].abs().total_cmp(&y[*b].abs())).unwrap_or(0);
            if y[largest].abs() <= dot(&y, &x) {
                break;
            }
            x.fill(0.0);
            x[largest] = 1.0;
        }
        // An alternating vector, as a safeguard against cancellation in the iteration above.
        let slope = |k: usize| 1.0 + k as f64 / (n.max(2) - 1) as f64;
        let mut y: Vec<f64> = (0..n).map(|k| if k % 2 == 0 { slope(k) } else { -slope(k) }).collect();
        self.solve(&mut y);
        let other = 2.0 * sum(&y) / (3 * n) as f64;
        if other.is_finite() { norm.max(other) } else { f64::INFINITY }
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn sum(values: &[f64]) -> f64 {
    values.iter().map(|value| value.abs()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::rows::pseudo_random;

    fn random(n: usize) -> Vec<f64> {
        (0..n * n).map(|k| pseudo_random(7, k)).collect()
    }

    #[test]
    fn both_systems_are_solved_whatever_rows_are_exchanged() {
        for n in [1, 2, 3, 10, 40] {
            let m = random(n);
            let factors = Factors::new(n, m.clone());
            let x: Vec<f64> = (0..n).map(|k| pseudo_random(8, k)).collect();
            let mut b: Vec<f64> = m.chunks(n).map(|row| dot(row, &x)).collect();
            factors.solve(&mut b);
            let mut transposed: Vec<f64> =
                (0..n).map(|k| (0..n).map(|i| m[i * n + k] * x[i]).sum()).collect();
            factors.solve_transposed(&mut transposed);
            for (found, x) in b.iter().chain(&transposed).zip(x.iter().chain(&x)) {
                assert!((found - x).abs() < 1e-10, "{n}: {found} for {x}");
            }
        }
    }

    #[test]
    fn the_norm_of_the_inverse_is_close() {
        for n in [1, 2, 3, 10, 40] {
            let factors = Factors::new(n, random(n));
            let column = |k: usize| {
                let mut unit = vec![0.0; n];
                unit[k] = 1.0;
                factors.solve(&mut unit);
                sum(&unit)
            };
            let (norm, found) = ((0..n).map(column).fold(0.0, f64::max), factors.inverse_norm());
            assert!(found <= norm * (1.0 + 1e-9) && found >= norm / 3.0, "{n}: {found} for {norm}");
        }
        assert!(Factors::new(2, vec![1.0, 2.0, 2.0, 4.0]).inverse_norm() > 1e15);
        assert!(Factors::new(1, vec![0.0]).inverse_norm().is_infinite());
        assert!(Factors::new(1, vec![f64::NAN]).inverse_norm().is_infinite());
    }
}
