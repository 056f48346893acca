//! What a loop computes once is split off, and the two parts together are the whole.

use crate::harness::{Numbers, assert_close, evaluate, numbers};
use banach_program::{Program, Type, Value, hoist, linearize, trace, transpose, verify};
use burn::tensor::{Device, Tensor, activation};

/// sigmoid(relu([z, x] W₁) W₂): the inputs are x, z, W₁, W₂.
fn cell() -> Program {
    let types = [[2, 3], [2, 4], [7, 5], [5, 3]].map(Type::f64);
    let traced = trace(&Device::flex(), &types, |inputs| {
        let [x, z, w1, w2] = [0, 1, 2, 3].map(|at| inputs[at].clone().try_into_tensor::<2>().unwrap());
        let hidden = activation::relu(Tensor::cat(vec![z, x], 1).matmul(w1));
        Ok(vec![activation::sigmoid(hidden.matmul(w2)).into()])
    });
    traced.unwrap()
}

fn whole_and_parts(program: &Program, changing: &[usize], inputs: &[Value]) -> (Vec<f64>, Vec<f64>) {
    let parts = hoist(program, changing);
    verify(&parts.prologue).unwrap();
    verify(&parts.body).unwrap();
    let fixed = (0..inputs.len()).filter(|at| !changing.contains(at)).map(|at| inputs[at].clone()).collect();
    let carried = evaluate(&parts.prologue, fixed).unwrap();
    let given = changing.iter().map(|&at| inputs[at].clone()).chain(carried).collect();
    let found = evaluate(&parts.body, given).unwrap();
    let whole = evaluate(program, inputs.to_vec()).unwrap();
    (whole.iter().flat_map(numbers).collect(), found.iter().flat_map(numbers).collect())
}

#[test]
fn the_parts_make_the_whole() {
    let program = cell();
    let mut stream = Numbers::new(3);
    let inputs: Vec<Value> = program.input_types().map(|ty| stream.value(ty)).collect();
    for changing in [vec![0], vec![1], vec![0, 1], vec![2], vec![0, 3], vec![]] {
        let (whole, parts) = whole_and_parts(&program, &changing, &inputs);
        assert_close(&parts, &whole, 1e-13, &format!("changing {changing:?}"));
    }
}

#[test]
fn the_input_of_a_concatenation_is_paid_for_once() {
    let parts = hoist(&cell(), &[0]);
    let body = parts.body.to_string();
    assert!(!body.contains("concat") && !body.contains("slice"), "{body}");
    assert!(parts.prologue.to_string().contains("matmul"), "{}", parts.prologue);
    let widest = parts.body.input_types().map(|ty| ty.shape[0]).max();
    assert_eq!(widest, Some(5), "{body}");
}

#[test]
fn nothing_is_carried_that_the_loop_does_not_read_and_fixed_sums_are_made_once() {
    let types = [vec![2, 3], vec![2, 4], vec![7, 5], vec![5]].map(Type::f64);
    let traced = trace(&Device::flex(), &types, |inputs| {
        let [x, z, w] = [0, 1, 2].map(|at| inputs[at].clone().try_into_tensor::<2>().unwrap());
        let bias: Tensor<1> = inputs[3].clone().try_into_tensor().unwrap();
        Ok(vec![(Tensor::cat(vec![x, z], 1).matmul(w) + bias.unsqueeze()).tanh().into()])
    });
    let body = hoist(&traced.unwrap(), &[0]).body;
    assert_eq!(body.inputs().len(), 3, "{body}");
    assert_eq!(body.equations().len(), 3, "one product, one sum, one tanh: {body}");
}

#[test]
fn the_pullback_with_respect_to_x_never_touches_the_columns_of_z() {
    let pullback = transpose(&linearize(&cell(), &[0]).tangent).into_program();
    let cotangent = pullback.inputs().len() - 1;
    let parts = hoist(&banach_program::simplify(&pullback), &[cotangent]);
    let body = parts.body.to_string();
    assert!(!body.contains("slice"), "{body}");
    assert!(parts.body.input_types().all(|ty| ty.shape[0] != 7), "{body}");
}
