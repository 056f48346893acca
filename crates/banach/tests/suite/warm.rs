//! Warm starts: cached states and adjoints, and gradients that do not depend on them.

use crate::corners::{config, some, weight};
use crate::reference::{assert_close, numbers};
use crate::update;
use banach::solve::{Bicgstab, LinearSolver, Neumann, Newton, Outcome, Picard, Truncated};
use banach::{Engine, Error, FixedPoint, FixedPointConfig, Function, OnFailure, WarmStarts};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};

pub(crate) const ENGINES: [Engine; 2] = [Engine::Native, Engine::Device];

/// x = tanh(0.4 x W + z)
#[derive(Module, Debug)]
pub(crate) struct Cell {
    pub(crate) w: Param<Tensor<2>>,
}

update!(Cell, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (x
    .matmul(this.w.val())
    .mul_scalar(0.4)
    + z)
    .tanh());

fn cell(config: &FixedPointConfig) -> FixedPoint<Cell> {
    config.init(Cell { w: weight([4, 4]) }).unwrap()
}

fn input(seed: f64) -> Tensor<2> {
    some([3, 4], seed).autodiff().require_grad()
}

/// The gradients of z and W of `⟨v, x̂⟩`.
fn gradients(layer: &FixedPoint<Cell>, z: &Tensor<2>, x: Tensor<2>, v: Tensor<2>) -> (Vec<f64>, Vec<f64>) {
    let found = (x * v.autodiff()).sum().backward();
    (numbers(&z.grad(&found).unwrap()), numbers(&layer.update().w.val().grad(&found).unwrap()))
}

#[test]
fn a_sample_that_returns_begins_where_it_ended_forward_and_backward() {
    for engine in ENGINES {
        let (layer, warm) = (cell(&config().with_engine(engine)), WarmStarts::new(10).unwrap());
        let solve = || {
            let z = input(0.1);
            let solution = layer.solve_warm(z.clone(), &[7, 3, 1], &warm).unwrap();
            let report = solution.report().clone();
            let value = numbers(solution.value());
            let found = gradients(&layer, &z, solution.into_value(), some([3, 4], 0.7));
            (value, found, report)
        };
        let (cold, again) = (solve(), solve());
        assert_eq!((&cold.0, warm.len(), warm.bytes()), (&again.0, 3, 2 * 3 * 4 * 8), "{engine:?}");
        assert!(cold.2.steps.iter().all(|steps| *steps > 3), "{:?}", cold.2.steps);
        assert_eq!((&again.2.steps, again.2.evaluations), (&vec![0; 3], 1));
        assert!(cold.2.adjoint()[0].steps.iter().all(|steps| *steps > 0));
        assert_eq!((&again.2.adjoint()[0].steps, again.2.adjoint()[0].evaluations), (&vec![0; 3], 1));
        assert_close(&again.1.0, &cold.1.0, 1e-11, "the gradient of z");
        assert_close(&again.1.1, &cold.1.1, 1e-11, "the gradient of W");
        let found = warm.statistics();
        assert_eq!((found.hits, found.misses, found.adjoint_hits, found.adjoint_misses), (3, 3, 3, 3));
        let found = layer.take_statistics();
        assert_eq!((found.solves, found.rows, found.warm_rows, found.adjoint_rows), (2, 6, 3, 6));
    }
}

