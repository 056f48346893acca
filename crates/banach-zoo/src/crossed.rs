//! Problems whose unknowns stand in one another's places.

use crate::scalar::column;
use crate::{Problem, Table};
use burn::tensor::Tensor;

/// Every problem of this file.
pub fn all() -> Vec<Problem> {
    vec![reversed_squares()]
}

/// `reverse(y²) = (z + 2, z)` with `y = (√z, -√(z + 2))` read backwards, at `z = 1, 2, 3`.
///
/// Written out, `y₂² = z + 2` and `y₁² = z` with `y₁ < 0 < y₂`. Two thirds of a Newton step with the slopes `(3, -2)` in place
/// of `2 y`, and a part of the other equation that vanishes with it: `y₁ ← y₁ + (y₁² - z) / 3 + (y₂² - z - 2) / 20` and
/// `y₂ ← y₂ - (y₂² - z - 2) / 5`. So `J` is triangular, and its transpose is not it.
pub fn reversed_squares() -> Problem {
    let inputs = vec![1.0, 2.0, 3.0];
    let root = |z: &f64| [-z.sqrt(), (z + 2.0).sqrt()];
    let slope = |z: &f64| -0.5 / z.sqrt() + 0.5 / (z + 2.0).sqrt();
    Problem {
        name: "reversed_squares",
        about: "reverse(y²) = (z + 2, z): two equations that hold each other's unknown, J is not symmetric",
        start: Table::new(3, [-1.0, 2.0].repeat(3)),
        answer: Some(inputs.iter().flat_map(root).collect()),
        derivative: Some(inputs.iter().map(slope).collect()),
        input: Table::new(3, inputs),
        map: |y, z| {
            let off = y.clone().square().flip([1]) - Tensor::cat(vec![z.clone().add_scalar(2.0), z], 1);
            let (second, first) = (column(&off, 0), column(&off, 1));
            let top = first.mul_scalar(1.0 / 3.0) + second.clone().mul_scalar(0.05);
            y + Tensor::cat(vec![top, second.mul_scalar(-0.2)], 1)
        },
        contracts: true,
    }
}
