//! Derivatives of every order and mode through fixed points, against golden values and differences.

use crate::reference::{Golden, assert_close, double, numbers};
use banach::program::Value;
use banach::solve::Tolerance;
use banach::{FixedPointConfig, Function};
use burn::tensor::module::{conv2d, layer_norm};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, activation};

fn tight() -> FixedPointConfig {
    FixedPointConfig::new().with_tolerance(Tolerance::both(1e-14)).with_max_steps(500)
}

fn flat(values: &[Value]) -> Vec<f64> {
    values.iter().flat_map(|value| value.clone().into_data().iter::<f64>().collect::<Vec<f64>>()).collect()
}

/// The loss of a golden file as a function of `(x0, inputs..)`, checked in every field of the file.
fn check(name: &str, states: &[&str], inputs: &[&str], g: impl Fn(Vec<Value>) -> Vec<Value>) {
    let golden = Golden::read(name);
    let start: Vec<Value> = states.iter().map(|state| golden.value("start", state)).collect();
    let given: Vec<Value> = inputs.iter().map(|input| golden.value("inputs", input)).collect();
    let point = [start, given].concat();
    let solved = Function::of_values(&point, g).unwrap().fix(&tight()).unwrap();
    let found = solved.call_values(point.clone()).unwrap();
    for (state, found) in states.iter().zip(&found) {
        assert_close(&flat(std::slice::from_ref(found)), &golden.numbers("fixed_point", state), 1e-8, "x̂");
    }
    let weights: Vec<Tensor<1>> = states.iter().map(|state| golden.flat("weights", state)).collect();
    let loss = Function::of_values(&point, |values| {
        let x = solved.call_values(values).unwrap();
        let parts = x.into_iter().zip(&weights).map(|(x, w)| {
            let count = x.ty().len();
            let x: Tensor<1> = x.reshaped(&[count]).try_into_tensor().unwrap();
            (x.clone().sin() * w.clone().to_device(&x.device())).sum()
        });
        vec![parts.reduce(|a, b| a + b).unwrap().into()]
    });
    let loss = loss.unwrap();
    assert_close(
        &flat(&loss.call_values(point.clone()).unwrap()),
        &[golden.number("loss_value")],
        1e-8,
        "loss",
    );

    let which: Vec<usize> = (states.len()..point.len()).collect();
    let directions: Vec<Value> = inputs.iter().map(|input| golden.value("direction", input)).collect();
    let along = |point: &[Value], directions: &[Value]| [point, directions].concat();
    let pushed = solved.jvp_of(&which).call_values(along(&point, &directions)).unwrap();
    for (state, pushed) in states.iter().zip(&pushed) {
        assert_close(&flat(std::slice::from_ref(pushed)), &golden.numbers("jvp", state), 1e-8, "jvp");
    }
    let gradient = loss.partial(&which).unwrap();
    let found = gradient.call_values(point.clone()).unwrap();
    assert_eq!(found.len(), inputs.len());
    for (input, found) in inputs.iter().zip(&found) {
        assert_close(&flat(std::slice::from_ref(found)), &golden.numbers("gradient", input), 1e-8, input);
    }
    // The Hessian times a direction, forward over reverse and reverse over reverse.
    let forward_over_reverse = gradient.jvp_of(&which).call_values(along(&point, &directions)).unwrap();
    let reverse_over_reverse = gradient.vjp_of(&which).call_values(along(&point, &directions)).unwrap();
    for (mode, found) in [("fwd over rev", forward_over_reverse), ("rev over rev", reverse_over_reverse)] {
        assert_eq!(found.len(), inputs.len());
        for (input, found) in inputs.iter().zip(&found) {
            let expected = golden.numbers("hessian_times_direction", input);
            let what = format!("{name}: {mode}, {input}");
            assert_close(&flat(std::slice::from_ref(found)), &expected, 1e-8, &what);
        }
    }
    check_third(&golden, &loss, states.len(), &point, &directions);
}