#[test]
fn gradients_do_not_depend_on_where_a_solve_begins() {
    let solvers = [
        LinearSolver::default(),
        LinearSolver::Neumann(Neumann::default()),
        LinearSolver::Bicgstab(Bicgstab::default()),
    ];
    for (engine, solver) in ENGINES.into_iter().flat_map(|e| solvers.clone().map(|solver| (e, solver))) {
        let (layer, warm) =
            (cell(&config().with_engine(engine).with_adjoint(solver)), WarmStarts::new(3).unwrap());
        let ids = [0, 1, 2];
        // What is remembered is of another z and another cotangent.
        let solution = layer.solve_warm(input(0.3), &ids, &warm).unwrap();
        let _ = solution.into_value().square().sum().backward();
        let (z, v) = (input(0.1), some([3, 4], 0.7));
        let x = layer.solve_warm(z.clone(), &ids, &warm).unwrap().into_value();
        let found = gradients(&layer, &z, x, v.clone());
        assert_eq!((warm.statistics().hits, warm.statistics().adjoint_hits), (3, 3));
        let expected = gradients(&layer, &z, layer.forward(z.clone()), v.clone());
        assert_close(&found.0, &expected.0, 1e-9, "the gradient of z");
        assert_close(&found.1, &expected.1, 1e-9, "the gradient of W");
        let t = some([3, 4], 2.9);
        let at = |step: f64| {
            let x = layer.forward(z.clone().inner() + t.clone() * step);
            numbers(&(x.inner() * v.clone()).sum())[0]
        };
        let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
        let along: f64 = found.0.iter().zip(numbers(&t)).map(|(gradient, t)| gradient * t).sum();
        assert!((along - difference).abs() < 1e-7, "{along} {difference}");
    }
}

#[test]
fn a_start_at_the_solution_still_has_the_whole_derivative_in_forward_mode() {
    let layer = config().init(Root {}).unwrap();
    let (z, x) = (column(vec![2.0, 0.75, 6.0]), column(vec![2.0, 1.5, 3.0]));
    let function = Function::of(&(x.clone(), z.clone()), |(x0, z): (Tensor<2>, Tensor<2>)| {
        layer.solve_from(x0, z).unwrap().into_value()
    });
    let t = column(vec![1.0, -2.0, 0.5]);
    let pushed: Tensor<2> = function.unwrap().jvp_of(&[1]).call((x, z, t)).unwrap();
    assert_eq!(layer.statistics().forward_steps, 0);
    assert_close(&numbers(&pushed), &[1.0 / 3.0, -1.0, 0.1], 1e-10, "t / (2 x̂ - 1)");
}

#[test]
fn newtons_method_begins_at_what_is_remembered() {
    let config = config().with_solver(Newton::default());
    let (layer, warm) = (cell(&config), WarmStarts::new(3).unwrap());
    let first = layer.solve_warm(input(0.1), &[0, 1, 2], &warm).unwrap();
    let again = layer.solve_warm(input(0.1), &[0, 1, 2], &warm).unwrap();
    assert!(first.report().steps.iter().all(|steps| *steps > 0));
    assert_eq!(again.report().steps, [0; 3]);
}

#[test]
fn the_sample_not_used_for_the_longest_time_is_forgotten_first() {
    let (layer, warm) = (cell(&config()), WarmStarts::new(2).unwrap());
    let steps = |id: u64| {
        let solution = layer.solve_warm(some([1, 4], id as f64), &[id], &warm).unwrap();
        solution.report().steps[0]
    };
    assert!(steps(1) > 0 && steps(2) > 0);
    assert_eq!(steps(1), 0);
    assert!(steps(3) > 0); // In the place of 2.
    assert_eq!((steps(1), steps(3), warm.len(), warm.statistics().evictions), (0, 0, 2, 1));
    assert!(steps(2) > 0); // In the place of 1.
    assert_eq!((steps(3), steps(2)), (0, 0));
    warm.clear();
    assert!(warm.is_empty() && warm.bytes() == 0 && steps(2) > 0);
    // A batch of more samples than there is room for: the last are kept.
    let _ = layer.solve_warm(some([3, 4], 0.0), &[4, 5, 6], &warm).unwrap();
    let again = layer.solve_warm(some([3, 4], 0.0), &[4, 5, 6], &warm).unwrap();
    assert_eq!((warm.len(), &again.report().steps[1..]), (2, [0, 0].as_slice()));
    assert!(again.report().steps[0] > 0);
}

/// x = sqrt(x + z): not a number where x + z < 0.
#[derive(Module, Debug)]
struct Root {}

update!(Root, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (x + z).sqrt());

pub(crate) fn column(numbers: Vec<f64>) -> Tensor<2> {
    let rows = numbers.len();
    Tensor::from_data(TensorData::new(numbers, [rows, 1]), (&Device::flex(), DType::F64))
}

