//! Numbers of rows on a device: squared norms as columns, and their transfer.

use crate::Transfers;
use burn::tensor::{Bool, DType, Tensor, TensorData, Transaction};

/// The precision in which rows are measured: squares of half precision overflow from 256 and underflow below
/// 0.001.
fn widened_type(dtype: DType) -> DType {
    if [DType::F16, DType::BF16].contains(&dtype) { DType::F32 } else { dtype }
}

/// Casts half precision to single precision.
pub(super) fn widened(matrix: &Tensor<2>) -> Tensor<2> {
    let dtype = widened_type(matrix.dtype());
    if dtype == matrix.dtype() { matrix.clone() } else { matrix.clone().cast(dtype) }
}

/// The squared Euclidean norm of every row, `[rows, 1]`.
pub(super) fn squares(matrix: &Tensor<2>) -> Tensor<2> {
    widened(matrix).square().sum_dim(1)
}

/// The largest absolute value of every row, `[rows, 1]`; infinite in rows with NaN.
pub(super) fn largest(matrix: &Tensor<2>) -> Tensor<2> {
    // The maximum of NaN and a number depends on the device.
    let nan = matrix.clone().is_nan();
    matrix.clone().abs().mask_fill(nan, f64::INFINITY).max_dim(1)
}

/// Columns of numbers of rows, one matrix on a device.
#[derive(Debug)]
pub(super) struct Columns {
    matrix: Tensor<2>,
    count: usize,
}

impl From<Tensor<2>> for Columns {
    fn from(matrix: Tensor<2>) -> Self {
        let count = matrix.dims()[1];
        Self { matrix, count }
    }
}

impl Columns {
    /// The sums of every `count`-th column of a matrix: the host adds them up.
    #[cfg(feature = "kernels")]
    pub(super) fn sums(matrix: Tensor<2>, count: usize) -> Self {
        Self { matrix, count }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The columns of the matrix, given in row-major order.
    fn of<'a>(&self, numbers: &'a [f64]) -> impl Iterator<Item = Vec<f64>> + use<'a> {
        let (width, count) = (self.matrix.dims()[1], self.count);
        (0..count).map(move |column| {
            let sum = |row: &[f64]| row[column..].iter().step_by(count).sum();
            numbers.chunks(width).map(sum).collect()
        })
    }
}

/// Reads tensors in one transfer.
pub(super) fn read(tensors: Vec<Tensor<2>>, transfers: &mut Transfers) -> Vec<Vec<f64>> {
    transfers.reads += 1;
    #[cfg(feature = "kernels")]
    tensors.iter().take(1).for_each(crate::kernels::wait);
    let transaction = tensors.into_iter().fold(Transaction::default(), Transaction::register);
    transaction.execute().iter().map(|data| data.iter::<f64>().collect()).collect()
}

/// Reads columns in one transfer, one after the other.
pub(super) fn read_columns(columns: &[&Columns], transfers: &mut Transfers) -> Vec<Vec<f64>> {
    let found = read(columns.iter().map(|columns| columns.matrix.clone()).collect(), transfers);
    found.iter().zip(columns).flat_map(|(numbers, columns)| columns.of(numbers)).collect()
}

/// Writes a mask of rows, `[rows, 1]`, to the device of `like`.
pub(super) fn mask(rows: &[bool], like: &Tensor<2>, transfers: &mut Transfers) -> Tensor<2, Bool> {
    transfers.writes += 1;
    Tensor::from_data(TensorData::new(rows.to_vec(), [rows.len(), 1]), &like.device())
}

/// Writes numbers in row-major order to the device of `like`, in its precision.
pub(super) fn numbers(
    numbers: Vec<f64>,
    shape: [usize; 2],
    like: &Tensor<2>,
    transfers: &mut Transfers,
) -> Tensor<2> {
    transfers.writes += 1;
    Tensor::from_data(TensorData::new(numbers, shape), (&like.device(), widened_type(like.dtype())))
}

/// `by` in rows of the mask, `x` elsewhere.
pub(super) fn replaced(x: &Tensor<2>, rows: &Tensor<2, Bool>, by: &Tensor<2>) -> Tensor<2> {
    x.clone().mask_where(rows.clone().expand(x.dims()), by.clone())
}

/// `x` in rows where it is finite, `otherwise` elsewhere.
pub(super) fn finite_rows(x: &Tensor<2>, otherwise: &Tensor<2>) -> Tensor<2> {
    // What is finite minus itself is zero, and the rest is NaN.
    let broken = (x.clone() - x.clone()).sum_dim(1).is_nan();
    replaced(x, &broken, otherwise)
}
