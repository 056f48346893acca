//! Floating-point operations are counted as by hand, line by line and in derivatives.

use banach_program::{Program, Type, Value, hoist, linearize, operations, operations_of, trace, transpose};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, activation};

fn traced(types: &[Type], code: impl FnOnce(&[Value]) -> Value) -> Program {
    trace(&Device::flex(), types, |inputs| Ok(vec![code(inputs)])).unwrap()
}

fn tensor<const D: usize>(value: &Value) -> Tensor<D> {
    value.clone().try_into_tensor().unwrap()
}

#[test]
fn a_product_counts_two_for_every_pair_that_is_multiplied() {
    let types = [vec![6, 2, 3], vec![6, 3, 5]].map(Type::f32);
    let product = traced(&types, |inputs| tensor::<3>(&inputs[0]).matmul(tensor(&inputs[1])).into());
    assert_eq!(operations(&product), 2 * 6 * 2 * 3 * 5);
    for side in [0, 1] {
        let pullback = transpose(&linearize(&product, &[side]).tangent).into_program();
        assert_eq!(operations(&pullback), 2 * 6 * 2 * 3 * 5, "{pullback}");
    }
}

#[test]
fn a_convolution_costs_the_same_from_its_three_sides() {
    let types = [vec![2, 4, 9, 7], vec![6, 2, 3, 3]].map(Type::f32);
    let options = ConvOptions::new([2, 1], [1, 1], [1, 1], 2);
    let forward =
        traced(&types, |inputs| conv2d(tensor(&inputs[0]), tensor(&inputs[1]), None, options).into());
    let outputs = 2 * 6 * 5 * 7;
    assert_eq!(operations(&forward), 2 * outputs * 9 * 2, "{forward}");
    for side in [0, 1] {
        let pullback = transpose(&linearize(&forward, &[side]).tangent).into_program();
        assert_eq!(operations(&pullback), operations(&forward), "{pullback}");
    }
}

#[test]
fn elements_count_once_sums_count_what_they_read_and_moves_count_nothing() {
    let types = [vec![3, 4], vec![5, 4]].map(Type::f32);
    let program = traced(&types, |inputs| {
        let [x, y] = [0, 1].map(|at| tensor::<2>(&inputs[at]));
        (Tensor::cat(vec![x.tanh() * 2.0, y], 0).transpose().sum_dim(1) + 1.0).into()
    });
    let counts: Vec<u64> =
        program.equations().iter().map(|equation| operations_of(&program, equation)).collect();
    assert_eq!(operations(&program), counts.iter().sum::<u64>());
    let some: Vec<u64> = counts.into_iter().filter(|&count| count > 0).collect();
    assert_eq!(some, [12, 12, 32, 4], "{program}");
}

#[test]
fn masks_count_with_the_numbers_they_come_from() {
    let program = traced(&[Type::f32([4, 2])], |inputs| {
        let x: Tensor<2> = tensor(&inputs[0]);
        let outside = x.clone().greater_elem(1.0).bool_or(x.clone().lower_elem(-1.0));
        x.clone().mask_where(outside, x.neg()).into()
    });
    let masks = 2 * 8; // Two comparisons; "or" of two masks is no arithmetic.
    assert_eq!(operations(&program), masks + 8 + 8, "{program}");
}

#[test]
fn hoisting_moves_operations_out_of_the_loop() {
    let types = [[2, 3], [2, 4], [7, 3]].map(Type::f32);
    let cell = traced(&types, |inputs| {
        let [x, z, w] = [0, 1, 2].map(|at| tensor::<2>(&inputs[at]));
        activation::relu(Tensor::cat(vec![x, z], 1).matmul(w)).into()
    });
    let parts = hoist(&cell, &[0]);
    assert_eq!(operations(&parts.prologue), 2 * 2 * 4 * 3, "{}", parts.prologue);
    assert_eq!(operations(&parts.body), 2 * 2 * 3 * 3 + 6 + 6, "{}", parts.body);
}
