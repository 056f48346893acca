//! Every problem of the zoo as a layer: value and derivative, by every adjoint solver.

use crate::reference::{double, numbers};
use banach::solve::{Anderson, FixedPointSolver, Gmres, LinearSolver, Neumann, Newton, Picard, Tolerance};
use banach::{Engine, FixedPointConfig, Update};
use banach_zoo::Problem;
use burn::module::Module;
use burn::tensor::Tensor;

#[derive(Module, Debug)]
pub(crate) struct Named {
    #[module(skip)]
    pub(crate) problem: Problem,
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

#[test]
fn the_engine_ends_every_problem_as_the_device_does() {
    let solvers = [
        FixedPointSolver::Picard(Picard::default()),
        FixedPointSolver::Anderson(Anderson::default()),
        FixedPointSolver::Newton(Newton::default()),
    ];
    for (problem, solver) in
        banach_zoo::all().into_iter().flat_map(|p| solvers.clone().map(|s| (p.clone(), s)))
    {
        let name = format!("{} by {solver}", problem.name);
        let on = |engine: Engine| {
            let config = FixedPointConfig::new().with_solver(solver.clone()).with_engine(engine);
            let layer = config.init(Named { problem: problem.clone() }).unwrap();
            let (device, dtype) = double();
            let z = problem.z(&device, dtype).autodiff().require_grad();
            let solution = layer.solve(z.clone()).unwrap();
            let report = solution.report().clone();
            let x = numbers(solution.value());
            let gradients = solution.into_value().sum().backward();
            (report.outcomes.clone(), x, numbers(&z.grad(&gradients).unwrap()), report)
        };
        let (native, device) = (on(Engine::Native), on(Engine::Device));
        assert_eq!(native.0, device.0, "{name}: {:?} and {:?}", native.3, device.3);
        for row in (0..problem.start.rows).filter(|&row| native.0[row].is_converged()) {
            let columns = row * problem.start.columns..(row + 1) * problem.start.columns;
            assert!(close(&native.1[columns.clone()], &device.1[columns], 1e-3), "{name}: row {row}");
            let columns = row * problem.input.columns..(row + 1) * problem.input.columns;
            let (found, expected) = (&native.2[columns.clone()], &device.2[columns]);
            assert!(close(found, expected, 1e-2), "{name}: row {row}: {found:?}, {expected:?}");
        }
    }
}
