//! Solvers of one's own: solutions from elsewhere, and a solver and an adjoint solver that a layer calls.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::{Error as SolveError, FixedPointProblem, LinearProblem, Outcome, Rows};
use banach::solve::{Tolerance, UserLinearSolver, UserSolver};
use banach::{Error, FixedPoint, FixedPointConfig};
use burn::module::Param;
use burn::tensor::{DType, Device, Tensor};

// ANCHOR: solver
/// Steffensen's method, element by element: two values of g give the slope of a Newton step.
#[derive(Debug)]
struct Steffensen;

impl UserSolver for Steffensen {
    fn name(&self) -> &str {
        "steffensen"
    }

    fn solve(&self, problem: &mut FixedPointProblem<'_>) -> Result<(), SolveError> {
        let mut x = problem.start().clone();
        while let Some(once) = problem.evaluate(&x)? {
            let Some(twice) = problem.image(&once)? else { break };
            for ((x, &a), &b) in x.make_mut().iter_mut().zip(once.as_slice()).zip(twice.as_slice()) {
                let (first, second) = (a - *x, b - a);
                *x = if second == first { b } else { *x - first * first / (second - first) };
            }
        }
        Ok(())
    }
}
// ANCHOR_END: solver

// ANCHOR: adjoint
/// Steps of a fixed length along the remainder v - (c - Jᵀ c).
#[derive(Debug)]
struct Richardson(f64);

impl UserLinearSolver for Richardson {
    fn name(&self) -> &str {
        "richardson"
    }

    fn solve(&self, problem: &mut LinearProblem<'_>) -> Result<(), SolveError> {
        let mut c = problem.start().clone();
        while let Some(remainder) = problem.evaluate(&c)? {
            c = c.plus(&remainder.scaled(&vec![self.0; c.rows()]));
        }
        Ok(())
    }
}
// ANCHOR_END: adjoint

fn main() -> Result<(), Error> {
    let place = (&Device::flex().autodiff(), DType::F64);
    // ANCHOR: layer
    // Kepler's equation x = z + e sin x, for the eccentricity e and mean anomalies z.
    let e = Param::from_tensor(Tensor::<2>::from_data([[0.9]], place));
    let kepler = |e: &Param<Tensor<2>>, x: Tensor<2>, z: Tensor<2>| x.sin() * e.val() + z;
    let config = FixedPointConfig::new()
        .with_tolerance(Tolerance::both(1e-12))
        .with_solver(Steffensen)
        .with_adjoint(Richardson(0.6));
    let layer = FixedPoint::from_fn(e, [1], kepler)?.with_config(config)?;
    // ANCHOR_END: layer
    let z = Tensor::<2>::from_data([[0.2], [1.0], [2.5]], place).require_grad();
    let solution = layer.solve(z.clone())?;
    println!("{}", solution.report().explain());
    let (x, report) = solution.into_parts();
    let slope = z.grad(&x.clone().sum().backward()).expect("z is on the tape");
    println!("{}", report.adjoint()[0].solvers[0]);
    let exact = (x.clone().inner().cos() * -0.9 + 1.0).recip(); // dx/dz = 1 / (1 - e cos x)
    assert!(report.converged() && (slope - exact.clone()).abs().max().into_scalar::<f64>() < 1e-9);

    // ANCHOR: given
    // States from elsewhere: here the known ones, the second of them spoilt.
    let known = x.inner() + Tensor::from_data([[0.0], [1e-3], [0.0]], (&Device::flex(), DType::F64));
    let given = layer.solution_at(known, z.clone())?;
    println!("{}", given.report().explain());
    assert_eq!(given.report().outcomes, [Outcome::Converged, Outcome::Unsolved, Outcome::Converged]);
    let slope = z.grad(&given.into_value().sum().backward()).expect("z is on the tape");
    // ANCHOR_END: given
    let differences: Vec<f64> = (slope - exact).abs().into_data().iter::<f64>().collect();
    assert!(differences[0] < 1e-9 && differences[2] < 1e-9);
    Ok(())
}
