//! A check that a device computes in the precision of a state.

use crate::error::Error;
use crate::settings::lock::locked;
use banach_program::{Kind, Value, panics_as_errors};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use std::sync::Mutex;

/// Devices with a precision and what is wrong with it, if anything.
static CHECKED: Mutex<Vec<(Device, FloatDType, Option<String>)>> = Mutex::new(Vec::new());

/// Refuses a precision in which the device of a tensor computes something else than this machine's processor, or nothing.
///
/// A device may say that it supports a precision that it does not compute in: `f64` by wgpu is an example. So a small
/// product and a function are computed there, once for each device and precision. Single precision is not checked.
///
/// # Errors
/// [`Error::Setting`].
pub(crate) fn check(value: &Value) -> Result<(), Error> {
    let Kind::Float(precision) = value.ty().kind else { return Ok(()) };
    let device = value.device().without_autodiff();
    if precision == FloatDType::F32 || value.is_placeholder() || value.clone().detached().is_on_host() {
        return Ok(());
    }
    let known = |(of, at, _): &&(Device, FloatDType, Option<String>)| *of == device && *at == precision;
    let mut checked = locked(&CHECKED);
    let fault = match checked.iter().find(known) {
        Some((.., fault)) => fault.clone(),
        None => {
            let fault = fault(&device, precision);
            checked.push((device.clone(), precision, fault.clone()));
            fault
        }
    };
    fault.map_or(Ok(()), |fault| {
        let found = format!("{} on {device:?}, where {fault}", Kind::Float(precision));
        Err(Error::setting(
            "the precision of the state",
            found,
            "f32 on this device, or the CPU for this precision",
        ))
    })
}

/// What is wrong with a precision on a device.
fn fault(device: &Device, precision: FloatDType) -> Option<String> {
    let found = match panics_as_errors(&[], || sample(device, precision)) {
        Ok(found) => found,
        Err(error) => return Some(format!("it does not compute: {error}")),
    };
    let expected = sample(&Device::flex(), precision);
    // A few units in the last place of numbers near one.
    let allowed = match precision {
        FloatDType::F64 => 1e-13,
        FloatDType::F16 => 8e-3,
        FloatDType::BF16 => 6e-2,
        FloatDType::F32 | FloatDType::Flex32 => 1e-5,
    };
    let differs = |(a, b): &(&f64, &f64)| {
        let apart = (**a - **b).abs();
        apart.is_nan() || apart > allowed
    };
    let (found, expected) = found.iter().zip(&expected).find(differs)?;
    Some(format!("a number is {found}, expected {expected}"))
}

/// A few numbers: a product of matrices, a function and a sum.
fn sample(device: &Device, precision: FloatDType) -> Vec<f64> {
    let numbers: Vec<f64> = (1..17).map(|number| 1.0 / f64::from(number) - 0.3).collect();
    let x = Tensor::<2>::from_data(TensorData::new(numbers, [4, 4]), (device, DType::from(precision)));
    let product = x.clone().matmul(x.clone()).tanh() * 0.7 + x;
    let sum = product.clone().sum_dim(1) * 0.25;
    Tensor::cat(vec![product, sum], 1).into_data().iter::<f64>().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_computes_in_every_precision() {
        for precision in [FloatDType::F64, FloatDType::F32, FloatDType::F16, FloatDType::BF16] {
            assert_eq!(fault(&Device::flex(), precision), None, "{precision:?}");
            let x = Tensor::<1>::ones([2], (&Device::flex(), DType::from(precision)));
            assert!(check(&x.into()).is_ok());
        }
        let numbers = sample(&Device::flex(), FloatDType::F64);
        assert!(numbers.iter().all(|number| number.abs() < 2.0) && numbers.len() == 20);
    }
}
