//! Tensors on any device as solver states.

use super::rows::{Rows, pseudo_random};
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};

impl Rows for Tensor<2> {
    fn rows(&self) -> usize {
        self.dims()[0]
    }

    fn width(&self) -> usize {
        self.dims()[1]
    }

    fn precision(&self) -> f64 {
        let dtype = self.dtype();
        if dtype == DType::F64 {
            f64::EPSILON
        } else if dtype == DType::BF16 {
            f64::from(f32::EPSILON) * 65536.0
        } else if dtype == DType::F16 {
            f64::from(f32::EPSILON) * 8192.0
        } else {
            f64::from(f32::EPSILON)
        }
    }

    fn zeros(&self) -> Self {
        self.zeros_like()
    }

    fn probe(&self, seed: u32) -> Self {
        if self.dims().contains(&0) {
            return self.clone();
        }
        let row: Vec<f64> = (0..self.width()).map(|column| pseudo_random(seed, column)).collect();
        let data = TensorData::new(row, [1, self.width()]);
        Tensor::<2>::from_data(data, (&self.device(), self.dtype())).expand(self.dims())
    }

    fn holding(&self, numbers: &[f64]) -> Self {
        let data = TensorData::new(numbers.to_vec(), self.dims());
        Tensor::from_data(data, (&self.device(), self.dtype()))
    }

    fn numbers(&self) -> Vec<f64> {
        self.clone().into_data().iter::<f64>().collect()
    }

    fn plus(&self, other: &Self) -> Self {
        self.clone() + other.clone()
    }

    fn minus(&self, other: &Self) -> Self {
        self.clone() - other.clone()
    }

    fn scaled(&self, factors: &[f64]) -> Self {
        self.clone() * column(factors, &self.device(), self.dtype())
    }

    fn add_scaled(&self, terms: &[(&[f64], &Self)]) -> Self {
        terms.iter().fold(self.clone(), |sum, (factors, term)| sum + term.scaled(factors))
    }

    fn dots(pairs: &[(&Self, &Self)]) -> Vec<Vec<f64>> {
        let product = |(left, right): &(&Self, &Self)| (widened(left) * widened(right)).sum_dim(1);
        read(pairs.iter().map(product).collect())
    }

    fn norms(matrices: &[&Self]) -> Vec<Vec<f64>> {
        let squares = |matrix: &&Self| widened(matrix).square().sum_dim(1);
        let mut norms = read(matrices.iter().map(squares).collect());
        for (norms, matrix) in norms.iter_mut().zip(matrices) {
            let matrix = widened(matrix);
            let vanishing = smallest_square(&matrix);
            let doubtful = |square: &f64| !(*square >= vanishing && square.is_finite());
            let doubtful: Vec<bool> = norms.iter().map(doubtful).collect();
            norms.iter_mut().for_each(|square| *square = square.sqrt());
            if doubtful.contains(&true) {
                let scaled = scaled_norms(&matrix, norms);
                (0..doubtful.len()).filter(|row| doubtful[*row]).for_each(|row| norms[row] = scaled[row]);
            }
        }
        norms
    }

    fn largest(matrices: &[&Self]) -> Vec<Vec<f64>> {
        // The maximum of NaN and a number depends on the device.
        let largest = |matrix: &Self| {
            let (nan, infinity) = (matrix.clone().is_nan(), f64::INFINITY);
            matrix.clone().abs().mask_fill(nan, infinity).max_dim(1)
        };
        read(matrices.iter().map(|matrix| largest(matrix)).collect())
    }

    fn replace(&mut self, mask: &[bool], by: &Self) {
        if self.dims().contains(&0) {
            return; // Burn cannot expand to an empty shape.
        }
        let data = TensorData::new(mask.to_vec(), [mask.len(), 1]);
        let mask = Tensor::<2, Bool>::from_data(data, &self.device()).expand(self.dims());
        *self = self.clone().mask_where(mask, by.clone());
    }

    fn gather(&self, rows: &[usize]) -> Self {
        if rows.is_empty() {
            return Tensor::zeros([0, self.width()], (&self.device(), self.dtype()));
        }
        let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
        let count = rows.len();
        self.clone().select(0, Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &self.device()))
    }

    fn put(&mut self, rows: &[usize], part: &Self) {
        if rows.is_empty() {
            return;
        }
        let (mut mask, mut origin) = (vec![false; self.rows()], vec![0; self.rows()]);
        for (position, row) in rows.iter().enumerate() {
            (mask[*row], origin[*row]) = (true, position);
        }
        self.replace(&mask, &part.gather(&origin));
    }

    fn stacked(parts: &[Self]) -> Self {
        Tensor::cat(parts.to_vec(), 0)
    }
}

/// A column `[rows, 1]` of one factor a row.
fn column(factors: &[f64], device: &Device, dtype: DType) -> Tensor<2> {
    Tensor::from_data(TensorData::new(factors.to_vec(), [factors.len(), 1]), (device, dtype))
}

/// Reads several columns `[rows, 1]` at once: one vector of `rows` values for every column.
fn read(columns: Vec<Tensor<2>>) -> Vec<Vec<f64>> {
    let count = columns.len();
    if count == 0 {
        return Vec::new();
    }
    let table: Vec<f64> = Tensor::cat(columns, 1).into_data().iter::<f64>().collect();
    (0..count).map(|column| table.iter().skip(column).step_by(count).copied().collect()).collect()
}

/// Casts half precision to single precision: squares of half precision overflow from 256 and underflow below
/// 0.001.
fn widened(matrix: &Tensor<2>) -> Tensor<2> {
    let half = [DType::F16, DType::BF16].contains(&matrix.dtype());
    if half { matrix.clone().cast(DType::F32) } else { matrix.clone() }
}

/// The sum of squares of a row below which underflow of squares may exceed rounding.
fn smallest_square(matrix: &Tensor<2>) -> f64 {
    let smallest =
        if matrix.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    matrix.width().max(1) as f64 * smallest / matrix.precision()
}

/// Norms of rows scaled by their largest element, so that no square overflows or underflows. `plain` are the
/// unscaled norms, returned for rows with NaN or infinity. Two reads from the device, or one if all rows are
/// zeros.
fn scaled_norms(matrix: &Tensor<2>, plain: &[f64]) -> Vec<f64> {
    let largest = Tensor::largest(&[matrix]).swap_remove(0);
    let scalable = |size: &f64| *size > 0.0 && size.is_finite();
    if !largest.iter().any(scalable) {
        return plain.to_vec();
    }
    let divisors: Vec<f64> = largest.iter().map(|size| if scalable(size) { *size } else { 1.0 }).collect();
    let scaled = matrix.clone() / column(&divisors, &matrix.device(), matrix.dtype());
    let squares = read(vec![scaled.square().sum_dim(1)]).swap_remove(0);
    let norm =
        |row: usize| if scalable(&largest[row]) { largest[row] * squares[row].sqrt() } else { plain[row] };
    (0..plain.len()).map(norm).collect()
}
