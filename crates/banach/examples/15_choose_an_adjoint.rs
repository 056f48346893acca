//! One gradient by several adjoint solvers: the cost of each, and the error of an approximate one.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::{Dense, LinearSolver, Neumann, Tolerance, Truncated};
use banach::{Error, FixedPointConfig, Report, Update};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Distribution, Tensor};

/// x = z - tanh(x W)
#[derive(Module, Debug)]
struct Cell {
    weight: Param<Tensor<2>>,
}

impl Update for Cell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        z - x.matmul(self.weight.val()).tanh()
    }
}

/// The gradient of Σ x̂² in W, and the report of the solve.
fn gradient(cell: &Cell, z: &Tensor<2>, config: &FixedPointConfig) -> Result<(Tensor<2>, Report), Error> {
    let layer = config.init(cell.clone())?;
    let solution = layer.solve(z.clone())?;
    let report = solution.report().clone();
    let gradients = solution.into_value().square().sum().backward();
    Ok((layer.update().weight.grad(&gradients).expect("W is on the tape"), report))
}

fn norm(x: Tensor<2>) -> f64 {
    x.square().sum().sqrt().into_scalar()
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let random = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), (&device, DType::F64));
    let (w, z) = (random([8, 8]), random([4, 8]));
    let scaled = |factor: f64| Cell { weight: Param::from_tensor((w.clone() * factor).detach()) };
    let tight = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-10)).with_escalate(false);

    // ANCHOR: compare
    let cell = scaled(0.2);
    let by = |adjoint: LinearSolver| gradient(&cell, &z, &tight.clone().with_adjoint(adjoint));
    let (exact, _) = by(LinearSolver::Dense(Dense::default()))?;
    for adjoint in [
        LinearSolver::default(),
        LinearSolver::Neumann(Neumann::default()),
        LinearSolver::Truncated(Truncated { terms: 3, damping: 1.0 }),
        LinearSolver::Identity,
    ] {
        let (found, report) = by(adjoint.clone())?;
        let error = norm(found - exact.clone()) / norm(exact.clone());
        let applications = report.adjoint()[0].evaluations;
        println!("{adjoint}: {applications} applications of Jᵀ, off by {error:.1e}");
        let approximate = matches!(adjoint, LinearSolver::Truncated(_) | LinearSolver::Identity);
        assert_eq!(error > 1e-6, approximate);
    }
    // ANCHOR_END: compare

    // ANCHOR: escalate
    let config = tight.with_adjoint(Neumann::default()).with_escalate(true);
    let (_, report) = gradient(&scaled(1.0), &z, &config)?;
    let adjoint = &report.adjoint()[0];
    println!("{}: {}", adjoint.solvers.join(", then "), adjoint.escalation.as_deref().unwrap_or("no need"));
    assert_eq!(adjoint.solvers, ["neumann", "gmres"]);
    assert!(adjoint.outcomes.iter().all(|outcome| outcome.is_converged()));
    // ANCHOR_END: escalate
    Ok(())
}
