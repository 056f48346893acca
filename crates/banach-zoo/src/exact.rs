//! Answers without a closed form, by dense arithmetic in plain `f64`, without tensors.

/// The solution of the `n` by `n` system whose entries are `matrix(row, column)`, by elimination with pivoting.
pub(crate) fn linear(n: usize, matrix: impl Fn(usize, usize) -> f64, right: &[f64]) -> Vec<f64> {
    let mut a: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| matrix(i, j)).collect()).collect();
    let mut b = right.to_vec();
    for k in 0..n {
        let pivot = (k..n).fold(k, |best, i| if a[i][k].abs() > a[best][k].abs() { i } else { best });
        a.swap(k, pivot);
        b.swap(k, pivot);
        let row = a[k].clone();
        for i in k + 1..n {
            let factor = a[i][k] / row[k];
            for j in k..n {
                a[i][j] -= factor * row[j];
            }
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - known) / a[k][k];
    }
    b
}

/// The root near `x` of a function given as `(value, slope)`, by Newton's method.
pub(crate) fn root(function: impl Fn(f64) -> (f64, f64), mut x: f64) -> f64 {
    for _ in 0..50 {
        let (value, slope) = function(x);
        x -= value / slope;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elimination_pivots() {
        let matrix = [[0.0, 2.0], [4.0, 1.0]];
        let x = linear(2, |i, j| matrix[i][j], &[2.0, 9.0]);
        assert!((x[0] - 2.0).abs() < 1e-15 && (x[1] - 1.0).abs() < 1e-15);
    }

    #[test]
    fn newton_finds_a_root() {
        assert!((root(|x| (x * x - 2.0, 2.0 * x), 1.0) - std::f64::consts::SQRT_2).abs() < 1e-15);
    }
}
