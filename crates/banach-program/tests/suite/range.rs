//! Values and slopes stay in the range of the precision: activations, squares and attention at extreme
//! inputs.

use crate::branches::{Function, single, slopes, traced};
use crate::harness::{evaluate, numbers, value};
use banach_program::{Type, Value, trace, vjp};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Tensor, activation as act};
use std::f64::consts::LN_2;

#[test]
fn activations_have_their_slopes_at_large_and_small_inputs() {
    let inputs: &[f64] = &[1e30, 1000.0, 120.0, -120.0, -1000.0, -1e30];
    let functions: &[(&str, Function, [f64; 6])] = &[
        ("elu", |x| act::elu(x, 1.0), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
        ("celu", |x| act::celu(x, 0.5), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
        ("selu", act::selu, [1.050_700_987, 1.050_700_987, 1.050_700_987, 0.0, 0.0, 0.0]),
        ("gelu", act::gelu, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
        ("gelu approximate", act::gelu_approximate, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
        ("softplus", |x| act::softplus(x, 1.0), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
        ("steep softplus", |x| act::softplus(x, 30.0), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
        ("log sigmoid", act::log_sigmoid, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
        ("sigmoid", act::sigmoid, [0.0; 6]),
        ("tanh", |x| x.tanh(), [0.0; 6]),
        ("silu", act::silu, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
        ("mish", act::mish, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
        ("hard sigmoid", |x| act::hard_sigmoid(x, 0.2, 0.5), [0.0; 6]),
        ("hard swish", act::hard_swish, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
        ("hard tanh", |x| act::hardtanh(x, -1.0, 1.0), [0.0; 6]),
        ("leaky relu", |x| act::leaky_relu(x, 0.01), [1.0, 1.0, 1.0, 0.01, 0.01, 0.01]),
        ("softsign", act::softsign, [0.0, 1e-6, 1.0 / 14641.0, 1.0 / 14641.0, 1e-6, 0.0]),
        ("erf", |x| x.erf(), [0.0; 6]),
        ("abs", |x| x.abs(), [1.0, 1.0, 1.0, -1.0, -1.0, -1.0]),
        ("clamp", |x| x.clamp(-2.0, 2.0), [0.0; 6]),
    ];
    for (name, function, expected) in functions {
        let found = slopes(&traced(Type::f32([6, 1]), *function), single(inputs, [6, 1]));
        for found in found {
            for ((x, found), expected) in inputs.iter().zip(found).zip(expected) {
                let close = (found - expected).abs() <= 1e-4 * expected.abs() + 1e-6;
                assert!(close, "{name} at {x}: {found}, expected {expected}");
            }
        }
    }
}

#[test]
fn hypotenuse_angle_and_inverse_hyperbolic_functions_stay_in_range() {
    type Two = fn(Tensor<2>, Tensor<2>) -> Tensor<2>;
    let cases: &[(&str, Two, [f64; 2], [f64; 3])] = &[
        ("hypot", |a, b| a.hypot(b), [3e20, 4e20], [5e20, 0.6, 0.8]),
        ("hypot", |a, b| a.hypot(b), [3e-30, 4e-30], [5e-30, 0.6, 0.8]),
        ("hypot", |a, b| a.hypot(b), [-3.0, 4.0], [5.0, -0.6, 0.8]),
        ("hypot", |a, b| a.hypot(b), [0.0, 0.0], [0.0, 0.0, 0.0]),
        ("hypot", |a, b| a.hypot(b), [0.0, -2.0], [2.0, 0.0, -1.0]),
        ("hypot", |a, b| a.hypot(b), [f64::INFINITY, 1.0], [f64::INFINITY, f64::NAN, f64::NAN]),
        ("atan2", |a, b| a.atan2(b), [3e20, 4e20], [0.643_501_108_8, 1.6e-21, -1.2e-21]),
        ("atan2", |a, b| a.atan2(b), [3e-30, 4e-30], [0.643_501_108_8, 1.6e29, -1.2e29]),
        ("asinh", |a, b| a.asinh() + b, [1e25, 0.0], [58.257_775_5, 1e-25, 1.0]),
        ("asinh", |a, b| a.asinh() + b, [-0.75, 0.0], [-LN_2, 0.8, 1.0]),
        ("acosh", |a, b| a.acosh() + b, [1e25, 0.0], [58.257_775_5, 1e-25, 1.0]),
        ("acosh", |a, b| a.acosh() + b, [1.25, 0.0], [LN_2, 4.0 / 3.0, 1.0]),
        ("atan", |a, b| a.atan() + b, [1e18, 0.0], [std::f64::consts::FRAC_PI_2, 1e-36, 1.0]),
    ];
    for (name, function, at, expected) in cases {
        let ty = Type::f32([1, 1]);
        let program = trace(&Device::flex(), &[ty.clone(), ty], |inputs| {
            Ok(vec![
                function(inputs[0].clone().try_into_tensor()?, inputs[1].clone().try_into_tensor()?).into(),
            ])
        });
        let program = program.unwrap();
        let inputs = at.map(|x| single(&[x], [1, 1]));
        let one = single(&[1.0], [1, 1]);
        let reverse = vjp(&program, &[0, 1]);
        let found = evaluate(&reverse, [inputs.to_vec(), vec![one]].concat()).unwrap();
        for (found, expected) in found.iter().flat_map(numbers).zip(expected) {
            let close =
                found == *expected || expected.is_nan() || (found - expected).abs() <= 4e-6 * expected.abs();
            assert!(close, "{name} at {at:?}: {found}, expected {expected}");
        }
    }
}

/// Keys that a bias of -∞ hides have no weight; where all are hidden the result is 0, and every gradient is
/// finite.
#[test]
fn attention_whose_keys_are_all_hidden_is_zero() {
    let infinite = f64::NEG_INFINITY;
    let bias = [infinite, infinite, infinite, infinite, 0.25, -0.5];
    let types = [[1, 1, 2, 2], [1, 1, 3, 2], [1, 1, 3, 2], [1, 1, 2, 3]].map(Type::f64);
    let closure = |inputs: &[Value]| {
        let [q, k, v, bias] = [0, 1, 2, 3].map(|at| inputs[at].clone().try_into_tensor::<4>().unwrap());
        attention(q, k, v, None, Some(bias), AttentionModuleOptions::default())
    };
    let program = trace(&Device::flex(), &types, |inputs| Ok(vec![closure(inputs).into()])).unwrap();
    let numbers_of = |count: usize| (0..count).map(|at| (at as f64 + 1.0).sin()).collect::<Vec<f64>>();
    let inputs = vec![
        value(numbers_of(4), &[1, 1, 2, 2]),
        value(numbers_of(6), &[1, 1, 3, 2]),
        value(numbers_of(6), &[1, 1, 3, 2]),
        value(bias.to_vec(), &[1, 1, 2, 3]),
    ];
    let found = evaluate(&program, inputs.clone()).unwrap();
    let expected = numbers(&Value::from(closure(&inputs)));
    assert_eq!(expected[..2], [0.0, 0.0], "Burn's own");
    for (found, expected) in numbers(&found[0]).iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-14, "{found}, in Burn {expected}");
    }
    let reverse = vjp(&program, &[0, 1, 2, 3]);
    let given = [inputs, vec![value(vec![1.0; 4], &[1, 1, 2, 2])]].concat();
    let gradients = evaluate(&reverse, given).unwrap().split_off(1);
    for (input, gradient) in gradients.iter().enumerate() {
        assert!(numbers(gradient).iter().all(|x| x.is_finite()), "input {input}: {:?}", numbers(gradient));
    }
    assert_eq!(numbers(&gradients[0])[..2], [0.0, 0.0], "the query that sees nothing");
    assert_eq!(numbers(&gradients[3])[..4], [0.0; 4], "hidden keys");
}
