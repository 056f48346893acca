//! Every problem of the zoo as a layer: value and derivative, by every adjoint solver.

use crate::reference::{double, numbers};
use banach::solve::{Anderson, FixedPointSolver, Gmres, LinearSolver, Neumann, Tolerance};
use banach::{FixedPointConfig, Update};
use banach_zoo::Problem;
use burn::module::Module;
use burn::tensor::Tensor;

#[derive(Module, Debug)]
struct Named {
    #[module(skip)]
    problem: Problem,
}

impl Update for Named {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, _: &Tensor<2>) -> Tensor<2> {
        let (device, dtype) = double();
        self.problem.x0(&device, dtype)
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (self.problem.map)(x, z)
    }
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) -> bool {
    found.iter().zip(expected).all(|(a, b)| b.is_nan() || (a - b).abs() <= tolerance * b.abs().max(1.0))
}

#[test]
fn every_problem_with_a_derivative_gives_it_by_every_adjoint_solver() {
    let adjoints = [LinearSolver::Neumann(Neumann::default()), LinearSolver::Gmres(Gmres::default())];
    let forward = FixedPointSolver::Anderson(Anderson { window: 10, ..Anderson::default() });
    let mut seen = 0;
    for problem in banach_zoo::all() {
        let (Some(answer), Some(derivative)) = (problem.answer.clone(), problem.derivative.clone()) else {
            continue;
        };
        for adjoint in &adjoints {
            let config = FixedPointConfig::new().with_solver(forward.clone()).with_adjoint(adjoint.clone());
            let config = config.with_tolerance(Tolerance::both(1e-12)).with_max_steps(20_000);
            let layer = config.init(Named { problem: problem.clone() }).unwrap();
            let (device, dtype) = double();
            let z = problem.z(&device, dtype).autodiff().require_grad();
            let solution = layer.solve(z.clone()).unwrap();
            let name = format!("{} by {adjoint}", problem.name);
            assert!(
                close(&numbers(solution.value()), &answer, 1e-8),
                "{name}: {}",
                solution.report().explain()
            );
            let report = solution.report().clone();
            let gradients = solution.into_value().sum().backward();
            let found = numbers(&z.grad(&gradients).unwrap());
            assert!(
                close(&found, &derivative, 1e-6),
                "{name}: {found:?}, expected {derivative:?}; {report:?}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 30, "only {seen} cases had a derivative");
}
