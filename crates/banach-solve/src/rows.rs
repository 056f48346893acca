//! What arithmetic does a solver need? All of it is here, and every row is treated alone.

use burn::tensor::{Bool, DType, Device, Tensor, TensorData};

/// A matrix `[rows, n]` whose rows are independent vectors.
///
/// Coefficients and results of a reduction live on the host as one `f64` a row. Whatever one row contains (NaN
/// included) must never reach another row, and the result of a row must not depend on the rows beside it.
pub trait Rows: Clone {
    /// The number of rows.
    fn rows(&self) -> usize;

    /// The length `n` of a row.
    fn width(&self) -> usize;

    /// The distance from 1 to the next number in the stored precision.
    fn precision(&self) -> f64;

    /// All zeros, in the same shape and precision.
    fn zeros(&self) -> Self;

    /// Fixed numbers between -1 and 1 that look random, the same in every row, in the same shape and precision.
    /// Every `seed` gives others.
    fn probe(&self, seed: u32) -> Self;

    /// `self + other`.
    fn plus(&self, other: &Self) -> Self;

    /// `self - other`.
    fn minus(&self, other: &Self) -> Self;

    /// Every row times its own factor.
    fn scaled(&self, factors: &[f64]) -> Self;

    /// `self` plus, for every term, each row of its matrix times the row's factor; terms are added in order.
    fn add_scaled(&self, terms: &[(&[f64], &Self)]) -> Self;

    /// Rows of `yes` where `mask` holds, rows of `no` elsewhere; a choice, never a product.
    fn select(mask: &[bool], yes: &Self, no: &Self) -> Self;

    /// Inner products: one vector of `rows` numbers for every pair, in one read from the device.
    fn dots(pairs: &[(&Self, &Self)]) -> Vec<Vec<f64>>;

    /// Euclidean norms: one vector of `rows` numbers for every matrix, in one read from the device.
    ///
    /// Finite rows have a finite norm even where their squares overflow the stored precision.
    fn norms(matrices: &[&Self]) -> Vec<Vec<f64>>;
}

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
        let row: Vec<f64> = (0..self.width()).map(|column| scattered(seed, column)).collect();
        let data = TensorData::new(row, [1, self.width()]);
        Tensor::<2>::from_data(data, (&self.device(), self.dtype())).expand(self.dims())
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

    fn select(mask: &[bool], yes: &Self, no: &Self) -> Self {
        let data = TensorData::new(mask.to_vec(), [mask.len(), 1]);
        let mask = Tensor::<2, Bool>::from_data(data, &no.device()).expand(no.dims());
        no.clone().mask_where(mask, yes.clone())
    }

    fn dots(pairs: &[(&Self, &Self)]) -> Vec<Vec<f64>> {
        let columns =
            pairs.iter().map(|(left, right)| ((*left).clone() * (*right).clone()).sum_dim(1)).collect();
        read(columns)
    }

    fn norms(matrices: &[&Self]) -> Vec<Vec<f64>> {
        let mut squares = read(matrices.iter().map(|matrix| (*matrix).clone().square().sum_dim(1)).collect());
        for (squares, matrix) in squares.iter_mut().zip(matrices) {
            let finite = squares.iter().all(|square| square.is_finite());
            squares.iter_mut().for_each(|square| *square = square.sqrt());
            if !finite {
                let careful = careful_norms(matrix);
                let norms = squares.iter_mut().zip(careful).filter(|(norm, _)| !norm.is_finite());
                norms.for_each(|(norm, careful)| *norm = careful);
            }
        }
        squares
    }
}

