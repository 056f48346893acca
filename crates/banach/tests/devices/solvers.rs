//! Every solver and every adjoint on the problems of the zoo, and the transfers of a layer.

use crate::{device, largest_difference, spread};
use banach::solve::{
    Anderson, Auto, Bicgstab, Broyden, ConjugateGradient, Dense, FixedPointSolver, Gmres, LinearSolver,
    Neumann, Newton, Outcome, Picard, Settings, Squarem, Tolerance, Truncated, fixed_point_deferred,
};
use banach::{Engine, FixedPoint, FixedPointConfig, Update};
use banach_zoo::Problem;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

#[derive(Module, Debug)]
struct Named {
    #[module(skip)]
    problem: Problem,
    #[module(skip)]
    device: Device,
}

impl Update for Named {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, _: &Tensor<2>) -> Tensor<2> {
        self.problem.x0(&self.device, DType::F32)
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (self.problem.map)(x, z)
    }
}

/// How a problem ended on a device: outcomes, solution and derivative.
fn ended(
    problem: &Problem,
    config: &FixedPointConfig,
    device: &Device,
) -> (Vec<Outcome>, Vec<f64>, Vec<f64>) {
    let named = Named { problem: problem.clone(), device: device.clone() };
    let layer: FixedPoint<Named> = config.clone().with_engine(Engine::Device).init(named).unwrap();
    let z = problem.z(device, DType::F32).autodiff().require_grad();
    let solution = layer.solve(z.clone()).unwrap();
    let outcomes = solution.report().outcomes.clone();
    let x = solution.into_value();
    let numbers = |x: &Tensor<2>| x.clone().into_data().iter::<f64>().collect::<Vec<_>>();
    let gradients = x.clone().sum().backward();
    let slopes = z.grad(&gradients).map(|slopes| numbers(&slopes)).unwrap_or_default();
    (outcomes, numbers(&x), slopes)
}

fn forwards() -> [FixedPointSolver; 7] {
    [
        FixedPointSolver::Picard(Picard::default()),
        FixedPointSolver::Anderson(Anderson::default()),
        FixedPointSolver::Anderson(Anderson { window: 2, mixing: 0.8, ..Anderson::default() }),
        FixedPointSolver::Broyden(Broyden::default()),
        FixedPointSolver::Squarem(Squarem::default()),
        FixedPointSolver::Auto(Auto::default()),
        FixedPointSolver::Newton(Newton::default()),
    ]
}

fn adjoints() -> [LinearSolver; 9] {
    [
        LinearSolver::Neumann(Neumann::default()),
        LinearSolver::Gmres(Gmres::default()),
        LinearSolver::Gmres(Gmres::new(3)),
        LinearSolver::Anderson(Anderson::default()),
        LinearSolver::Broyden(Broyden::default()),
        LinearSolver::Bicgstab(Bicgstab::default()),
        LinearSolver::Dense(Dense::default()),
        LinearSolver::ConjugateGradient(ConjugateGradient::default()),
        LinearSolver::Truncated(Truncated { terms: 3, damping: 1.0 }),
    ]
}

/// Problems of the zoo that are solved by plain iteration in a moderate number of steps, and rows without a solution.
fn problems() -> Vec<Problem> {
    let names = [
        "cosine",
        "kepler",
        "affine",
        "affine_matrix",
        "symmetric",
        "layer",
        "not_a_number",
        "expanding_rows",
        "two_answers",
    ];
    names.map(|name| banach_zoo::named(name).unwrap()).into()
}

fn mistakes(name: &str, problem: &Problem, config: &FixedPointConfig) -> Vec<String> {
    let (expected, x, slopes) = ended(problem, config, &Device::flex());
    let (outcomes, found, gradient) = ended(problem, config, &device());
    let mut wrong = Vec::new();
    if outcomes != expected {
        wrong.push(format!("{name}: {outcomes:?}, expected {expected:?}"));
        return wrong;
    }
    let converged = |row: &usize| expected[*row].is_converged();
    for row in (0..expected.len()).filter(converged) {
        for (what, found, expected) in [("x", &found, &x), ("the derivative", &gradient, &slopes)] {
            let width = found.len() / outcomes.len();
            let of_row = row * width..(row + 1) * width;
            let apart = largest_difference(&found[of_row.clone()], &expected[of_row]);
            if apart > 2e-3 {
                wrong.push(format!("{name}: {what} of row {row} is off by {apart:e}"));
            }
        }
    }
    wrong
}

#[test]
fn every_solver_ends_as_on_the_processor() {
    let mut wrong = Vec::new();
    let config = || FixedPointConfig::new().with_tolerance(Tolerance::both(1e-5)).with_max_steps(300);
    for problem in problems() {
        for solver in forwards() {
            let name = format!("{} by {solver}", problem.name);
            wrong.extend(mistakes(&name, &problem, &config().with_solver(solver)));
        }
        for adjoint in adjoints() {
            let name = format!("{} with {adjoint}", problem.name);
            wrong.extend(mistakes(&name, &problem, &config().with_adjoint(adjoint)));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Rows of one block of a kernel and of several, windows with a kernel and one that is too long for it.
#[test]
fn anderson_takes_the_steps_of_the_processor_in_every_width_and_window() {
    for (width, window) in [(3, 1), (3, 5), (2048, 2), (5000, 1), (5000, 5), (5000, 12), (40, 13)] {
        let settings = Settings::new(FixedPointSolver::Anderson(Anderson::new(window)))
            .with_tolerance(Tolerance::both(1e-5));
        // Rows that contract slowly and fast, and turn.
        let solved = |device: &Device| {
            let rates = Tensor::<1>::from_floats([0.1, 0.8, -0.9, 0.5], device).reshape([4, 1]);
            let z = spread([4, width], 3, device);
            let map = |x: &Tensor<2>| (x.clone() * rates.clone() + z.clone() * 0.3).sin() + z.clone();
            fixed_point_deferred(&map, &z.zeros_like(), &settings, None).unwrap()
        };
        let (found, expected) = (solved(&device()), solved(&Device::flex()));
        let name = format!("width {width}, window {window}");
        assert_eq!(found.outcomes, expected.outcomes, "{name}: {}", expected.explain());
        for (steps, wanted) in found.statistics.steps.iter().zip(&expected.statistics.steps) {
            assert!(steps.abs_diff(*wanted) <= 2, "{name}: {found:?}, expected {expected:?}");
        }
        let [found, expected] =
            [found, expected].map(|solution| solution.value.into_data().iter::<f64>().collect::<Vec<_>>());
        assert!(largest_difference(&found, &expected) < 1e-4, "{name}");
    }
}

/// A launch has at most 65535 blocks along an axis, and a kernel one of them for each row.
#[test]
fn rows_beyond_one_launch_are_solved_as_well() {
    for solver in
        [FixedPointSolver::Picard(Picard::default()), FixedPointSolver::Anderson(Anderson::default())]
    {
        let settings = Settings::new(solver).with_tolerance(Tolerance::both(1e-5));
        let solved = |device: &Device| {
            let z = spread([70_000, 2], 5, device);
            let map = |x: &Tensor<2>| (x.clone() * 0.5 + z.clone()).sin();
            let solution = fixed_point_deferred(&map, &z.zeros_like(), &settings, None).unwrap();
            assert!(solution.converged(), "{}", solution.explain());
            solution.value.into_data().iter::<f64>().collect::<Vec<_>>()
        };
        assert!(largest_difference(&solved(&device()), &solved(&Device::flex())) < 1e-4);
    }
}
