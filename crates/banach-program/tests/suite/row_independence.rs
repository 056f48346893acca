//! Row independence: programs that treat every row of the batch alone, and programs that do not.

use crate::harness::{evaluate, numbers, value};
use banach_program::{Program, RowDependence, Type, row_dependence, trace};
use burn::tensor::{Device, Tensor, activation};

fn of(shape: &[usize], closure: impl Fn(Tensor<3>) -> Tensor<3>) -> RowDependence {
    let traced = trace(&Device::flex(), &[Type::f64(shape)], |inputs| {
        Ok(vec![closure(inputs[0].clone().try_into_tensor()?).into()])
    });
    row_dependence(&traced.unwrap(), &[0])
}

#[test]
fn networks_that_look_at_one_row_at_a_time_are_independent() {
    let shape = [4, 3, 5];
    assert_eq!(of(&shape, |x| x.tanh() * 2.0), RowDependence::Independent);
    assert_eq!(of(&shape, |x| activation::softmax(x, 2)), RowDependence::Independent);
    assert_eq!(
        of(&shape, |x| x.clone().matmul(x.swap_dims(1, 2)).sum_dim(2).expand([4, 3, 5])),
        RowDependence::Independent
    );
    assert_eq!(
        of(&shape, |x| x.clone().swap_dims(0, 1).tanh().swap_dims(0, 1) + x.mean_dim(1)),
        RowDependence::Independent
    );
    assert_eq!(of(&shape, |x| x.reshape([12, 5]).tanh().reshape([4, 3, 5])), RowDependence::Independent);
    assert_eq!(
        of(&shape, |x| {
            let weight = Tensor::<2>::ones([5, 5], (&x.device(), burn::tensor::DType::F64));
            burn::tensor::module::linear(x, weight, None)
        }),
        RowDependence::Independent
    );
}

#[test]
fn anything_that_mixes_rows_is_found_out() {
    let shape = [4, 3, 5];
    assert_eq!(of(&shape, |x| x.clone() - x.mean_dim(0)), RowDependence::Coupled);
    assert_eq!(of(&shape, |x| x.clone() * x.sum().reshape([1, 1, 1])), RowDependence::Coupled);
    assert_eq!(of(&shape, |x| x.flip([0])), RowDependence::Coupled);
    assert_eq!(of(&shape, |x| activation::softmax(x, 0)), RowDependence::Coupled);
    assert_eq!(of(&[4, 4, 5], |x| x.swap_dims(0, 1)), RowDependence::Coupled);
}

#[test]
fn one_row_is_always_independent() {
    assert_eq!(of(&[1, 3, 5], |x| x.clone() - x.mean_dim(0)), RowDependence::Independent);
}

/// Which rows of the result change when one row of the argument does, by trying.
fn mixes(program: &Program, shape: &[usize]) -> bool {
    let width: usize = shape[1..].iter().product();
    let numbers_at = |row: usize, by: f64| {
        let number = |at: usize| (at as f64 * 0.7).sin() + if at / width == row { by } else { 0.0 };
        let all: Vec<f64> = (0..shape[0] * width).map(number).collect();
        numbers(&evaluate(program, vec![value(all, shape)]).unwrap()[0])
    };
    (0..shape[0]).any(|row| {
        let (before, after) = (numbers_at(row, 0.0), numbers_at(row, 0.37));
        let each = before.len() / shape[0];
        before.iter().zip(&after).enumerate().any(|(at, (a, b))| a != b && at / each != row)
    })
}

#[test]
fn the_verdict_is_never_independent_where_trying_shows_that_rows_mix() {
    type Step = fn(Tensor<3>) -> Tensor<3>;
    let steps: [Step; 12] = [
        |x| x.sin(),
        |x| x.swap_dims(0, 1),
        |x| x.swap_dims(1, 2),
        |x| x.reshape([2, 2, 4]),
        |x| x.reshape([4, 1, 4]),
        |x| x.reshape([1, 8, 2]),
        |x| x.reshape([4, 2, 2]),
        |x| {
            let turned = x.clone().flip([0]);
            if turned.dims() == x.dims() { x + turned * 0.5 } else { x }
        },
        |x| x.clone() + x.sum_dim(1),
        |x| {
            let product = x.clone().matmul(x.clone().swap_dims(1, 2)).sum_dim(2);
            x + product
        },
        |x| x.flip([2]),
        |x| activation::softmax(x, 0),
    ];
    let shape = [4, 2, 2];
    let mut stream = 1u64;
    let mut independent = 0;
    for _ in 0..400 {
        let traced = trace(&Device::flex(), &[Type::f64(shape)], |inputs| {
            let mut x: Tensor<3> = inputs[0].clone().try_into_tensor()?;
            for _ in 0..4 {
                stream =
                    stream.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                x = steps[(stream >> 33) as usize % steps.len()](x);
            }
            Ok(vec![x.reshape(shape).into()])
        });
        let program = traced.unwrap();
        if row_dependence(&program, &[0]) == RowDependence::Independent {
            independent += 1;
            assert!(!mixes(&program, &shape), "{program}");
        }
    }
    assert!(independent > 20, "{independent} programs found independent");
}
