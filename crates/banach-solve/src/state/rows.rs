//! The row arithmetic of solvers.

/// A matrix `[rows, n]` whose rows are independent vectors: a [`Tensor<2>`](burn::tensor::Tensor) on any
/// device, or a [`Matrix`](crate::Matrix) in memory.
///
/// Coefficients and results of reductions are on the host, one `f64` a row. The content of one row, NaN
/// included, must not reach another row. The result of a row must not depend on the other rows: bit for bit
/// in memory, up to rounding on a device, where the order of a reduction may depend on the shape of the
/// batch. Clones are cheap.
pub trait Rows: Clone {
    /// Returns the number of rows.
    fn rows(&self) -> usize;

    /// Returns the width `n` of a row.
    fn width(&self) -> usize;

    /// Returns the machine epsilon of the stored precision.
    fn precision(&self) -> f64;

    /// Returns zeros of this shape and precision.
    fn zeros(&self) -> Self;

    /// Returns pseudo-random numbers between -1 and 1, equal in all rows, of this shape and precision,
    /// determined by `seed`.
    fn probe(&self, seed: u32) -> Self;

    /// Copies numbers from the host, in row-major order, into this shape and precision.
    ///
    /// # Panics
    /// If their count is not `rows * width`.
    fn holding(&self, numbers: &[f64]) -> Self;

    /// Copies all numbers to the host, in row-major order.
    fn numbers(&self) -> Vec<f64>;

    /// Returns `self + other`.
    fn plus(&self, other: &Self) -> Self;

    /// Returns `self - other`.
    fn minus(&self, other: &Self) -> Self;

    /// Returns every row times its factor.
    fn scaled(&self, factors: &[f64]) -> Self;

    /// Returns `self` plus all terms, each a matrix whose rows are scaled by their factors. Terms are added
    /// in order.
    fn add_scaled(&self, terms: &[(&[f64], &Self)]) -> Self;

    /// Returns inner products of rows: one vector of `rows` values for every pair, in one read from the
    /// device.
    ///
    /// Sums have double precision in memory and the stored precision on a device, where products of rows far
    /// from unit length may overflow or underflow. Linear solvers scale rows to unit length first; other
    /// solvers take a plain step where a product is not usable.
    fn dots(pairs: &[(&Self, &Self)]) -> Vec<Vec<f64>>;

    /// Returns the changes of the difference `F = gx - x` and of the image gx since an earlier point, and inner products of
    /// rows as [`dots`](Self::dots): of the change of F with itself and with each of `older`, then of F with the same.
    fn change([x, gx]: [&Self; 2], before: [&Self; 2], older: &[&Self]) -> ([Self; 2], Vec<Vec<f64>>) {
        let [difference, earlier] = [[x, gx], before].map(|[x, gx]| gx.minus(x));
        let change = difference.minus(&earlier);
        let along = || std::iter::once(&change).chain(older.iter().copied());
        let of = |left| along().map(move |right| (left, right));
        let products = Self::dots(&of(&change).chain(of(&difference)).collect::<Vec<_>>());
        ([change, gx.minus(before[1])], products)
    }

    /// Returns Euclidean norms of rows: one vector of `rows` values for every matrix, in one read from the
    /// device.
    ///
    /// The norm of a finite row is finite even where squares overflow, and that of a nonzero row is nonzero
    /// even where squares underflow.
    fn norms(matrices: &[&Self]) -> Vec<Vec<f64>>;

    /// Returns the largest absolute value of every row: one vector of `rows` values for every matrix, in one
    /// read from the device. It is infinite in rows with NaN or infinity. The width must not be zero.
    fn largest(matrices: &[&Self]) -> Vec<Vec<f64>>;

    /// Returns `‖self - from‖` and `‖self‖` of every row, safe from overflow as [`norms`](Self::norms), in
    /// one read.
    fn distances(&self, from: &Self) -> (Vec<f64>, Vec<f64>) {
        let mut norms = Self::norms(&[&self.minus(from), self]);
        let sizes = norms.pop().unwrap_or_default();
        (norms.pop().unwrap_or_default(), sizes)
    }