#[test]
fn a_sample_that_fails_is_forgotten_and_leaves_the_others_alone() {
    for engine in ENGINES {
        let layer = config().with_engine(engine).init(Root {}).unwrap();
        let warm = WarmStarts::new(3).unwrap();
        let solve = |third: f64| {
            let z = column(vec![2.0, 0.75, third]).autodiff().require_grad();
            let solution = layer.solve_warm(z.clone(), &[0, 1, 2], &warm).unwrap();
            let (outcomes, steps) = (solution.report().outcomes.clone(), solution.report().steps.clone());
            let x = solution.into_value();
            let value = numbers(&x);
            (outcomes, steps, value, numbers(&z.grad(&x.sum().backward()).unwrap()))
        };
        let (expected, gradient) = ([2.0, 1.5, 3.0], [1.0 / 3.0, 0.5, 0.2]);
        assert_close(&solve(6.0).2, &expected, 1e-9, "all three");
        let (outcomes, steps, value, slopes) = solve(-40.0);
        assert_eq!(outcomes, [Outcome::Converged, Outcome::Converged, Outcome::NonFinite]);
        assert_eq!((&steps[..2], warm.len(), warm.bytes()), ([0, 0].as_slice(), 2, 2 * 2 * 8));
        assert_close(&value[..2], &expected[..2], 1e-9, "the others");
        assert_close(&slopes, &[gradient[0], gradient[1], 0.0], 1e-9, "the others' gradients");
        let (outcomes, steps, value, slopes) = solve(6.0);
        assert!(outcomes[2].is_converged() && steps[2] > 0, "{outcomes:?} {steps:?}");
        assert_close(&value, &expected, 1e-9, "all three again");
        assert_close(&slopes, &gradient, 1e-9, "all three gradients again");
        assert_eq!((solve(6.0).1, warm.len()), (vec![0, 0, 0], 3));
    }
}

#[test]
fn a_sample_out_of_steps_is_forgotten_too_and_where_failing_is_an_error() {
    let config = config().with_solver(Picard::default()).with_max_steps(3);
    let warm = WarmStarts::new(3).unwrap();
    let solution = cell(&config).solve_warm(input(0.1), &[0, 1, 2], &warm).unwrap();
    assert_eq!((&solution.report().outcomes, warm.len()), (&vec![Outcome::StepLimit; 3], 0));
    let _ = solution.into_value().sum().backward();
    assert!(warm.is_empty());

    let layer = config.with_max_steps(400).with_on_failure(OnFailure::Error).init(Root {}).unwrap();
    let _ = layer.solve_warm(column(vec![2.0, 6.0]), &[0, 1], &warm).unwrap();
    let error = layer.solve_warm(column(vec![2.0, -40.0]), &[0, 1], &warm).unwrap_err().to_string();
    assert!(error.contains("row 1"), "{error}");
    assert_eq!(warm.len(), 1);
    assert!(layer.solve_warm(column(vec![2.0, 6.0]), &[0, 1], &warm).unwrap().report().converged());
}

#[test]
fn of_an_id_at_several_rows_the_last_is_remembered() {
    let (layer, warm) = (cell(&config()), WarmStarts::new(4).unwrap());
    let both = some([2, 4], 0.4);
    let _ = layer.solve_warm(both.clone(), &[5, 5], &warm).unwrap();
    assert_eq!(warm.len(), 1);
    let (first, last) = (both.clone().narrow(0, 0, 1), both.narrow(0, 1, 1));
    assert_eq!(layer.solve_warm(last, &[5], &warm).unwrap().report().steps, [0]);
    assert!(layer.solve_warm(first, &[5], &warm).unwrap().report().steps[0] > 0);
    // A last row that fails forgets.
    let layer = config().init(Root {}).unwrap();
    let warm = WarmStarts::new(4).unwrap();
    let _ = layer.solve_warm(column(vec![2.0, -1.0]), &[5, 5], &warm).unwrap();
    assert!(warm.is_empty());
    let _ = layer.solve_warm(column(vec![-1.0, 2.0]), &[5, 5], &warm).unwrap();
    assert_eq!(warm.len(), 1);
}

