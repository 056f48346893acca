//! Problems with one unknown a row.

use crate::{Problem, Table, exact};
use burn::tensor::Tensor;

/// Every problem of this file.
pub fn all() -> Vec<Problem> {
    vec![cosine(), exponential(), tanh(), shifted_tanh(), square_root(), cube_root(), kepler(), settled()]
}

/// `x = cos(z x)` at `z = 1`.
pub fn cosine() -> Problem {
    Problem {
        name: "cosine",
        about: "x = cos(z x): the classic contraction",
        start: Table::new(1, vec![0.5]),
        input: Table::new(1, vec![1.0]),
        map: |x, z| (x * z).cos(),
        answer: Some(vec![0.7390851332151607]),
        derivative: Some(vec![-0.29747434150983226]),
        contracts: true,
    }
}

/// `x = exp(-z x)` at `z = 1`.
pub fn exponential() -> Problem {
    Problem {
        name: "exponential",
        about: "x = exp(-z x): the omega constant",
        start: Table::new(1, vec![0.5]),
        input: Table::new(1, vec![1.0]),
        map: |x, z| (x * z).neg().exp(),
        answer: Some(vec![0.5671432904097838]),
        derivative: Some(vec![-0.20524703377489464]),
        contracts: true,
    }
}

/// `x = tanh(w x + b)` with `z = [w, b]`, a neuron that feeds itself.
pub fn tanh() -> Problem {
    let weights = [(0.7, 0.3), (-1.5, 0.2), (0.4, -0.9)];
    let mut answer = Vec::new();
    let mut derivative = Vec::new();
    for (w, b) in weights {
        let value = |x: f64| {
            let image = f64::tanh(w * x + b);
            (x - image, 1.0 - w * (1.0 - image * image))
        };
        let x = exact::root(value, 0.0);
        let slope = 1.0 - x * x;
        answer.push(x);
        derivative.extend([slope * x / (1.0 - w * slope), slope / (1.0 - w * slope)]);
    }
    Problem {
        name: "tanh",
        about: "x = tanh(w x + b) with z = [w, b]; in the second row plain iteration settles into a cycle",
        start: Table::new(3, vec![0.0; 3]),
        input: Table::new(3, weights.iter().flat_map(|&(w, b)| [w, b]).collect()),
        map: |x, z| (column(&z, 0) * x + column(&z, 1)).tanh(),
        answer: Some(answer),
        derivative: Some(derivative),
        contracts: false,
    }
}

/// `x = tanh(x + z)` at `z = 1`.
pub fn shifted_tanh() -> Problem {
    let answer = 0.9611797513715394;
    let slope = 1.0 - answer * answer;
    Problem {
        name: "shifted_tanh",
        about: "x = tanh(x + z) at z = 1: a neuron near its ceiling",
        start: Table::new(1, vec![0.0]),
        input: Table::new(1, vec![1.0]),
        map: |x, z| (x + z).tanh(),
        answer: Some(vec![answer]),
        derivative: Some(vec![slope / (1.0 - slope)]),
        contracts: true,
    }
}

/// `x³ = z` as `x = x - (x³ - z) / 20`, at `z = 8` and `z = 1`: damped, so that the slope at the answer is not zero.
pub fn cube_root() -> Problem {
    Problem {
        name: "cube_root",
        about: "x = x - (x³ - z)/20: the cube roots of 8 and 1, slopes 2/5 and 17/20",
        start: Table::new(2, vec![1.5; 2]),
        input: Table::new(2, vec![8.0, 1.0]),
        map: |x, z| x.clone() - (x.clone() * x.clone() * x - z).mul_scalar(0.05),
        answer: Some(vec![2.0, 1.0]),
        derivative: Some(vec![1.0 / 12.0, 1.0 / 3.0]),
        contracts: true,
    }
}

/// `x = (x + z / x) / 2`, Newton's square root: quadratic convergence, zero slope at the answer.
pub fn square_root() -> Problem {
    let inputs = vec![2.0, 9.0, 0.25];
    Problem {
        name: "square_root",
        about: "x = (x + z/x)/2: Newton's square root, slope zero at the answer",
        start: Table::new(3, vec![1.0; 3]),
        answer: Some(inputs.iter().map(|z: &f64| z.sqrt()).collect()),
        derivative: Some(inputs.iter().map(|z: &f64| 0.5 / z.sqrt()).collect()),
        input: Table::new(3, inputs),
        map: |x, z| (x.clone() + z / x).mul_scalar(0.5),
        contracts: true,
    }
}

/// Kepler's equation `E = M + e sin(E)` with `z = [M, e]`.
pub fn kepler() -> Problem {
    let orbits: [(f64, f64); 3] = [(1.0, 0.3), (2.5, 0.6), (0.4, 0.8)];
    let anomalies: Vec<f64> = orbits
        .iter()
        .map(|(mean, e)| exact::root(|x| (x - mean - e * x.sin(), 1.0 - e * x.cos()), *mean))
        .collect();
    let derivative = orbits.iter().zip(&anomalies).flat_map(|((_, e), x)| {
        let shrink = 1.0 - e * x.cos();
        [1.0 / shrink, x.sin() / shrink]
    });
    Problem {
        name: "kepler",
        about: "E = M + e sin(E) with z = [M, e]: Kepler's equation, three orbits",
        start: Table::new(3, orbits.iter().map(|orbit| orbit.0).collect()),
        input: Table::new(3, orbits.iter().flat_map(|&(mean, e)| [mean, e]).collect()),
        map: |x, z| column(&z, 1) * x.sin() + column(&z, 0),
        derivative: Some(derivative.collect()),
        answer: Some(anomalies),
        contracts: true,
    }
}

/// The cosine, started at its answer.
pub fn settled() -> Problem {
    Problem {
        name: "settled",
        about: "x = cos(z x), started at its answer: one evaluation must do",
        start: Table::new(1, vec![0.7390851332151607]),
        ..cosine()
    }
}

/// Column `index` of `z`, `[rows, 1]`.
pub(crate) fn column(z: &Tensor<2>, index: usize) -> Tensor<2> {
    z.clone().narrow(1, index, 1)
}
