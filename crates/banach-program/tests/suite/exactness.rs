//! Simplification changes no bit: what a traced program computes is what Burn computes, signs of zeros
//! included.

use crate::harness::numbers;
use banach_program::{Machine, Type, Value, evaluate, hoist, trace};
use burn::tensor::{DType, Device, Tensor, TensorData, activation as act};

type Function = fn(Tensor<2>) -> Tensor<2>;

fn single(numbers: &[f32]) -> Value {
    let flat = Tensor::<1>::from_data(TensorData::from(numbers), (&Device::flex(), DType::F32));
    Value::from(flat).reshaped(&[1, numbers.len()])
}

/// Equal bits, any NaN for any NaN.
fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn known_numbers_are_folded_only_where_nothing_rounds() {
    let x =
        [0.4, -0.4, 0.0, -0.0, 49.0, 1e-30, 3e38, -1e-45, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 7.0];
    let functions: &[(&str, Function)] = &[
        ("rounded by a large number", |z| (z + 12582912.) - 12582912.),
        ("two offsets", |z| (z + 1e8) + 1.0),
        ("two factors", |z| (z * 1e30) * 1e-30),
        ("two small factors", |z| (z * 1e-30) * 1e30),
        ("tenths", |z| (z * 0.1) * 10.0),
        ("negated", |z| -(z * 0.1)),
        ("negated twice", |z| -(-z)),
        ("plus zero", |z| z + 0.0),
        ("minus zero", |z| z - 0.0),
        ("plus minus zero", |z| z + -0.0),
        ("times one", |z| z * 1.0),
        ("times zero", |z| z * 0.0),
        ("less itself", |z| z.clone() - z),
        ("over itself", |z| z.clone() / z),
        ("a quotient", |z| z / 49.0),
        ("a quotient by ten", |z| z / 10.0),
        ("a quotient by a power of two", |z| z / 8.0),
        ("a third", |z| z.recip() * 3.0),
        ("divided number", |z| z.ones_like() * 3.0 / z),
        ("a number less", |z| z.zeros_like() - z),
        ("power zero", |z| z.powf_scalar(0.0)),
        ("power one", |z| z.powf_scalar(1.0)),
        ("square", |z| z.powf_scalar(2.0)),
        ("power of a full tensor", |z| z.clone().abs().powf(z.full_like(1.7))),
        ("whole power of a full tensor", |z| z.clone().powf(z.full_like(5.0))),
        ("relu of a number", |z| act::relu(z.full_like(f32::NAN)) + z),
        ("sum of tenths", |z| z.full_like(0.1).sum_dim(1).expand([1, 12]) + z),
        ("sum of ones", |z| z.ones_like().sum_dim(1).expand([1, 12]) + z),
        ("tenth compared", |z| {
            let mask = z.full_like(0.1).greater_elem(0.1);
            z.mask_fill(mask, 5.0)
        }),
        ("folded product", |z| z.full_like(0.1) * 3.0 * 7.0 + z),
        ("folded quotient", |z| z.full_like(1.0) / 3.0 + z),
        ("folded root", |z| z.full_like(2.0).sqrt() + z),
        ("folded exponential", |z| z.full_like(0.7).exp() + z),
        ("minus zero chosen", |z| z.clone().mask_fill(z.greater_elem(1.0), -0.0).recip()),
        ("zero chosen", |z| z.clone().mask_fill(z.greater_elem(1.0), 0.0).recip()),
    ];
    for (name, function) in functions {
        let program = trace(&Device::flex(), &[Type::f32([1, 12])], |inputs| {
            Ok(vec![function(inputs[0].clone().try_into_tensor()?).into()])
        });
        let program = program.unwrap();
        let direct = numbers(&function(single(&x).try_into_tensor().unwrap()).into());
        let device = numbers(&evaluate(&program, vec![single(&x)]).unwrap()[0]);
        for (position, (found, expected)) in device.iter().zip(&direct).enumerate() {
            assert!(
                same(*found, *expected),
                "{name} of {}: {found}, in Burn {expected}\n{program}",
                x[position]
            );
        }
        let native = Machine::<f32>::new(&program, &[]).unwrap().call(vec![single(&x)]).unwrap();
        for (position, (found, expected)) in numbers(&native[0]).iter().zip(&direct).enumerate() {
            let libraries = ["power", "exponential", "sum of tenths"].iter().any(|word| name.contains(word));
            let close = (found - expected).abs() <= 3e-7 * expected.abs();
            assert!(
                same(*found, *expected) || (libraries && close),
                "{name} of {}, native: {found}, in Burn {expected}\n{program}",
                x[position]
            );
        }
    }
}

/// Only sums with a product of matrices inside are summed in another order.
#[test]
fn hoisting_rounds_sums_as_they_were_written() {
    let types = [Type::f32([1, 2]), Type::f32([1, 2])];
    let program = trace(&Device::flex(), &types, |inputs| {
        let [x, z]: [Tensor<2>; 2] =
            [inputs[0].clone().try_into_tensor()?, inputs[1].clone().try_into_tensor()?];
        Ok(vec![((x + z.clone()) + -z).into()])
    });
    let parts = hoist(&program.unwrap(), &[0]);
    let large = single(&[12582912.0, 12582912.0]);
    let carried = evaluate(&parts.prologue, vec![large]).unwrap();
    let found = evaluate(&parts.body, [vec![single(&[0.4, -0.4])], carried].concat()).unwrap();
    assert_eq!(numbers(&found[0]), [0.0, 0.0]);
}