/// A number in `[-1, 1)` for every seed and column (the generator is splitmix64).
fn scattered(seed: u32, column: usize) -> f64 {
    let mut bits =
        (u64::from(seed) << 40).wrapping_add(column as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    (bits >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// One number a row as a column `[rows, 1]`.
fn column(factors: &[f64], device: &Device, dtype: DType) -> Tensor<2> {
    Tensor::from_data(TensorData::new(factors.to_vec(), [factors.len(), 1]), (device, dtype))
}

/// Several columns `[rows, 1]`, read together: one vector of `rows` numbers for every column.
fn read(columns: Vec<Tensor<2>>) -> Vec<Vec<f64>> {
    let count = columns.len();
    if count == 0 {
        return Vec::new();
    }
    let table: Vec<f64> = Tensor::cat(columns, 1).into_data().iter::<f64>().collect();
    (0..count).map(|column| table.iter().skip(column).step_by(count).copied().collect()).collect()
}

/// Norms summed on the host in double precision: only for rows whose squares were not finite.
fn careful_norms(matrix: &Tensor<2>) -> Vec<f64> {
    let width = matrix.width().max(1);
    let values: Vec<f64> = matrix.clone().into_data().iter::<f64>().collect();
    let norm = |row: &[f64]| {
        let largest = row.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let scale = if largest.is_finite() && largest > 0.0 { largest } else { 1.0 };
        scale * row.iter().map(|value| (value / scale).powi(2)).sum::<f64>().sqrt()
    };
    values.chunks(width).map(norm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(values: [[f64; 2]; 2], dtype: DType) -> Tensor<2> {
        Tensor::from_data(values, (&Device::flex(), dtype))
    }

    fn values(x: &Tensor<2>) -> Vec<f64> {
        x.clone().into_data().iter::<f64>().collect()
    }

    #[test]
    fn rows_are_combined_each_with_its_own_factor() {
        let (x, y) =
            (tensor([[1.0, 2.0], [3.0, 4.0]], DType::F64), tensor([[5.0, 6.0], [7.0, 8.0]], DType::F64));
        assert_eq!(values(&x.add_scaled(&[(&[2.0, 0.0], &y), (&[0.0, -1.0], &x)])), [11.0, 14.0, 0.0, 0.0]);
        assert_eq!(Rows::norms(&[&x, &x.minus(&x)]), vec![vec![5.0_f64.sqrt(), 5.0], vec![0.0, 0.0]]);
        assert_eq!(Rows::dots(&[(&x, &y), (&x, &x)]), vec![vec![17.0, 53.0], vec![5.0, 25.0]]);
        assert_eq!(x.precision(), f64::EPSILON);
    }

    #[test]
    fn a_probe_is_the_same_in_every_row_and_every_seed_has_its_own() {
        let x = tensor([[1.0, 2.0], [f64::NAN, 4.0]], DType::F64);
        let (first, second) = (values(&x.probe(1)), values(&x.probe(2)));
        assert_eq!(first[..2], first[2..]);
        assert!(first.iter().chain(&second).all(|value| value.abs() <= 1.0 && *value != 0.0), "{first:?}");
        assert!((first[0] * second[1] - first[1] * second[0]).abs() > 0.1, "{first:?} {second:?}");
        let mean: f64 = (0..1000).map(|column| scattered(3, column)).sum::<f64>() / 1000.0;
        assert!(mean.abs() < 0.06, "{mean}");
    }

    #[test]
    fn a_choice_never_mixes_in_what_was_not_chosen() {
        let (x, bad) = (tensor([[1.0, 2.0], [3.0, 4.0]], DType::F64), tensor([[f64::NAN; 2]; 2], DType::F64));
        assert_eq!(values(&Rows::select(&[true, true], &x, &bad)), [1.0, 2.0, 3.0, 4.0]);
        let mixed = values(&Rows::select(&[false, true], &x, &bad));
        assert!(mixed[0].is_nan() && mixed[1].is_nan() && mixed[2] == 3.0 && mixed[3] == 4.0);
    }

    #[test]
    fn finite_rows_have_finite_norms_in_single_precision() {
        let x = tensor([[3e30, 4e30], [f64::NAN, 1.0]], DType::F32);
        let norms = Rows::norms(&[&x]);
        assert!((norms[0][0] / 5e30 - 1.0).abs() < 1e-6, "{norms:?}");
        assert!(norms[0][1].is_nan());
        let endless = Rows::norms(&[&tensor([[f64::INFINITY, 1.0], [1.0, 0.0]], DType::F32)]);
        assert!(endless[0][0].is_infinite() && endless[0][1] == 1.0);
    }
}
