//! Burn's operations traced: what Burn computes eagerly of special values is what the program computes, on
//! both engines.

use super::{Differences, Nearness, PRECISIONS, difference, numbers, special, tensor};
use crate::networks::{average, largest};
use banach_program::{Value, evaluate, trace};
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData, activation as act, module, s};

type Function = fn(Tensor<2>) -> Value;

/// Operations on `[rows, 3]`.
#[allow(clippy::too_many_lines, reason = "a table")]
fn operations() -> Vec<(&'static str, Function)> {
    vec![
        ("subtract a number", |x| (x - 0.0).into()),
        ("divide by zero", |x| (x / 0.0).into()),
        ("divide by a number", |x| (x / 3.0).into()),
        ("from a number", |x| (-x + 1.0).into()),
        ("square", |x| x.square().into()),
        ("sixth power", |x| x.powi_scalar(6).into()),
        ("third power", |x| x.powf_scalar(3.0).into()),
        ("root", |x| x.powf_scalar(0.5).into()),
        ("remainder", |x| (x % 0.75).into()),
        ("remainder of infinity", |x| x.remainder_scalar(f64::INFINITY).into()),
        ("clamp", |x| x.clamp(-0.5, 0.5).into()),
        ("clamp above zero", |x| x.clamp_min(0.0).into()),
        ("clamp below zero", |x| x.clamp_max(-0.0).into()),
        ("greater than a fraction", |x| x.greater_elem(0.1).into()),
        ("less than an infinity", |x| x.lower_elem(f64::INFINITY).into()),
        ("equal to NaN", |x| x.equal_elem(f64::NAN).into()),
        ("is NaN", |x| x.is_nan().into()),
        ("is infinite", |x| x.is_inf().into()),
        ("is finite", |x| x.is_finite().into()),
        ("to integers", |x| x.int().into()),
        ("to booleans", |x| x.bool().into()),
        ("relu", |x| act::relu(x).into()),
        ("largest of a row", |x| x.max_dim(1).into()),
        ("smallest of a row", |x| x.min_dim(1).into()),
        ("largest position", |x| x.argmax(1).into()),
        ("smallest position", |x| x.argmin(0).into()),
        ("largest of all", |x| x.max().reshape([1, 1]).into()),
        ("smallest of all", |x| x.min().reshape([1, 1]).into()),
        ("largest magnitude", |x| x.max_abs().reshape([1, 1]).into()),
        ("the larger of two", |x| x.clone().max_pair(x.flip([0])).into()),
        ("the smaller of two", |x| x.clone().min_pair(x.flip([0])).into()),
        ("mean of a row", |x| x.mean_dim(1).into()),
        ("masked", |x| x.clone().mask_where(x.clone().is_nan(), x.flip([1])).into()),
        ("filled", |x| x.clone().mask_fill(x.lower_elem(0.0), f64::NEG_INFINITY).into()),
        ("padded", |x| x.pad((1, 2, 0, 1), f64::INFINITY).into()),
        ("assigned", |x| {
            let part = x.clone().slice(s![1..3, 0..2]);
            x.slice_assign(s![0..2, 1..3], part).into()
        }),
        ("pooled", |x| {
            let [rows, columns] = x.dims();
            module::max_pool1d(x.reshape([rows, 1, columns]), largest([2], [1], [1], [1], false)).into()
        }),
        ("pooled over an area", |x| {
            let [rows, columns] = x.dims();
            module::max_pool2d(
                x.reshape([1, 1, rows, columns]),
                largest([3, 3], [1, 1], [1, 1], [1, 1], false),
            )
            .into()
        }),
        ("average pooled", |x| {
            let [rows, columns] = x.dims();
            module::avg_pool1d(x.reshape([rows, 1, columns]), average([2], [1], [0], true, false)).into()
        }),
        ("gathered", |x| {
            let [rows, _] = x.dims();
            let at = TensorData::new([2i64, 0].repeat(rows), [rows, 2]);
            let at = Tensor::<2, Int>::from_data(at, &x.device());
            x.gather(1, at).into()
        }),
        ("scattered", |x| {
            let [rows, columns] = x.dims();
            let at = TensorData::new(vec![1i64; rows * columns], [rows, columns]);
            let at = Tensor::<2, Int>::from_data(at, &x.device());
            x.clone().scatter(1, at, x, IndexingUpdateOp::Add).into()
        }),
    ]
}

