//! Gradients of every setting in which a network uses a layer.

use crate::reference::{assert_close, double, numbers};
use crate::update;
use banach::solve::{Anderson, Bicgstab, Dense, LinearSolver, Neumann, Outcome, Tolerance, Truncated};
use banach::{Engine, FixedPoint, FixedPointConfig, check};
use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};

fn tensor<const D: usize>(numbers: Vec<f64>, shape: [usize; D]) -> Tensor<D> {
    let (device, dtype) = double();
    Tensor::from_data(TensorData::new(numbers, shape), (&device, dtype))
}

fn some<const D: usize>(shape: [usize; D], seed: f64) -> Tensor<D> {
    let count = shape.iter().product();
    tensor((0..count).map(|at| (seed + 1.7 * at as f64).sin() * 0.5).collect(), shape)
}

/// x = tanh(x W + z): one parameter, whose derivative can be had by unrolling.
#[derive(Module, Debug)]
struct Cell {
    w: Param<Tensor<2>>,
}

update!(Cell, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (x.matmul(this.w.val()) * 0.7
    + z)
    .tanh());

fn cell(seed: f64) -> Cell {
    Cell { w: Param::from_tensor(some([3, 3], seed).autodiff().require_grad()) }
}

fn layer(cell: Cell) -> FixedPoint<Cell> {
    FixedPointConfig::new().with_tolerance(Tolerance::both(1e-13)).init(cell).unwrap()
}

fn unrolled(cell: &Cell, z: Tensor<2>) -> Tensor<2> {
    let mut x = z.zeros_like();
    for _ in 0..200 {
        x = (x.matmul(cell.w.val()) * 0.7 + z.clone()).tanh();
    }
    x
}

#[test]
fn a_gradient_equals_that_of_unrolling() {
    let z = some([4, 3], 0.3).autodiff().require_grad();
    let layer = layer(cell(1.0));
    let w = layer.update().w.val();
    let implicit = layer.forward(z.clone()).powi_scalar(3).sum().backward();
    let direct = unrolled(layer.update(), z.clone()).powi_scalar(3).sum().backward();
    for (a, b) in [(z.grad(&implicit), z.grad(&direct)), (w.grad(&implicit), w.grad(&direct))] {
        assert_close(&numbers(&a.unwrap()), &numbers(&b.unwrap()), 1e-10, "implicit against unrolled");
    }
}

#[test]
fn a_parameter_shared_with_another_layer_collects_both_gradients() {
    let shared = cell(1.0);
    let layer = layer(shared.clone());
    let z = some([2, 3], 0.9).autodiff();
    let w = shared.w.val();
    let both = (layer.forward(z.clone()).sum() + z.clone().matmul(w.clone()).sum()).backward();
    let first = layer.forward(z.clone()).sum().backward();
    let second = z.matmul(w.clone()).sum().backward();
    let [both, first, second] = [both, first, second].map(|gradients| w.grad(&gradients).unwrap());
    assert_close(&numbers(&both), &numbers(&(first + second)), 1e-12, "the sum of both uses");
}

/// A module that uses one parameter twice.
#[derive(Module, Debug)]
struct Twice {
    first: Cell,
    second: Cell,
}

update!(Twice, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (x
    .matmul(this.first.w.val() * 0.3 + this.second.w.val() * 0.4)
    + z)
    .tanh());

#[test]
fn a_parameter_that_stands_in_two_places_is_one_input() {
    let one = cell(1.0);
    let w = one.w.val();
    let z = some([2, 3], 0.4).autodiff();
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-13));
    let twice = config.init(Twice { first: one.clone(), second: one.clone() }).unwrap();
    let found = twice.forward(z.clone()).sum().backward();
    let expected = layer(one).forward(z.clone()).sum().backward();
    let [found, expected] = [found, expected].map(|gradients| numbers(&w.grad(&gradients).unwrap()));
    assert_close(&found, &expected, 1e-10, "0.3 w + 0.4 w = 0.7 w");
    assert_eq!(twice.program(z).unwrap().inputs().len(), 3);
}

#[test]
fn several_layers_and_several_calls_in_one_network() {
    let (a, b) = (layer(cell(1.0)), layer(cell(2.0)));
    let z = some([2, 3], 0.1).autodiff().require_grad();
    let [wa, wb] = [a.update().w.val(), b.update().w.val()];
    let found = (b.forward(a.forward(z.clone())) * a.forward(z.clone() * 2.0)).sum().backward();
    let direct =
        unrolled(b.update(), unrolled(a.update(), z.clone())) * unrolled(a.update(), z.clone() * 2.0);
    let expected = direct.sum().backward();
    for (name, tensor) in [("z", &z), ("first W", &wa), ("second W", &wb)] {
        let (found, expected) = (tensor.grad(&found).unwrap(), tensor.grad(&expected).unwrap());
        assert_close(&numbers(&found), &numbers(&expected), 1e-10, name);
    }
}