#[test]
fn rows_without_anything_remembered_are_solved_as_alone() {
    for engine in ENGINES {
        let (layer, warm) = (cell(&config().with_engine(engine)), WarmStarts::new(9).unwrap());
        let z = some([3, 4], 0.4);
        let cold = layer.solve(z.clone()).unwrap();
        let _ = layer.solve_warm(z.clone().narrow(0, 1, 1), &[8], &warm).unwrap();
        let mixed = layer.solve_warm(z, &[6, 8, 7], &warm).unwrap();
        let (expected, found) = (&cold.report().steps, &mixed.report().steps);
        assert_eq!(found, &vec![expected[0], 0, expected[2]], "{engine:?}");
        assert_close(&numbers(mixed.value()), &numbers(cold.value()), 1e-11, "x̂");
        assert_eq!((layer.statistics().rows, layer.statistics().warm_rows), (7, 1));
    }
}

#[test]
fn adjoints_that_are_approximate_by_choice_begin_where_they_always_do() {
    let truncated = LinearSolver::Truncated(Truncated { terms: 2, ..Truncated::default() });
    for solver in [truncated, LinearSolver::Identity] {
        let warm = WarmStarts::new(3).unwrap();
        let exact = cell(&config());
        let solution = exact.solve_warm(input(0.1), &[0, 1, 2], &warm).unwrap();
        let _ = solution.into_value().sum().backward();
        let layer = config().with_adjoint(solver).init(exact.into_update()).unwrap();
        let (z, v) = (input(0.1), some([3, 4], 0.7));
        let expected = gradients(&layer, &z, layer.forward(z.clone()), v.clone());
        for _ in 0..3 {
            let x = layer.solve_warm(z.clone(), &[0, 1, 2], &warm).unwrap().into_value();
            let found = gradients(&layer, &z, x, v.clone());
            assert_close(&found.0, &expected.0, 1e-11, "the gradient of z");
            assert_close(&found.1, &expected.1, 1e-11, "the gradient of W");
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let error = WarmStarts::new(0).unwrap_err().to_string();
    assert!(error.contains("capacity") && error.contains('0'), "{error}");
    let (layer, warm) = (cell(&config()), WarmStarts::new(5).unwrap());
    let error = layer.solve_warm(input(0.1), &[0, 1], &warm).unwrap_err();
    assert_eq!(error, Error::Ids { found: 2, state: "f64[3, 4]".into() });
    let _ = layer.solve_warm(input(0.1), &[0, 1, 2], &warm).unwrap();
    let wider = config().init(Cell { w: weight([5, 5]) }).unwrap();
    let error = wider.solve_warm(some([2, 5], 0.1), &[9, 2], &warm).unwrap_err();
    let (found, expected) = ("f64[4]".to_string(), "f64[5]".to_string());
    assert_eq!(error, Error::Remembered { id: 2, found, expected });
    assert!(error.to_string().contains("sample 2"), "{error}");
    let single = config().init(Root {}).unwrap();
    let error = single.solve_warm(some([1, 4], 0.1).cast(DType::F32), &[1], &warm).unwrap_err();
    assert!(matches!(&error, Error::Remembered { id: 1, expected, .. } if expected == "f32[4]"), "{error}");
    assert_eq!((warm.len(), warm.statistics().misses), (3, 3));
    let mut refused = None;
    let _ = Function::of(&some([3, 4], 0.1), |z: Tensor<2>| {
        match single.solve_warm(z.clone(), &[0, 1, 2], &warm) {
            Ok(solution) => solution.into_value(),
            Err(error) => {
                refused = Some(error.to_string());
                z
            }
        }
    });
    assert!(refused.is_some_and(|error| error.contains("trace") && error.contains("solve_from")));
}

#[test]
fn a_batch_of_no_rows_remembers_nothing() {
    let (layer, warm) = (cell(&config()), WarmStarts::new(5).unwrap());
    let z = Tensor::<2>::zeros([0, 4], (&Device::flex(), DType::F64));
    assert!(layer.solve_warm(z, &[], &warm).unwrap().report().converged() && warm.is_empty());
}
