//! The least-squares problems of Anderson acceleration, of all rows at once, on a device.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Constants of the problems of one window.
pub(super) struct Constants {
    /// `[1, window, window + 1]`: the identity, and a column of zeros.
    identity: Tensor<3>,
    /// The ridge times that.
    ridge: Tensor<3>,
    /// Its columns, `[1, window, 1]`.
    unit_vectors: Vec<Tensor<3>>,
}

impl Constants {
    /// The constants for a ridge, added to the diagonal of the Gram matrix of unit vectors.
    pub(super) fn new(window: usize, ridge: f64, to: (&Device, DType)) -> Self {
        let one = |row: usize, column: usize| if row == column { 1.0 } else { 0.0 };
        let numbers =
            (0..window * (window + 1)).map(|k| one(k / (window + 1), k % (window + 1))).collect::<Vec<_>>();
        let identity = Tensor::from_data(TensorData::new(numbers, [1, window, window + 1]), to);
        let column = |at: usize| identity.clone().slice([0..1, 0..window, at..at + 1]);
        let unit_vectors = (0..window).map(column).collect();
        Self { ridge: identity.clone() * ridge, unit_vectors, identity }
    }
}

/// The problems `min ‖F - Σ γᵢ ΔFᵢ‖² + ridge Σ (γᵢ ‖ΔFᵢ‖)²` of a batch.
pub(super) struct Problem<'a> {
    /// `⟨ΔFᵢ, ΔFⱼ⟩`, and `⟨ΔFᵢ, F⟩` in the last column, `[rows, window, window + 1]`.
    pub(super) products: Tensor<3>,
    /// 1 for the differences that a row may use, else 0, `[rows, window, 1]`.
    pub(super) valid: Tensor<3>,
    /// `‖F‖²`, `[rows, 1, 1]`.
    pub(super) residual: Tensor<3>,
    /// The slots in use, the newest difference first.
    pub(super) slots: Vec<usize>,
    pub(super) constants: &'a Constants,
    /// The squared sine of the smallest angle between a difference and the span of newer ones, plus the ridge.
    pub(super) least_pivot: f64,
    /// The precision of the state.
    pub(super) precision: f64,
}

/// Returns `γ`, `[rows, window, 1]`, and `Σ |γᵢ|`, `[rows, 1, 1]`; both zero in rows whose solution is not
/// usable.
///
/// Differences are scaled to unit length, and those that lie almost in the span of newer ones are not used: as
/// on the host, but by Gauss-Jordan elimination, which treats all rows alike. The pivot of a difference is the
/// squared sine; where it is too small, the difference is passed over, and its pivot stays. So a pivot of one
/// tells the differences that were used.
pub(super) fn mixture(problem: Problem<'_>) -> (Tensor<3>, Tensor<3>) {
    let Problem { products, valid, residual, slots, constants, least_pivot, precision } = problem;
    let [rows, window, columns] = products.dims();
    let lengths = (products.clone() * constants.identity.clone()).sum_dim(2) * valid;
    let short = lengths.clone().lower_equal(residual * (precision * precision));
    let scale = lengths.recip().sqrt().mask_fill(short, 0.0);
    let ones = scale.clone().slice([0..rows, 0..1, 0..1]).ones_like();
    let across = Tensor::cat(vec![scale.clone().reshape([rows, 1, window]), ones], 2);
    let mut system = products * scale.clone() * across + constants.ridge.clone();
    for slot in slots {
        let here = slot..slot + 1;
        let row = system.clone().slice([0..rows, here.clone(), 0..columns]);
        let pivot = row.clone().slice([0..rows, 0..1, here.clone()]);
        let passed_over = pivot.clone().lower_equal_elem(least_pivot);
        let inverse = pivot.recip().mask_fill(passed_over, 0.0);
        let column = system.clone().slice([0..rows, 0..window, here]) - constants.unit_vectors[slot].clone();
        system = system - column * (row * inverse);
    }
    let unused = (system.clone() * constants.identity.clone()).sum_dim(2).lower_equal_elem(0.5);
    let solved = system.slice([0..rows, 0..window, window..columns]);
    let factors = solved.mask_fill(unused, 0.0) * scale;
    let sum = factors.clone().abs().sum_dim(1);
    // False for NaN.
    let unusable = sum.clone().lower_elem(precision.recip()).bool_not();
    let factors = factors.mask_fill(unusable.clone().expand([rows, window, 1]), 0.0);
    (factors, sum.mask_fill(unusable, 0.0))
}
