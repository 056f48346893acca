//! Problems that are small networks.

use crate::affine::{identity, times_constant};
use crate::{Problem, Table, exact};

/// Every problem of this file.
pub fn all() -> Vec<Problem> {
    vec![layer()]
}

/// `x = tanh(W x + z)`: four neurons that feed one another, three rows.
pub fn layer() -> Problem {
    let input = Table::new(3, vec![0.5, -0.2, 0.1, 0.7, -1.0, 0.4, 0.3, -0.6, 0.0, 0.0, 0.9, -0.1]);
    let mut answer = Vec::new();
    let mut derivative = Vec::new();
    for z in input.values.chunks(4) {
        let mut x = vec![0.0; 4];
        for _ in 0..500 {
            x = (0..4).map(|i| ((0..4).map(|j| weights(i, j) * x[j]).sum::<f64>() + z[i]).tanh()).collect();
        }
        let slope: Vec<f64> = x.iter().map(|x| 1.0 - x * x).collect();
        let c = exact::linear(4, |i, j| identity(i, j) - slope[j] * weights(j, i), &[1.0; 4]);
        derivative.extend((0..4).map(|i| slope[i] * c[i]));
        answer.extend(x);
    }
    Problem {
        name: "layer",
        about: "x = tanh(W x + z): a layer that feeds itself, W not symmetric",
        start: Table::new(3, vec![0.0; 12]),
        input,
        map: |x, z| (times_constant(x, 4, weights) + z).tanh(),
        answer: Some(answer),
        derivative: Some(derivative),
        contracts: true,
    }
}

fn weights(i: usize, j: usize) -> f64 {
    [[0.3, -0.5, 0.1, 0.2], [0.4, 0.2, -0.3, 0.1], [-0.2, 0.3, 0.4, -0.4], [0.1, 0.2, 0.3, -0.2]][i][j]
}