/// The third derivative along the direction, against the golden value or a difference of the second.
fn check_third(golden: &Golden, loss: &Function, states: usize, point: &[Value], directions: &[Value]) {
    let name = golden.name();
    let which: Vec<usize> = (states..point.len()).collect();
    let first = loss.jvp_of(&which);
    let second = Function::of_values(&[point, directions].concat(), |values| {
        let t = values[point.len()..].to_vec();
        first.jvp_of(&which).call_values([values, t].concat()).unwrap()
    });
    let second = second.unwrap();
    let given = [point, directions, directions].concat();
    let third = flat(&second.jvp_of(&which).call_values(given).unwrap());
    match golden.optional("third_directional") {
        Some(expected) => assert_close(&third, &[expected], 1e-6, &format!("{name}: third derivative")),
        None => {
            let at = |step: f64| {
                let moved = point.iter().enumerate().map(|(position, value)| {
                    let Some(input) = position.checked_sub(states) else { return value.clone() };
                    moved(value, &directions[input], step)
                });
                flat(
                    &second
                        .call_values([moved.collect::<Vec<Value>>(), directions.to_vec()].concat())
                        .unwrap(),
                )[0]
            };
            let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert_close(&third, &[expected], 1e-5, &format!("{name}: third derivative by differences"));
        }
    }
}

fn moved(value: &Value, direction: &Value, step: f64) -> Value {
    let shape = value.ty().shape;
    let count = value.ty().len();
    let flat = |value: &Value| value.clone().reshaped(&[count]).try_into_tensor::<1>().unwrap();
    Value::from(flat(value) + flat(direction) * step).reshaped(&shape)
}

fn two(value: &Value) -> Tensor<2> {
    value.clone().try_into_tensor().unwrap()
}

fn row(value: &Value) -> Tensor<2> {
    value.clone().try_into_tensor::<1>().unwrap().unsqueeze()
}

#[test]
fn tanh_cell() {
    check("tanh_cell", &["x"], &["W", "U", "b", "z"], |v| {
        vec![(two(&v[0]).matmul(two(&v[1])) + two(&v[4]).matmul(two(&v[2])) + row(&v[3])).tanh().into()]
    });
}

#[test]
fn conv_cell() {
    let same = |x: Tensor<4>, k: Tensor<4>| conv2d(x, k, None, ConvOptions::new([1, 1], [1, 1], [1, 1], 1));
    check("conv_cell", &["x"], &["K", "L", "b", "z"], |v| {
        let four = |at: usize| v[at].clone().try_into_tensor::<4>().unwrap();
        let bias = row(&v[3]).reshape([1, -1, 1, 1]);
        vec![(same(four(0), four(1)) + same(four(4), four(2)) + bias).tanh().into()]
    });
}

#[test]
fn attention_cell() {
    check("attention_cell", &["x"], &["Q", "K", "V", "gamma", "beta", "z"], |v| {
        let three = |at: usize| v[at].clone().try_into_tensor::<3>().unwrap();
        let one = |at: usize| v[at].clone().try_into_tensor::<1>().unwrap();
        let y = three(0) + three(6);
        let project = |at: usize| y.clone().matmul(two(&v[at]).unsqueeze());
        let scores = project(1).matmul(project(2).swap_dims(1, 2)) / (y.dims()[2] as f64).sqrt();
        let mixed = activation::softmax(scores, 2).matmul(project(3));
        vec![(layer_norm(mixed, one(4), Some(one(5)), 1e-5) * 0.25).into()]
    });
}

#[test]
fn two_states() {
    check("two_states", &["x", "y"], &["A", "B", "C", "D", "U", "z"], |v| {
        let [x, y, a, b, c, d, u, z] = [0, 1, 2, 3, 4, 5, 6, 7].map(|at| two(&v[at]));
        let new_x = (x.clone().matmul(a) + y.clone().matmul(b) + z.matmul(u)).tanh();
        let new_y = x.matmul(c).sin() * 0.5 + activation::sigmoid(y.matmul(d)) * 0.3;
        vec![new_x.into(), new_y.into()]
    });
}

#[test]
fn expanding() {
    check("expanding", &["x"], &["z"], |v| vec![(two(&v[1]) - two(&v[0]).sin() * 1.7).into()]);
}