    /// Replaces the rows where `mask` holds by those of `by`, by selection, not by a product with the mask.
    fn replace(&mut self, mask: &[bool], by: &Self);

    /// Returns these rows, in this order.
    fn gather(&self, rows: &[usize]) -> Self;

    /// Replaces row `rows[i]` by row `i` of `part`; the entries of `rows` are distinct.
    fn put(&mut self, rows: &[usize], part: &Self);

    /// Concatenates matrices of equal width along the rows.
    ///
    /// # Panics
    /// If there are no matrices.
    fn stacked(parts: &[Self]) -> Self;
}

/// Rows of `yes` where `mask` holds, rows of `no` elsewhere; a clone where the mask is constant.
pub(crate) fn select_rows<R: Rows>(mask: &[bool], yes: &R, no: &R) -> R {
    if mask.iter().all(|chosen| *chosen) {
        return yes.clone();
    }
    let mut chosen = no.clone();
    if mask.contains(&true) {
        chosen.replace(mask, yes);
    }
    chosen
}

/// Open rows scaled to unit length; zeros elsewhere.
pub(crate) fn normalized_rows<R: Rows>(w: &R, lengths: &[f64], open: &[bool]) -> R {
    let factor = |(length, open): (&f64, &bool)| if *open { length.recip() } else { 0.0 };
    let scaled = w.scaled(&lengths.iter().zip(open).map(factor).collect::<Vec<_>>());
    if open.contains(&false) { select_rows(open, &scaled, &scaled.zeros()) } else { scaled }
}

/// The entries at these positions.
pub(crate) fn entries_at<T: Clone>(all: &[T], keep: &[usize]) -> Vec<T> {
    keep.iter().map(|position| all[*position].clone()).collect()
}

