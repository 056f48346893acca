//! Linear solves and eigenvectors: values, and derivatives by differences and on the tape.

use crate::reference::{Random, assert_close, gradient, leaf, numbers, plain};
use banach::Function;
use banach_optimize::{cholesky_solve, solve, symmetric_eigen};
use burn::tensor::Tensor;

const STEP: f64 = 1e-6;

/// Compares gradients of Σ w f(inputs) with central differences along random directions.
fn check(inputs: &[(Vec<f64>, Vec<usize>)], f: &dyn Fn(&[Tensor<3>]) -> Tensor<1>) {
    let mut random = Random::new(1);
    let shape = |shape: &[usize]| [shape[0], shape[1], shape[2]];
    let leaves: Vec<Tensor<3>> = inputs.iter().map(|(x, of)| leaf(x, shape(of))).collect();
    let gradients = f(&leaves).backward();
    let directions: Vec<Vec<f64>> = inputs.iter().map(|(x, _)| random.normals(x.len())).collect();
    let along: f64 = leaves
        .iter()
        .zip(&directions)
        .map(|(leaf, t)| gradient(leaf, &gradients).iter().zip(t).map(|(g, t)| g * t).sum::<f64>())
        .sum();
    let at = |step: f64| {
        let moved: Vec<Tensor<3>> = inputs
            .iter()
            .zip(&directions)
            .map(|((x, of), t)| {
                let x: Vec<f64> = x.iter().zip(t).map(|(x, t)| x + step * t).collect();
                plain(&x, shape(of))
            })
            .collect();
        f(&moved).into_scalar::<f64>()
    };
    let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
    assert!((along - difference).abs() <= 1e-7 * along.abs().max(1.0), "{along} and {difference}");
}

fn weighted<const D: usize>(x: Tensor<D>, seed: u64) -> Tensor<1> {
    let shape = x.dims();
    let weights: Tensor<D> = plain(&Random::new(seed).normals(shape.iter().product()), shape);
    let weights = if x.device().is_autodiff() { weights.autodiff() } else { weights };
    (x * weights).sum()
}

#[test]
fn linear_solves_have_their_values_and_gradients() {
    let mut random = Random::new(2);
    let (rows, n) = (3, 4);
    for shared in [true, false] {
        let count = if shared { 1 } else { rows };
        let matrix = random.normals(count * n * n);
        let b = random.normals(rows * n);
        let spd: Vec<f64> = (0..count * n * n)
            .map(|at| {
                let (row, i, j) = (at / (n * n), at / n % n, at % n);
                let m = &matrix[row * n * n..];
                let sum: f64 = (0..n).map(|k| m[i * n + k] * m[j * n + k]).sum();
                sum + if i == j { 0.5 } else { 0.0 }
            })
            .collect();
        for (data, cholesky) in [(&matrix, false), (&spd, true)] {
            let f = |inputs: &[Tensor<3>]| {
                let b: Tensor<2> = inputs[1].clone().reshape([rows, n]);
                let solve = |matrix: banach::program::Value| match cholesky {
                    true => cholesky_solve(matrix, b.clone()).unwrap(),
                    false => solve(matrix, b.clone()).unwrap(),
                };
                let matrix = inputs[0].clone();
                let c = if shared { solve(matrix.reshape([n, n]).into()) } else { solve(matrix.into()) };
                weighted(c, 3)
            };
            check(&[(data.clone(), vec![count, n, n]), (b.clone(), vec![rows, n, 1])], &f);
            let m: Tensor<3> = plain(data, [count, n, n]);
            let c = match cholesky {
                true => cholesky_solve(m.clone().repeat_dim(0, rows / count), plain(&b, [rows, n])),
                false => solve(m.clone().repeat_dim(0, rows / count), plain(&b, [rows, n])),
            };
            let back = m.repeat_dim(0, rows / count).matmul(c.unwrap().reshape([rows, n, 1]));
            assert_close(&numbers(&back), &b, 1e-12, "M c");
        }
    }
}

#[test]
fn eigenvectors_have_their_values_and_gradients() {
    let mut random = Random::new(7);
    let (rows, n) = (2, 4);
    let a = random.normals(rows * n * n);
    let (values, vectors) = symmetric_eigen(plain(&a, [rows, n, n])).unwrap();
    let product = vectors.clone() * values.clone().reshape([rows, 1, n]);
    let back = product.matmul(vectors.swap_dims(1, 2));
    let a_tensor: Tensor<3> = plain(&a, [rows, n, n]);
    let symmetric = (a_tensor.clone() + a_tensor.swap_dims(1, 2)) * 0.5;
    assert_close(&numbers(&back), &numbers(&symmetric), 1e-12, "V diag(λ) Vᵀ");
    let values = |inputs: &[Tensor<3>]| weighted(symmetric_eigen(inputs[0].clone()).unwrap().0, 5);
    check(&[(a.clone(), vec![rows, n, n])], &values);
    // Signs of eigenvectors are free; squares are not.
    let squares =
        |inputs: &[Tensor<3>]| weighted(symmetric_eigen(inputs[0].clone()).unwrap().1.powi_scalar(2), 6);
    check(&[(a, vec![rows, n, n])], &squares);
}

#[test]
fn a_solve_inside_a_traced_function_has_derivatives_of_every_order() {
    let mut random = Random::new(12);
    let n = 3;
    let m: Tensor<2> = plain(&random.normals(n * n), [n, n]);
    let b: Tensor<2> = plain(&random.normals(n), [1, n]);
    let f = Function::of(&(m.clone(), b.clone()), |(m, b): (Tensor<2>, Tensor<2>)| {
        solve(m, b.clone()).unwrap().powi_scalar(2).sum()
    })
    .unwrap();
    let t: Tensor<2> = plain(&random.normals(n * n), [n, n]);
    let second = f.hessian_product(0).unwrap();
    let found: Tensor<2> = second.call((m.clone(), b.clone(), t.clone())).unwrap();
    let slope = f.gradient(0).unwrap();
    let at = |step: f64| {
        let moved = m.clone() + t.clone() * step;
        let slope: Tensor<2> = slope.call((moved, b.clone())).unwrap();
        numbers(&slope)
    };
    let difference: Vec<f64> = at(STEP).iter().zip(at(-STEP)).map(|(a, b)| (a - b) / (2.0 * STEP)).collect();
    assert_close(&numbers(&found), &difference, 1e-6, "the second derivative");
}