#[test]
fn gradient_step() {
    check("gradient_step", &["x"], &["V", "c", "z"], |v| {
        let energy = Function::of_values(&v, |v| {
            let [x, weights, z] = [two(&v[0]), two(&v[1]), two(&v[3])];
            let hidden = Tensor::cat(vec![z, x.clone()], 1).matmul(weights) + row(&v[2]);
            let energy = x.powi_scalar(2).sum() * 0.5 + activation::softplus(hidden, 1.0).sum() * 0.5;
            vec![energy.into()]
        });
        let slope = energy.unwrap().gradient(0).unwrap().call_values(v.clone()).unwrap();
        vec![(two(&v[0]) - two(&slope[0]) * 0.4).into()]
    });
}

#[test]
fn nested() {
    check("nested", &["x"], &["a", "W", "U", "z"], |v| {
        let u0: Value = two(&v[0]).zeros_like().into();
        let inner = Function::of_values(&[u0.clone(), v[0].clone(), v[1].clone()], |v| {
            vec![((row(&v[2]) * two(&v[0]) + two(&v[1])).cos() * 0.5).into()]
        });
        let solved = inner.unwrap().fix(&tight()).unwrap();
        let u = solved.call_values(vec![u0, v[0].clone(), v[1].clone()]).unwrap();
        vec![(two(&u[0]).matmul(two(&v[2])) + two(&v[4]).matmul(two(&v[3]))).tanh().into()]
    });
}

#[test]
fn a_function_is_called_on_the_tape_too() {
    let (device, dtype) = double();
    let z = Tensor::<2>::from_data([[0.3, -0.2]], (&device, dtype)).autodiff().require_grad();
    let x0 = Tensor::<2>::zeros([1, 2], (&device, dtype));
    let g =
        Function::of(&(x0.clone(), z.clone().inner()), |(x, z): (Tensor<2>, Tensor<2>)| x.sin() * 0.5 + z);
    let solved = g.unwrap().fix(&tight()).unwrap();
    let x: Tensor<2> = solved.call((x0, z.clone())).unwrap();
    let found = numbers(&z.grad(&x.clone().sum().backward()).unwrap());
    let expected: Vec<f64> = numbers(&x).iter().map(|x| 1.0 / (1.0 - 0.5 * x.cos())).collect();
    assert_close(&found, &expected, 1e-12, "1 / (1 - cos x̂ / 2)");
}

#[test]
fn wrong_calls_are_refused_with_what_was_found_and_expected() {
    let (device, dtype) = double();
    let x = Tensor::<2>::ones([2, 3], (&device, dtype));
    let square = Function::of(&x, |x: Tensor<2>| x.powi_scalar(2)).unwrap();
    let error = square.call::<Value>(Tensor::<2>::ones([3, 3], (&device, dtype))).unwrap_err().to_string();
    assert_eq!(error, "input 0 of a program: found f64[3, 3], expected f64[2, 3]");
    let error = square.gradient(0).unwrap_err().to_string();
    assert!(error.contains("f64[2, 3]") && error.contains("paired"), "{error}");
    let paired = square.paired().gradient(0).unwrap();
    let found: Tensor<2> = paired.call((x.clone(), x.clone())).unwrap();
    assert_close(&numbers(&found), &[2.0; 6], 1e-15, "∂⟨v, x²⟩/∂x = 2 v x");
    let rows = Function::of(&x, |x: Tensor<2>| x.powi_scalar(2).sum_dim(1)).unwrap();
    let hessian: Tensor<2> = rows.hessian_product(0).unwrap().call((x.clone(), x)).unwrap();
    assert_close(&numbers(&hessian), &[2.0; 6], 1e-15, "∂²f/∂x² t = 2 t");
}

#[test]
fn a_derivative_by_an_input_that_is_not_there_is_refused() {
    let x = Tensor::<1>::from_data([1.0, 2.0], &burn::tensor::Device::flex());
    let square = Function::of(&x, |x: Tensor<1>| x.square().sum()).unwrap();
    let text = square.partial(&[3]).unwrap_err().to_string();
    assert!(text.contains("position 3 for a function of 1 inputs"), "{text}");
    assert!(square.gradient(0).is_ok());
}
