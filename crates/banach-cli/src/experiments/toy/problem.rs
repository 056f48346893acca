//! The problem whose solution map is learnt, and its exact solution.

use crate::random::Generator;

/// Lower and upper bound of every unknown.
pub(crate) const BOUNDS: (f64, f64) = (-1.0, 1.0);

const SHIFT: f64 = 0.1;
const ACCURACY: f64 = 1e-10;

/// `t(a) = argmin ½ xᵀQx + aᵀx` over `l ≤ x ≤ u`, with Q symmetric and every eigenvalue at least 0.1.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    dimension: usize,
    matrix: Vec<f64>,
    /// γ = 1 / L, where L bounds the largest eigenvalue of Q.
    step: f64,
}

impl Problem {
    /// A random problem: `Q = MᵀM / n + 0.1 I`, M with standard normal entries.
    pub(crate) fn random(dimension: usize, generator: &mut Generator) -> Self {
        let n = dimension;
        let m: Vec<f64> = (0..n * n).map(|_| generator.normal()).collect();
        let mut matrix = vec![0.0; n * n];
        for row in 0..n {
            for column in 0..n {
                let product: f64 = (0..n).map(|k| m[k * n + row] * m[k * n + column]).sum();
                matrix[row * n + column] = product / n as f64 + if row == column { SHIFT } else { 0.0 };
            }
        }
        let row_sum = |row: &[f64]| row.iter().map(|value| value.abs()).sum::<f64>();
        let by_rows = matrix.chunks(n).map(row_sum).fold(0.0, f64::max);
        let by_norm = matrix.iter().map(|value| value * value).sum::<f64>().sqrt();
        Self { dimension, matrix, step: 1.0 / by_rows.min(by_norm) }
    }

    /// t(a) by projected gradient, within 1e-10 of the exact solution in every unknown.
    ///
    /// The iteration contracts by `q = 1 - 0.1 γ`, so a step of length s is at most `s q / (1 - q)` from the solution.
    pub(crate) fn solution(&self, a: &[f64]) -> Vec<f64> {
        let q = 1.0 - SHIFT * self.step;
        let mut x = vec![0.0; self.dimension];
        loop {
            let next = self.projected_step(&x, a);
            let length = x.iter().zip(&next).map(|(old, new)| (old - new).powi(2)).sum::<f64>().sqrt();
            x = next;
            if length * q / (1.0 - q) <= ACCURACY {
                return x;
            }
        }
    }

    /// `clamp(x - γ (Q x + a), l, u)`.
    fn projected_step(&self, x: &[f64], a: &[f64]) -> Vec<f64> {
        let slope = |row: usize| -> f64 {
            let weights = &self.matrix[row * self.dimension..(row + 1) * self.dimension];
            weights.iter().zip(x).map(|(weight, value)| weight * value).sum::<f64>() + a[row]
        };
        (0..self.dimension).map(|row| (x[row] - self.step * slope(row)).clamp(BOUNDS.0, BOUNDS.1)).collect()
    }
}

/// Pairs (a, t(a)), flattened row by row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    /// `[rows, n]`.
    pub(crate) a: Vec<f32>,
    /// `[rows, n]`.
    pub(crate) t: Vec<f32>,
    /// Number of pairs.
    pub(crate) rows: usize,
}

impl Samples {
    /// Draws `rows` times a from the standard normal distribution and solves the problem for it.
    pub(crate) fn draw(problem: &Problem, rows: usize, generator: &mut Generator) -> Self {
        let mut samples = Self { rows, ..Self::default() };
        for _ in 0..rows {
            let a: Vec<f64> = (0..problem.dimension).map(|_| generator.normal()).collect();
            samples.t.extend(problem.solution(&a).iter().map(|&value| value as f32));
            samples.a.extend(a.iter().map(|&value| value as f32));
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solution_meets_the_conditions_of_optimality() {
        let mut generator = Generator::new(1, 0);
        let problem = Problem::random(6, &mut generator);
        let a: Vec<f64> = (0..6).map(|_| generator.normal()).collect();
        let x = problem.solution(&a);
        for (row, &value) in x.iter().enumerate() {
            let slope: f64 = (0..6).map(|k| problem.matrix[row * 6 + k] * x[k]).sum::<f64>() + a[row];
            let fine = if value <= BOUNDS.0 {
                slope >= -1e-8
            } else if value >= BOUNDS.1 {
                slope <= 1e-8
            } else {
                slope.abs() < 1e-8
            };
            assert!(fine, "found the slope {slope} at x = {value}");
        }
    }

    #[test]
    fn without_active_bounds_the_solution_solves_the_linear_system() {
        let problem = Problem { dimension: 2, matrix: vec![2.0, 1.0, 1.0, 3.0], step: 0.25 };
        let x = problem.solution(&[-0.4, 0.1]);
        assert!((x[0] - 0.26).abs() < 1e-10 && (x[1] + 0.12).abs() < 1e-10, "found {x:?}");
    }

    #[test]
    fn the_matrix_is_symmetric() {
        let problem = Problem::random(5, &mut Generator::new(9, 0));
        for (row, column) in (0..5).flat_map(|row| (0..5).map(move |column| (row, column))) {
            assert_eq!(problem.matrix[row * 5 + column], problem.matrix[column * 5 + row]);
        }
    }
}
