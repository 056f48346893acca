//! Cotangents without the rows whose derivative is not finite, which are found by bisection of the batch.
//!
//! The cotangent of a parameter sums over rows, so that one row without a finite derivative makes it NaN, even if the adjoint
//! of the row is zero: zero times a slope that is NaN is NaN. The rows are found by bisection: the pullback is computed for a
//! part of the rows, one of which replaces all other rows.

use crate::error::Error;
use crate::tracing::row_substitution::{RowSubstitution, zero_rows};
use banach_program::{Host, Kind, Number, Operand, Value};
use burn::tensor::{DType, FloatDType, Tensor};

/// The largest number of pullbacks; rows that are not separated by then are left out together.
const ATTEMPTS: usize = 64;

/// The cotangents of inputs, and the rows left out of them.
pub(crate) struct SoundCotangents {
    pub(crate) cotangents: Vec<Value>,
    pub(crate) left_out: Vec<bool>,
}

/// A pullback of an adjoint c at a point `(x, q..)` that is not finite for the whole batch.
pub(crate) struct UnsoundPullback<'a> {
    pub(crate) point: &'a [Value],
    /// Which values of the point have one row for each row of c.
    pub(crate) per_row: &'a [bool],
    pub(crate) c: &'a Tensor<2>,
}

impl UnsoundPullback<'_> {
    /// Leaves out the rows whose cotangents are not finite, and all `doubtful` rows without a test.
    pub(crate) fn without_unsound_rows(
        &self,
        doubtful: &[bool],
        run: &dyn Fn(Vec<Value>, Tensor<2>) -> Result<Vec<Value>, Error>,
    ) -> Result<SoundCotangents, Error> {
        let rows = self.c.dims()[0];
        let attempt = |kept: &[usize]| -> Result<Vec<Value>, Error> {
            let mut left_out = vec![true; rows];
            kept.iter().for_each(|row| left_out[*row] = false);
            let Some(substitution) = RowSubstitution::new(&left_out) else {
                return run(self.point.to_vec(), self.c.clone());
            };
            let point = substitution.apply(self.per_row, self.point.to_vec())?;
            run(point, zero_rows(&left_out, self.c.clone()))
        };
        let mut parts = vec![(0..rows).filter(|row| !doubtful[*row]).collect::<Vec<usize>>()];
        let (mut sound, mut attempts) = (vec![], 0);
        while let Some(part) = parts.pop().filter(|_| attempts < ATTEMPTS) {
            if part.is_empty() {
                continue;
            }
            // The pullback of all rows is known not to be finite.
            let cotangents = if part.len() == rows { None } else { Some(attempt(&part)?) };
            attempts += 1;
            match cotangents.filter(|cotangents| all_finite(cotangents)) {
                Some(_) => sound.extend(part),
                None if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second.to_vec(), first.to_vec()]);
                }
                None => {}
            }
        }
        let mut left_out = vec![true; rows];
        sound.iter().for_each(|row| left_out[*row] = false);
        let cotangents = if sound.is_empty() {
            let like = run(self.point.to_vec(), self.c.zeros_like())?;
            like.iter().map(|value| Value::full(&value.ty(), 0.0, &value.device())).collect()
        } else {
            attempt(&sound)?
        };
        Ok(SoundCotangents { cotangents, left_out })
    }
}

/// Returns whether all real elements of these values are finite.
pub(crate) fn all_finite(values: &[Value]) -> bool {
    let mut elsewhere = vec![];
    for value in values {
        let here = match value.ty().kind {
            Kind::Float(FloatDType::F32) => finite_here::<f32>(value),
            Kind::Float(FloatDType::F64) => finite_here::<f64>(value),
            Kind::Float(_) => None,
            Kind::Int(_) | Kind::Bool => Some(true),
        };
        match here {
            Some(true) => {}
            Some(false) => return false,
            None => elsewhere.push(value),
        }
    }
    // Zero times a finite number is zero, and zero times anything else is NaN; one element is read from the device.
    let zero = |value: &&Value| -> Tensor<2> {
        let flat = (*value).clone().detached().reshaped(&[1, value.ty().len()]).try_into_tensor::<2>();
        let flat = flat.unwrap_or_else(|error| panic!("bug: a float tensor of {}: {error}", value.ty()));
        (flat.cast(DType::F32) * 0.0).sum_dim(1)
    };
    let zeros: Vec<Tensor<2>> = elsewhere.iter().filter(|value| !value.ty().is_empty()).map(zero).collect();
    zeros.is_empty() || Tensor::cat(zeros, 1).into_data().iter::<f64>().all(|zero| zero == 0.0)
}

