//! A quadratic program as a layer: hidden bounds of constraints, learned from the decisions that they led to.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach_optimize::{Error, QuadraticProblem, QuadraticProgram, QuadraticSolution};
use burn::tensor::{DType, Device, Tensor};

const ROWS: usize = 24;

/// Costs of every row, spread over a sphere.
fn costs(device: &(Device, DType)) -> Tensor<2> {
    let numbers: Vec<f64> = (0..3 * ROWS).map(|at| 3.0 * (1.0 + 1.7 * at as f64).sin()).collect();
    Tensor::<1>::from_data(numbers.as_slice(), (&device.0, device.1)).reshape([ROWS, 3])
}

// ANCHOR: decide
/// Minimise ½‖x‖² + qᵀx subject to Gx ≤ h and x₁ + x₂ + x₃ = 0, for every row of q.
fn decide(program: &QuadraticProgram, q: Tensor<2>, h: Tensor<1>) -> Result<QuadraticSolution, Error> {
    let place = (&q.device(), DType::F64);
    let g = Tensor::<2>::from_data([[1.0, 0.0, 0.0], [0.0, 1.0, -1.0]], place);
    let a = Tensor::<2>::from_data([[1.0, 1.0, 1.0]], place);
    let b = Tensor::<1>::from_data([0.0], place);
    let identity = Tensor::<2>::eye(3, place.0).cast(DType::F64);
    let problem = QuadraticProblem::new(identity, q).with_inequalities(g, h).with_equalities(a, b);
    program.solve(problem)
}
// ANCHOR_END: decide

fn main() -> Result<(), Error> {
    let device = (Device::flex(), DType::F64);
    let program = QuadraticProgram::default();
    let hidden = Tensor::<1>::from_data([0.8, 0.3], (&device.0, device.1));
    let observed = decide(&program, costs(&device), hidden)?.x;

    // ANCHOR: learn
    let mut h = Tensor::<1>::from_data([2.0, 2.0], (&device.0, device.1)).autodiff().require_grad();
    for _ in 0..60 {
        let solution = decide(&program, costs(&device).autodiff(), h.clone())?;
        let loss = (solution.x - observed.clone().autodiff()).powi_scalar(2).sum() / ROWS as f64;
        let slope = h.grad(&loss.backward()).expect("h is on the tape");
        h = (h.without_autodiff() - slope * 0.8).autodiff().require_grad();
    }
    // ANCHOR_END: learn

    let learned: Vec<f64> = h.to_data().iter().collect();
    println!("learned bounds {learned:.9?}");
    println!("{}", decide(&program, costs(&device), h.without_autodiff())?.report.explain());
    assert!((learned[0] - 0.8).abs() < 1e-9 && (learned[1] - 0.3).abs() < 1e-9);

    // The dual variables say what a bound costs, and have derivatives too.
    let h = Tensor::<1>::from_data([0.8, 0.3], (&device.0, device.1)).autodiff().require_grad();
    let solution = decide(&program, costs(&device).autodiff(), h.clone())?;
    let price = solution.inequality_duals.expect("there are inequalities").sum();
    let slope = h.grad(&price.backward()).expect("h is on the tape");
    println!("the prices fall with the bounds by {slope}");
    assert!(slope.max().into_scalar::<f64>() < 0.0);
    Ok(())
}
