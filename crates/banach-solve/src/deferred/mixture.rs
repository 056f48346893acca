//! The least-squares problems of Anderson acceleration, of all rows at once, on a device.

use burn::tensor::Tensor;

/// The problems `min ‖F - Σ γᵢ ΔFᵢ‖² + ridge Σ (γᵢ ‖ΔFᵢ‖)²` of a batch.
pub(super) struct Problem {
    /// `⟨ΔFᵢ, ΔFⱼ⟩`, `[rows, window, window]`.
    pub(super) gram: Tensor<3>,
    /// `⟨ΔFᵢ, F⟩`, `[rows, window, 1]`.
    pub(super) right: Tensor<3>,
    /// 1 for the differences that a row may use, else 0, `[rows, window, 1]`.
    pub(super) valid: Tensor<3>,
    /// `‖F‖²`, `[rows, 1, 1]`.
    pub(super) residual: Tensor<3>,
    /// The slots in use, the newest difference first.
    pub(super) slots: Vec<usize>,
    /// The ridge, added to the diagonal of the Gram matrix of unit vectors.
    pub(super) ridge: f64,
    /// The squared sine of the smallest angle between a difference and the span of newer ones.
    pub(super) floor: f64,
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
pub(super) fn mixture(problem: Problem) -> (Tensor<3>, Tensor<3>) {
    let Problem { gram, right, valid, residual, slots, ridge, floor, precision } = problem;
    let [rows, window, _] = gram.dims();
    let device = gram.device();
    let identity = Tensor::<2>::eye(window, &device).cast(gram.dtype()).reshape([1, window, window]);
    let lengths = (gram.clone() * identity.clone()).sum_dim(2) * valid;
    let short = lengths.clone().lower_equal(residual * (precision * precision));
    let scale = lengths.recip().sqrt().mask_fill(short, 0.0);
    let across = scale.clone().reshape([rows, 1, window]);
    let mut unit = gram * scale.clone() * across + identity.clone() * ridge;
    let mut solved = right * scale.clone();
    for slot in slots {
        let here = slot..slot + 1;
        let row = unit.clone().slice([0..rows, here.clone(), 0..window]);
        let pivot = row.clone().slice([0..rows, 0..1, here.clone()]);
        let passed_over = pivot.clone().lower_equal_elem(floor + ridge);
        let inverse = pivot.recip().mask_fill(passed_over, 0.0);
        let unit_vector = identity.clone().slice([0..1, 0..window, here.clone()]);
        let column = unit.clone().slice([0..rows, 0..window, here.clone()]) - unit_vector;
        let value = solved.clone().slice([0..rows, here, 0..1]) * inverse.clone();
        unit = unit - column.clone() * (row * inverse);
        solved = solved - column * value;
    }
    let unused = (unit * identity).sum_dim(2).lower_equal_elem(0.5);
    let factors = solved.mask_fill(unused, 0.0) * scale;
    let sum = factors.clone().abs().sum_dim(1);
    // False for NaN.
    let unusable = sum.clone().lower_elem(precision.recip()).bool_not();
    let factors = factors.mask_fill(unusable.clone().expand([rows, window, 1]), 0.0);
    (factors, sum.mask_fill(unusable, 0.0))
}