#[test]
fn gradients_reach_the_input_in_eval_mode() {
    let layer = layer(cell(1.0)).valid();
    let z = some([2, 3], 0.1).autodiff().require_grad();
    let found = layer.forward(z.clone()).sum().backward();
    let expected = unrolled(layer.update(), z.clone()).sum().backward();
    let [found, expected] = [found, expected].map(|gradients| numbers(&z.grad(&gradients).unwrap()));
    assert_close(&found, &expected, 1e-10, "eval mode");
}

#[test]
fn a_start_at_the_solution_still_gives_the_whole_derivative() {
    let layer = layer(cell(1.0));
    let z = some([2, 3], 0.1).autodiff().require_grad();
    let cold = layer.solve(z.clone()).unwrap();
    let warm = layer.solve_from(cold.value().clone().inner(), z.clone()).unwrap();
    assert!(warm.report().steps.iter().all(|&steps| steps == 0), "{:?}", warm.report().steps);
    let cold = z.grad(&cold.into_value().sum().backward()).unwrap();
    let warm = z.grad(&warm.into_value().sum().backward()).unwrap();
    assert_close(&numbers(&warm), &numbers(&cold), 1e-10, "warm start");
}

/// J = -slope cos(x̂): for 1.7 the Neumann series diverges.
#[derive(Module, Debug)]
struct Expanding {
    slope: f64,
}
update!(Expanding, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| z - x.sin() * this.slope);

#[test]
fn a_failing_adjoint_solver_is_replaced_and_the_reason_recorded() {
    let config = FixedPointConfig::new().with_adjoint(Neumann::default());
    let config = config.with_tolerance(Tolerance::both(1e-12));
    let layer = config.init(Expanding { slope: 1.7 }).unwrap();
    let z = tensor(vec![0.3, -0.2], [2, 1]).autodiff().require_grad();
    let solution = layer.solve(z.clone()).unwrap();
    let (x, report) = (numbers(solution.value()), solution.report().clone());
    let gradients = solution.into_value().sum().backward();
    let expected: Vec<f64> = x.iter().map(|x| 1.0 / (1.0 + 1.7 * x.cos())).collect();
    assert_close(&numbers(&z.grad(&gradients).unwrap()), &expected, 1e-9, "1 / (1 + 1.7 cos x̂)");
    let adjoint = &report.adjoint()[0];
    assert_eq!(adjoint.solvers, ["neumann", "gmres"]);
    assert_eq!(adjoint.escalation.as_deref(), Some("neumann left 2 of 2 rows unsolved"));
    assert_eq!(layer.statistics().escalations, 1);
}

#[test]
fn every_exact_adjoint_solver_gives_the_same_gradient() {
    for solver in [
        LinearSolver::Bicgstab(Bicgstab::default()),
        LinearSolver::Dense(Dense::default()),
        LinearSolver::Anderson(Anderson::default()),
    ] {
        for engine in [Engine::Native, Engine::Device] {
            let config = FixedPointConfig::new().with_adjoint(solver.clone()).with_engine(engine);
            let layer = config.with_tolerance(Tolerance::both(1e-12)).init(Expanding { slope: 1.7 }).unwrap();
            let z = tensor(vec![0.3, -0.2], [2, 1]).autodiff().require_grad();
            let x = layer.solve(z.clone()).unwrap().into_value();
            let expected: Vec<f64> = numbers(&x).iter().map(|x| 1.0 / (1.0 + 1.7 * x.cos())).collect();
            let found = numbers(&z.grad(&x.sum().backward()).unwrap());
            assert_close(&found, &expected, 1e-9, "1 / (1 + 1.7 cos x̂)");
            assert_eq!(layer.statistics().escalations, 0, "{solver}");
        }
    }
}

#[test]
fn an_approximate_adjoint_is_given_as_asked_and_is_no_failure() {
    let truncated = LinearSolver::Truncated(Truncated { terms: 3, damping: 1.0 });
    for (solver, terms) in [(LinearSolver::Identity, 1), (truncated, 3)] {
        let layer = FixedPointConfig::new().with_adjoint(solver).with_tolerance(Tolerance::both(1e-12));
        let layer = layer.init(Expanding { slope: 0.6 }).unwrap();
        let z = tensor(vec![0.3, -0.2], [2, 1]).autodiff().require_grad();
        let solution = layer.solve(z.clone()).unwrap();
        let (x, report) = (numbers(solution.value()), solution.report().clone());
        let expected: Vec<f64> =
            x.iter().map(|x| (0..terms).map(|k| (-0.6 * x.cos()).powi(k)).sum()).collect();
        let gradients = solution.into_value().sum().backward();
        assert_close(&numbers(&z.grad(&gradients).unwrap()), &expected, 1e-9, "so many terms of the series");
        let adjoint = &report.adjoint()[0];
        assert_eq!(
            (adjoint.outcomes.as_slice(), &adjoint.escalation),
            ([Outcome::Approximate; 2].as_slice(), &None)
        );
        let statistics = layer.statistics();
        assert_eq!((statistics.escalations, statistics.adjoint_unconverged_rows), (0, 0));
    }
}

#[test]
fn the_public_check_agrees_on_right_gradients() {
    let found = check::gradients(&layer(cell(1.0)), some([4, 3], 0.3)).unwrap();
    assert!(found.agrees(1e-6), "{found:?}");
    assert!(found.unrolled.is_some());
}