/// Elements that are tested together, without a branch for each.
const BLOCK: usize = 4096;

/// Returns whether all elements are finite, if they are in the memory of this machine.
fn finite_here<T: Number>(value: &Value) -> Option<bool> {
    let host = Host::<T>::new(value.clone()).ok()?;
    let Operand::Real(numbers) = host.operand() else { return None };
    let finite = |block: &[T]| block.iter().fold(true, |all, number| all & number.to_f64().is_finite());
    Some(numbers.chunks(BLOCK).all(finite))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn column(numbers: &[f64]) -> Tensor<2> {
        let data = TensorData::new(numbers.to_vec(), [numbers.len(), 1]);
        Tensor::from_data(data, (&Device::flex(), DType::F64))
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.clone().into_data().iter::<f64>().collect()
    }

    /// Of `g = z w` with a row of z each: the cotangents of z, and of w, which sums over rows.
    fn pulled(z: &[f64], doubtful: &[usize]) -> (Vec<bool>, Vec<f64>, f64) {
        let c = column(&vec![1.0; z.len()]);
        let mask: Vec<bool> = (0..z.len()).map(|row| doubtful.contains(&row)).collect();
        let pullback = UnsoundPullback { point: &[column(z).into()], per_row: &[true], c: &c };
        let run = |point: Vec<Value>, c: Tensor<2>| {
            let z: Tensor<2> = point[0].clone().try_into_tensor()?;
            Ok(vec![Value::from(c.clone() * z.clone()), Value::from((z * c).sum_dim(0))])
        };
        let SoundCotangents { cotangents, left_out } = pullback.without_unsound_rows(&mask, &run).unwrap();
        (left_out, numbers(&cotangents[0]), numbers(&cotangents[1])[0])
    }

    #[test]
    fn rows_that_are_not_finite_are_found_and_left_out_wherever_they_are() {
        for rows in [1, 2, 3, 8, 13] {
            for bad in 0..1 << rows.min(8) {
                let lost = |row: usize| bad >> row & 1 == 1;
                let z: Vec<f64> =
                    (0..rows).map(|row| if lost(row) { f64::NAN } else { row as f64 + 1.0 }).collect();
                if bad == 0 {
                    continue; // It is finite as a whole.
                }
                let (left_out, of_z, of_w) = pulled(&z, &[]);
                assert_eq!(left_out, (0..rows).map(lost).collect::<Vec<_>>(), "{z:?}");
                let expected: Vec<f64> = z.iter().map(|z| if z.is_nan() { 0.0 } else { *z }).collect();
                assert_eq!((of_w, of_z), (expected.iter().sum(), expected), "{z:?}");
            }
        }
    }

    #[test]
    fn doubtful_rows_are_left_out_without_a_test() {
        let (left_out, of_z, of_w) = pulled(&[1.0, f64::NAN, 2.0, 4.0], &[3]);
        assert_eq!((left_out, of_z, of_w), (vec![false, true, false, true], vec![1.0, 0.0, 2.0, 0.0], 3.0));
    }

    #[test]
    fn elements_of_all_kinds_are_tested() {
        for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
            let mut long = vec![1.0; 3 * BLOCK + 5];
            assert!(all_finite(&[column(&long).cast(dtype).into()]), "{dtype:?}");
            for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                long[2 * BLOCK + 1] = number;
                assert!(!all_finite(&[column(&long).cast(dtype).into()]), "{dtype:?} {number}");
            }
        }
        assert!(all_finite(&[column(&[]).into(), column(&[]).cast(DType::F16).into()]) && all_finite(&[]));
    }
}
