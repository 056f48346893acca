//! Derivatives as functions: forward mode, reverse mode, and second derivatives.

use crate::random_programs::Batch;
use crate::reference::{Random, assert_close, numbers_of, plain};
use banach::Function;
use banach::program::Value;
use banach_optimize::QuadraticProgram;

fn random_like(values: &[Value], random: &mut Random) -> Vec<Value> {
    values
        .iter()
        .map(|value| {
            let ty = value.ty();
            Value::from(plain::<1>(&random.normals(ty.len()), [ty.len()])).reshaped(&ty.shape)
        })
        .collect()
}

fn inner(a: &[Value], b: &[Value]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| numbers_of(a).iter().zip(numbers_of(b)).map(|(a, b)| a * b).sum::<f64>())
        .sum()
}

fn all(values: &[Value]) -> Vec<f64> {
    values.iter().flat_map(numbers_of).collect()
}

/// The values moved along directions.
fn moved(values: &[Value], directions: &[Value], step: f64) -> Vec<Value> {
    let add = |(value, direction): (&Value, &Value)| {
        let sum: Vec<f64> =
            numbers_of(value).iter().zip(numbers_of(direction)).map(|(x, t)| x + step * t).collect();
        Value::from(plain::<1>(&sum, [sum.len()])).reshaped(&value.ty().shape)
    };
    values.iter().zip(directions).map(add).collect()
}

fn differences(function: &Function, at: &[Value], directions: &[Value], step: f64) -> Vec<f64> {
    let ahead = all(&function.call_values(moved(at, directions, step)).unwrap());
    let behind = all(&function.call_values(moved(at, directions, -step)).unwrap());
    ahead.iter().zip(behind).map(|(a, b)| (a - b) / (2.0 * step)).collect()
}

/// Batches whose active sets are stable, so that all derivatives exist near them.
fn stable(count: usize) -> Vec<(Batch, Vec<Value>, Function)> {
    let mut random = Random::new(21);
    let mut found = vec![];
    while found.len() < count {
        let batch = Batch::random(&mut random, 2);
        let values = batch.values(false);
        let program = QuadraticProgram::default();
        let solution = program.solve(batch.problem(&values)).unwrap();
        let duals = solution.inequality_duals.as_ref().map_or_else(Vec::new, crate::reference::numbers);
        let clear = duals.iter().all(|dual| *dual == 0.0 || *dual > 1e-2);
        if clear && solution.report.differentiable() && batch.m > 0 {
            let function = program.function(&batch.problem(&values)).unwrap();
            found.push((batch, values, function));
        }
    }
    found
}

#[test]
fn forward_mode_is_the_central_difference_and_reverse_mode_its_transpose() {
    let mut random = Random::new(4);
    for (_, values, function) in stable(12) {
        let t = random_like(&values, &mut random);
        let outputs = function.call_values(values.clone()).unwrap();
        let v = random_like(&outputs, &mut random);
        let joined = |extra: &[Value]| values.iter().chain(extra).cloned().collect::<Vec<Value>>();
        let tangents = function.jvp().call_values(joined(&t)).unwrap();
        assert_close(&all(&tangents), &differences(&function, &values, &t, 1e-6), 1e-6, "J t");
        let cotangents = function.vjp().call_values(joined(&v)).unwrap();
        let (left, right) = (inner(&tangents, &v), inner(&t, &cotangents));
        assert!((left - right).abs() <= 1e-9 * left.abs().max(1.0), "⟨J t, v⟩ {left}, ⟨t, Jᵀ v⟩ {right}");
    }
}

#[test]
fn the_tape_and_the_program_give_the_same_gradients() {
    let mut random = Random::new(6);
    for (batch, values, function) in stable(8) {
        let tape: Vec<Value> = values.iter().map(|value| value.clone().leaf(true)).collect();
        let solution = QuadraticProgram::default().solve(batch.problem(&tape)).unwrap();
        let point = crate::random_programs::points(&solution);
        let weights = random.normals(point.dims().iter().product());
        let v: burn::tensor::Tensor<2> = plain(&weights, point.dims());
        let gradients = (point * v.clone().autodiff()).sum().backward();
        let mut inputs = values.clone();
        let mut first = 0;
        for width in [batch.n, batch.m, batch.p].into_iter().filter(|width| *width > 0) {
            inputs.push(v.clone().narrow(1, first, width).into());
            first += width;
        }
        let expected = function.vjp().call_values(inputs).unwrap();
        for (leaf, expected) in tape.iter().zip(expected) {
            let found = leaf.gradient(&gradients).unwrap();
            assert_close(&numbers_of(&found), &numbers_of(&expected), 1e-8, "a gradient");
        }
    }
}

#[test]
fn second_derivatives_are_the_central_differences_of_first_ones() {
    let mut random = Random::new(9);
    for (_, values, function) in stable(6) {
        let t = random_like(&values, &mut random);
        let u = random_like(&values, &mut random);
        let forward = function.jvp();
        let at: Vec<Value> = values.iter().chain(&t).cloned().collect();
        // The second derivative along t and u: t stays fixed.
        let zero: Vec<Value> = moved(&t, &t, -1.0);
        let along: Vec<Value> = u.iter().chain(&zero).cloned().collect();
        let second = forward.jvp();
        let inputs: Vec<Value> = at.iter().chain(&along).cloned().collect();
        let found = all(&second.call_values(inputs).unwrap());
        assert_close(&found, &differences(&forward, &at, &along, 1e-6), 1e-5, "the second derivative");
    }
}
