//! Printing, simplifying, constants: what a person reads and what is left out.

use crate::harness::{Numbers, assert_close, check, derivatives, evaluate, numbers, value};
use banach_program::{Program, Type, Value, linearize, simplify, trace, transpose, vjp};
use burn::tensor::{DType, Device, Tensor, activation};

fn traced(shapes: &[&[usize]], closure: impl Fn(&[Value]) -> Vec<Value>) -> Program {
    let types: Vec<Type> = shapes.iter().map(|shape| Type::f64(*shape)).collect();
    trace(&Device::flex(), &types, |inputs| Ok(closure(inputs))).unwrap()
}

fn tensor(value: &Value) -> Tensor<2> {
    value.clone().try_into_tensor().unwrap()
}

#[test]
fn a_program_reads_like_mathematics() {
    let program = traced(&[&[2, 3], &[3, 3]], |inputs| {
        vec![(tensor(&inputs[0]).matmul(tensor(&inputs[1])) + 1.0).tanh().into()]
    });
    let text = "program(%0: f64[2, 3], %1: f64[3, 3])\n  \
                %2: f64[2, 3] = matmul([false, false]) %0 %1\n  \
                %3: f64[2, 3] = offset(1.0) %2\n  \
                %4: f64[2, 3] = tanh %3\n  \
                return %4";
    assert_eq!(program.to_string(), text);
    let back = transpose(&linearize(&program, &[0]).tangent).to_string();
    assert!(back.starts_with("linear program("), "{back}");
    assert!(back.contains("matmul([false, true])"), "{back}");
}

#[test]
fn equal_lines_are_written_once_and_dead_lines_dropped() {
    let program = traced(&[&[2, 2]], |inputs| {
        let x = tensor(&inputs[0]);
        let _unused = x.clone().exp();
        vec![(x.clone().sin() * x.clone().sin() + -(-(x * 1.0 - 0.0))).into()]
    });
    assert_eq!(program.equations().len(), 3, "{program}");
}

#[test]
fn known_numbers_are_folded() {
    let program = traced(&[&[2, 2]], |inputs| {
        let x = tensor(&inputs[0]);
        let two = Tensor::<2>::ones([1, 2], (&x.device(), DType::F64)) * 2.0;
        vec![(x * (two.clone() + two)).into()]
    });
    assert_eq!(program.equations().len(), 1, "{program}");
    assert!(program.to_string().contains("scale(4.0)"), "{program}");
}

#[test]
fn a_product_with_zero_stays_because_of_nan() {
    let program = traced(&[&[1, 2]], |inputs| vec![(tensor(&inputs[0]) * 0.0).into()]);
    let out = evaluate(&program, vec![value(vec![f64::NAN, 1.0], &[1, 2])]).unwrap();
    let out = numbers(&out[0]);
    assert!(out[0].is_nan() && out[1] == 0.0);
}

#[test]
fn relu_and_clamp_keep_nan() {
    let program = traced(&[&[1, 2]], |inputs| {
        let x = tensor(&inputs[0]);
        vec![activation::relu(x.clone()).into(), x.clamp(-1.0, 1.0).into()]
    });
    for out in evaluate(&program, vec![value(vec![f64::NAN, 0.5], &[1, 2])]).unwrap() {
        assert!(numbers(&out)[0].is_nan() && numbers(&out)[1] == 0.5);
    }
}

#[test]
fn masked_cotangents_are_zero_where_the_slope_is_infinite() {
    let program = traced(&[&[1, 2]], |inputs| {
        let x = tensor(&inputs[0]);
        let mask = x.clone().lower_equal_elem(0.0);
        vec![x.clone().mask_fill(mask.clone(), 1.0).sqrt().mask_fill(mask, 0.0).into()]
    });
    let reverse = banach_program::vjp(&program, &[0]);
    let given = vec![value(vec![0.0, 4.0], &[1, 2]), value(vec![1.0, 1.0], &[1, 2])];
    let out = evaluate(&reverse, given).unwrap();
    assert_close(&numbers(&out[1]), &[0.0, 0.25], 1e-15, "the gradient");
}

#[test]
fn single_precision_programs_stay_single() {
    let program = trace(&Device::flex(), &[Type::f32([2, 2])], |inputs| {
        let x = inputs[0].clone().try_into_tensor::<2>()?;
        Ok(vec![(x.clone().tanh().matmul(x) * 0.3).into()])
    });
    let program = program.unwrap();
    assert!(program.output_types().all(|ty| *ty == Type::f32([2, 2])));
}

/// `z w₁ + x w₂` with rows of w at these places, and the derivative with respect to w.
fn in_blocks(first: std::ops::Range<usize>, second: std::ops::Range<usize>) -> Program {
    let shapes: [&[usize]; 3] = [&[3, first.len()], &[3, second.len()], &[6, 5]];
    let program = check("blocks", &shapes, |inputs| {
        let [z, x, w] = [0, 1, 2].map(|input| tensor(&inputs[input]));
        let [upper, lower] = [&first, &second].map(|rows| w.clone().narrow(0, rows.start, rows.len()));
        vec![(z.matmul(upper) + x.matmul(lower)).into()]
    });
    let back = simplify(&vjp(&program, &[2]).with_outputs(&[1]));
    let mut stream = Numbers::new(5);
    let inputs: Vec<Value> = back.input_types().map(|ty| stream.value(ty)).collect();
    derivatives("blocks", &back, &inputs, &mut stream);
    back
}

#[test]
fn blocks_that_fill_a_whole_become_one_product() {
    for (first, second) in [(0..4, 4..6), (2..6, 0..2)] {
        let text = in_blocks(first, second).to_string();
        assert_eq!((text.matches("matmul").count(), text.matches("add").count()), (1, 0), "{text}");
    }
}

#[test]
fn blocks_with_a_gap_or_in_common_are_added() {
    for (first, second) in [(0..3, 2..6), (0..2, 4..6), (1..3, 3..6), (0..3, 3..5)] {
        let text = in_blocks(first, second).to_string();
        assert!(text.contains("add"), "{text}");
    }
}