/// A pseudo-random number in `[-1, 1)` for every seed and column, from the generator splitmix64.
pub(crate) fn pseudo_random(seed: u32, column: usize) -> f64 {
    let mut bits =
        (u64::from(seed) << 40).wrapping_add(column as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    (bits >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matrix;
    use burn::tensor::{DType, Device, Tensor};

    /// A matrix of two columns, and its numbers.
    trait Small: Rows {
        fn of(values: &[[f64; 2]]) -> Self;
        fn values(&self) -> Vec<f64>;
    }

    impl Small for Tensor<2> {
        fn of(values: &[[f64; 2]]) -> Self {
            let data = burn::tensor::TensorData::new(values.concat(), [values.len(), 2]);
            Tensor::from_data(data, (&Device::flex(), DType::F32))
        }

        fn values(&self) -> Vec<f64> {
            self.clone().into_data().iter::<f64>().collect()
        }
    }

    macro_rules! native {
        ($real:ident) => {
            impl Small for Matrix<$real> {
                fn of(values: &[[f64; 2]]) -> Self {
                    Matrix::new(
                        values.len(),
                        2,
                        values.concat().iter().map(|value| *value as $real).collect(),
                    )
                }

                fn values(&self) -> Vec<f64> {
                    self.as_slice().iter().map(|value| f64::from(*value)).collect()
                }
            }
        };
    }
    native!(f32);
    native!(f64);

    fn rows_are_combined_each_with_its_own_factor<R: Small>() {
        let (x, y) = (R::of(&[[1.0, 2.0], [3.0, 4.0]]), R::of(&[[5.0, 6.0], [7.0, 8.0]]));
        assert_eq!(x.add_scaled(&[(&[2.0, 0.0], &y), (&[0.0, -1.0], &x)]).values(), [11.0, 14.0, 0.0, 0.0]);
        assert_eq!(x.plus(&y).values(), [6.0, 8.0, 10.0, 12.0]);
        assert_eq!(x.scaled(&[2.0, -1.0]).values(), [2.0, 4.0, -3.0, -4.0]);
        assert_eq!(R::dots(&[(&x, &y), (&x, &x)]), vec![vec![17.0, 53.0], vec![5.0, 25.0]]);
        let (distances, sizes) = x.distances(&R::of(&[[1.0, 5.0], [0.0, 0.0]]));
        assert_eq!((distances, &sizes), (vec![3.0, 5.0], &R::norms(&[&x, &x.minus(&x)])[0]));
        assert!((sizes[0] - 5.0_f64.sqrt()).abs() < 1e-7 && sizes[1] == 5.0);
    }

    fn a_change_is_that_of_differences<R: Small>() {
        let [x, gx] = [R::of(&[[1.0, 2.0], [3.0, 4.0]]), R::of(&[[2.0, 5.0], [3.0, 3.0]])];
        let [x_before, gx_before] = [R::of(&[[0.0, 1.0], [3.0, 4.0]]), R::of(&[[0.5, 1.0], [5.0, 4.0]])];
        let older = R::of(&[[1.0, 1.0], [2.0, 0.0]]);
        let ([change, image], products) = R::change([&x, &gx], [&x_before, &gx_before], &[&older]);
        assert_eq!(change.values(), [0.5, 3.0, -2.0, -1.0]);
        assert_eq!(image.values(), [1.5, 4.0, -2.0, -1.0]);
        assert_eq!(products, [[9.25, 5.0], [3.5, -4.0], [9.5, 1.0], [4.0, 0.0]]);
    }

    fn numbers_come_from_the_host_and_go_back<R: Small>() {
        let x = R::of(&[[1.0, 2.0], [f64::NAN, 4.0]]);
        assert_eq!(x.holding(&[5.0, 0.5, f64::INFINITY, -1.0]).numbers(), [5.0, 0.5, f64::INFINITY, -1.0]);
        assert!(x.numbers()[2].is_nan() && x.numbers()[3] == 4.0 && x.numbers().len() == 4);
    }

    fn a_probe_is_the_same_in_every_row_and_every_seed_has_its_own<R: Small>() {
        let x = R::of(&[[1.0, 2.0], [f64::NAN, 4.0]]);
        let (first, second) = (x.probe(1).values(), x.probe(2).values());
        assert_eq!(first[..2], first[2..]);
        assert!(first.iter().chain(&second).all(|value| value.abs() <= 1.0 && *value != 0.0), "{first:?}");
        assert!((first[0] * second[1] - first[1] * second[0]).abs() > 0.1, "{first:?} {second:?}");
    }

    fn a_choice_never_mixes_in_what_was_not_chosen<R: Small>() {
        let (x, bad) = (R::of(&[[1.0, 2.0], [3.0, 4.0]]), R::of(&[[f64::NAN; 2]; 2]));
        assert_eq!(select_rows(&[true, true], &x, &bad).values(), [1.0, 2.0, 3.0, 4.0]);
        let mixed = select_rows(&[false, true], &x, &bad).values();
        assert!(mixed[0].is_nan() && mixed[1].is_nan() && mixed[2] == 3.0 && mixed[3] == 4.0);
        assert!(select_rows(&[false; 2], &x, &bad).values().iter().all(|value| value.is_nan()));
        assert_eq!(x.values(), [1.0, 2.0, 3.0, 4.0]);
    }

    fn rows_leave_and_come_back<R: Small>() {
        let x = R::of(&[[1.0, 2.0], [f64::NAN, 4.0], [5.0, 6.0]]);
        assert_eq!(x.gather(&[2, 0]).values(), [5.0, 6.0, 1.0, 2.0]);
        assert_eq!((x.gather(&[]).rows(), x.gather(&[]).width()), (0, 2));
        let mut y = R::of(&[[7.0, 7.0], [8.0, 8.0], [f64::NAN, 9.0]]);
        y.put(&[2, 0], &x.gather(&[2, 0]));
        assert_eq!(y.values(), [1.0, 2.0, 8.0, 8.0, 5.0, 6.0]);
        y.put(&[], &x.gather(&[]));
        assert_eq!(y.values()[..4], [1.0, 2.0, 8.0, 8.0]);
        let stacked = R::stacked(&[y.gather(&[1]), y.gather(&[]), y.gather(&[0, 2])]);
        assert_eq!(stacked.values(), [8.0, 8.0, 1.0, 2.0, 5.0, 6.0]);
    }

    fn finite_rows_have_finite_norms<R: Small>(large: f64) {
        let x = R::of(&[[3.0 * large, 4.0 * large], [f64::NAN, 1.0]]);
        let norms = R::norms(&[&x]);
        assert!((norms[0][0] / (5.0 * large) - 1.0).abs() < 1e-6, "{norms:?}");
        assert!(norms[0][1].is_nan());
        let (distances, sizes) = x.distances(&x.zeros());
        assert!(distances[0] == norms[0][0] && sizes[0] == norms[0][0] && sizes[1].is_nan());
        let endless = R::norms(&[&R::of(&[[f64::INFINITY, 1.0], [1.0, 0.0]])]);
        assert!(endless[0][0].is_infinite() && endless[0][1] == 1.0);
        let found = R::largest(&[&R::of(&[
            [-3.0 * large, 4.0],
            [f64::NAN, 1.0],
            [0.5, f64::NEG_INFINITY],
            [0.0, -0.25],
        ])]);
        assert!((found[0][0] / (3.0 * large) - 1.0).abs() < 1e-6, "{found:?}");
        assert_eq!(found[0][1..], [f64::INFINITY, f64::INFINITY, 0.25]);
    }

    fn rows_of_any_scale_have_their_norm<R: Small>(scales: &[f64]) {
        for &scale in scales {
            // Beside a row of ordinary size, of zeros, and one that is not a number.
            let x = R::of(&[[3.0 * scale, -4.0 * scale], [3.0, 4.0], [0.0; 2], [f64::NAN, scale]]);
            let (distances, sizes) = x.distances(&x.zeros());
            for norms in [&R::norms(&[&x])[0], &distances, &sizes] {
                assert!((norms[0] / (5.0 * scale) - 1.0).abs() < 1e-2, "{scale:e}: {norms:?}");
                assert!((norms[1] - 5.0).abs() < 1e-2 && norms[2] == 0.0 && norms[3].is_nan(), "{norms:?}");
            }
        }
    }

    fn all<R: Small>(large: f64) {
        rows_are_combined_each_with_its_own_factor::<R>();
        a_change_is_that_of_differences::<R>();
        numbers_come_from_the_host_and_go_back::<R>();
        a_probe_is_the_same_in_every_row_and_every_seed_has_its_own::<R>();
        a_choice_never_mixes_in_what_was_not_chosen::<R>();
        rows_leave_and_come_back::<R>();
        finite_rows_have_finite_norms::<R>(large);
    }

    #[test]
    fn tensors_are_rows() {
        all::<Tensor<2>>(1e30);
        rows_of_any_scale_have_their_norm::<Tensor<2>>(&[
            1e-37, 1e-30, 1e-23, 1e-19, 1e-10, 1e10, 1e19, 1e25, 1e37,
        ]);
    }

    #[test]
    fn half_precision_is_measured_in_single() {
        for (dtype, scales) in [(DType::F16, [1e-4, 1e3]), (DType::BF16, [1e-30, 1e30])] {
            for scale in scales {
                let x = Tensor::<2>::of(&[[3.0 * scale, 4.0 * scale]]).cast(dtype);
                let norm = Tensor::norms(&[&x])[0][0];
                assert!((norm / (5.0 * scale) - 1.0).abs() < 1e-2, "{dtype:?} {scale:e}: {norm}");
            }
        }
    }

    #[test]
    fn matrices_are_rows() {
        all::<Matrix<f32>>(1e30);
        all::<Matrix<f64>>(1e300);
        rows_of_any_scale_have_their_norm::<Matrix<f32>>(&[1e-40, 1e-30, 1e-23, 1e-10, 1e25, 1e37]);
        rows_of_any_scale_have_their_norm::<Matrix<f64>>(&[
            1e-300, 1e-200, 1e-150, 1e-23, 1e25, 1e150, 1e300,
        ]);
    }

    #[test]
    fn scattered_numbers_have_no_preference() {
        let mean: f64 = (0..1000).map(|column| pseudo_random(3, column)).sum::<f64>() / 1000.0;
        assert!(mean.abs() < 0.06, "{mean}");
    }
}
