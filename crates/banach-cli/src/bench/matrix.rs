//! Random matrices that the benchmarks start from.

use crate::random::Generator;
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};

/// Steps of the power iteration.
const POWER_STEPS: usize = 300;

/// Numbers row by row.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) numbers: Vec<f64>,
}

impl Matrix {
    /// Standard normal numbers.
    pub(crate) fn normal(rows: usize, columns: usize, generator: &mut Generator) -> Self {
        Self { rows, columns, numbers: (0..rows * columns).map(|_| generator.normal()).collect() }
    }

    /// A symmetric matrix: the sum of normal numbers and their mirror image.
    pub(crate) fn symmetric(size: usize, generator: &mut Generator) -> Self {
        let half = Self::normal(size, size, generator);
        let sum = |place: usize| half.numbers[place] + half.numbers[place % size * size + place / size];
        Self { numbers: (0..size * size).map(sum).collect(), ..half }
    }

    /// A random orthogonal matrix: normal rows, each made orthogonal to those before it, twice for the rounding.
    pub(crate) fn orthogonal(size: usize, generator: &mut Generator) -> Self {
        let mut matrix = Self::normal(size, size, generator);
        for row in 0..size {
            let (before, rest) = matrix.numbers.split_at_mut(row * size);
            let current = &mut rest[..size];
            for other in before.chunks_exact(size).chain(before.chunks_exact(size)) {
                let part = dot(current, other);
                current.iter_mut().zip(other).for_each(|(number, other)| *number -= part * other);
            }
            let length = dot(current, current).sqrt();
            current.iter_mut().for_each(|number| *number /= length);
        }
        matrix
    }

    /// The matrix times a number.
    pub(crate) fn scaled(mut self, factor: f64) -> Self {
        self.numbers.iter_mut().for_each(|number| *number *= factor);
        self
    }

    /// The matrix scaled to a spectral norm.
    pub(crate) fn with_norm(self, norm: f64) -> Self {
        let own = self.spectral_norm();
        self.scaled(norm / own)
    }

    /// The largest singular value, by power iteration on `A Aᵀ`.
    pub(crate) fn spectral_norm(&self) -> f64 {
        let mut right = vec![1.0; self.columns];
        let mut norm = 0.0;
        for _ in 0..POWER_STEPS {
            let left: Vec<f64> = self.each_row().map(|row| dot(row, &right)).collect();
            let mut next = vec![0.0; self.columns];
            for (row, factor) in self.each_row().zip(&left) {
                next.iter_mut().zip(row).for_each(|(number, entry)| *number += factor * entry);
            }
            let length = dot(&next, &next).sqrt();
            norm = length.sqrt();
            right = next.into_iter().map(|number| number / length).collect();
        }
        norm
    }

    /// The matrix with its rows scaled to length 1.
    pub(crate) fn with_unit_rows(mut self) -> Self {
        for row in self.numbers.chunks_exact_mut(self.columns) {
            let length = dot(row, row).sqrt();
            row.iter_mut().for_each(|number| *number /= length);
        }
        self
    }

    /// As a tensor of f32.
    pub(crate) fn tensor(&self, device: &Device) -> Tensor<2> {
        Tensor::from_data(self.data(), device)
    }

    /// As a parameter of f32.
    pub(crate) fn parameter(&self, device: &Device) -> Param<Tensor<2>> {
        Param::from_data(self.data(), device)
    }

    fn each_row(&self) -> impl Iterator<Item = &[f64]> {
        self.numbers.chunks_exact(self.columns)
    }

    fn data(&self) -> TensorData {
        let numbers: Vec<f32> = self.numbers.iter().map(|&number| number as f32).collect();
        TensorData::new(numbers, [self.rows, self.columns])
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orthogonal_matrix_keeps_lengths_and_a_multiple_of_it_has_a_known_norm() {
        let matrix = Matrix::orthogonal(20, &mut Generator::new(1, 0));
        for (row, one) in matrix.each_row().enumerate() {
            for (column, other) in matrix.each_row().enumerate() {
                let expected = f64::from(u8::from(row == column));
                assert!((dot(one, other) - expected).abs() < 1e-12);
            }
        }
        assert!((matrix.scaled(0.7).spectral_norm() - 0.7).abs() < 1e-12);
    }

    #[test]
    fn a_symmetric_matrix_is_its_mirror_image() {
        let matrix = Matrix::symmetric(7, &mut Generator::new(1, 0)).with_norm(0.95);
        for (place, number) in matrix.numbers.iter().enumerate() {
            assert_eq!(*number, matrix.numbers[place % 7 * 7 + place / 7]);
        }
        assert!((matrix.spectral_norm() - 0.95).abs() < 1e-9);
    }

    #[test]
    fn the_spectral_norm_of_a_diagonal_is_its_largest_entry() {
        let numbers = vec![0.5, 0.0, 0.0, 0.0, -2.0, 0.0];
        assert!((Matrix { rows: 2, columns: 3, numbers }.spectral_norm() - 2.0).abs() < 1e-9);
    }
}