/// Operations whose traces may give a zero of the other sign: a clamp keeps a number that equals its bound, and a scatter adds
/// to a zero of its own.
const SIGNS_OF_ZERO: [&str; 3] = ["clamp above zero", "clamp below zero", "scattered"];

#[test]
fn what_burn_computes_of_special_values_the_program_computes() {
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        let mut values = special(precision);
        values.truncate(values.len() / 3 * 3);
        let rows = values.len() / 3;
        // Finite numbers beside the special ones, so that reductions of rows are of every kind.
        for turned in [false, true] {
            let x = tensor(&values, &if turned { [3, rows] } else { [rows, 3] }, precision);
            let mut x: Tensor<2> = x.try_into_tensor().unwrap();
            if turned {
                x = x.transpose() * 1.0;
            }
            for (name, operation) in operations() {
                let x = Value::from(x.clone());
                let eager = operation(x.clone().try_into_tensor().unwrap());
                let program = trace(&Device::flex(), &[x.ty()], |inputs| {
                    Ok(vec![operation(inputs[0].clone().try_into_tensor()?)])
                });
                let program = program.unwrap_or_else(|error| panic!("{name}: {error}"));
                let found = evaluate(&program, vec![x.clone()]).unwrap();
                let signless = SIGNS_OF_ZERO.contains(&name);
                let nearness = if signless { Nearness::Value } else { Nearness::Ulps(4.0) };
                differences
                    .add(&format!("{name} {precision:?} traced"), difference(&found[0], &eager, nearness));
                differences.native(name, &program, &[x], Nearness::Ulps(4.0));
            }
        }
    }
    differences.none();
}

#[test]
fn composites_are_the_same_on_both_engines() {
    let composites: Vec<(&str, Function)> = vec![
        ("softmax", |x| act::softmax(x, 1).into()),
        ("log softmax", |x| act::log_softmax(x, 1).into()),
        ("softmin", |x| act::softmin(x, 0).into()),
        ("gelu", |x| act::gelu(x).into()),
        ("silu", |x| act::silu(x).into()),
        ("softplus", |x| act::softplus(x, 1.0).into()),
        ("mish", |x| act::mish(x).into()),
        ("elu", |x| act::elu(x, 1.0).into()),
        ("leaky relu", |x| act::leaky_relu(x, 0.1).into()),
        ("hard sigmoid", |x| act::hard_sigmoid(x, 0.2, 0.5).into()),
        ("variance", |x| x.var(1).into()),
    ];
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        for rows in
            [[1.0, 2.0, f64::NAN], [f64::INFINITY, 0.0, 1.0], [f64::NEG_INFINITY; 3], [0.0, -0.0, 60.0]]
        {
            let x = tensor(&rows.repeat(13), &[13, 3], precision);
            for (name, composite) in &composites {
                let program = trace(&Device::flex(), &[x.ty()], |inputs| {
                    Ok(vec![composite(inputs[0].clone().try_into_tensor()?)])
                });
                let program = program.unwrap();
                differences.native(name, &program, std::slice::from_ref(&x), Nearness::Sum(16.0));
            }
        }
    }
    differences.none();
}

#[test]
fn a_pooled_nan_is_nan_on_both_engines() {
    for precision in PRECISIONS {
        let x = tensor(&[1.0, f64::NAN, 5.0, 6.0], &[1, 1, 4], precision);
        let program = trace(&Device::flex(), &[x.ty()], |inputs| {
            let x: Tensor<3> = inputs[0].clone().try_into_tensor()?;
            Ok(vec![module::max_pool1d(x, largest([2], [2], [0], [1], false)).into()])
        });
        let mut differences = Differences::default();
        differences.native("pooled", &program.clone().unwrap(), std::slice::from_ref(&x), Nearness::Exact);
        differences.none();
        let found = numbers(&evaluate(&program.unwrap(), vec![x]).unwrap()[0]);
        assert!(found[0].is_nan() && found[1] == 6.0, "{found:?}");
    }
}
