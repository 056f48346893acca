//! Are linear systems solved, and are those that cannot be solved told apart?

use crate::{tensor, tensor_in, values, zoo};
use banach_solve::{
    Budget, Error, Gmres, LinearSolver, Neumann, Outcome, Outcome::*, Progress, Settings, Tolerance,
    solve_linear, solve_linear_observed,
};
use burn::tensor::{DType, Device, Tensor};
use std::ops::ControlFlow;

type Linear = Settings<LinearSolver>;

fn gmres(restart: usize) -> Linear {
    tight(LinearSolver::Gmres(Gmres { restart }))
}

fn neumann() -> Linear {
    tight(LinearSolver::Neumann(Neumann::default()))
}

fn tight(solver: LinearSolver) -> Linear {
    Settings::new(solver).with_tolerance(Tolerance::both(1e-10)).with_budget(Budget::steps(40_000))
}

/// `‖v - (c - A c)‖` over all rows.
fn residual(map: &impl Fn(&Tensor<2>) -> Tensor<2>, c: &Tensor<2>, v: &Tensor<2>) -> f64 {
    values(&(v.clone() + map(c) - c.clone())).iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// The problem, whether the Neumann series ends well, and whether GMRES does.
const EXPECTED: &[(&str, Outcome, Outcome)] = &[
    ("affine", Converged, Converged),
    ("affine_large", Converged, Converged),
    ("descent", Converged, Converged),
    ("heat", Converged, Converged),
    ("slow", Converged, Converged),
    ("rotation", Stalled, Converged),
    ("many_answers", Stalled, Stalled),
];

#[test]
fn every_solver_ends_every_linear_problem_as_expected() {
    for (name, by_neumann, by_gmres) in EXPECTED {
        let problem = zoo(name);
        let z = problem.z(&Device::flex(), DType::F64).zeros_like();
        let map = |c: &Tensor<2>| problem.update(c, &z);
        let count = problem.start.values.len();
        let v: Vec<f64> = (0..count).map(|k| 1.0 + f64::sin(3.0 * k as f64)).collect();
        let v = tensor(problem.start.rows, &v);
        let solvers = [(neumann(), by_neumann), (gmres(30), by_gmres), (gmres(3), by_gmres)];
        for (settings, expected) in solvers {
            let solution = solve_linear(&map, &v, &settings).unwrap();
            let story = format!("{name} by {:?}: {}", settings.solver, solution.explain());
            assert!(solution.outcomes.iter().all(|outcome| outcome == expected), "{story}");
            let found = residual(&map, &solution.value, &v);
            assert!(!solution.converged() || found < 1e-8, "{story}: residual {found}");
            assert!(values(&solution.value).iter().all(|value| value.is_finite()), "{story}");
        }
    }
}

#[test]
fn rows_of_one_batch_have_their_own_fates() {
    // Zero, regular, singular, expanding, not a number, and singular with v in the range.
    let rates = [0.3, 0.1, 0.5, -0.2, 1.0, 1.0, 2.0, 3.0, 0.5, 0.5, 1.0, 0.5];
    let v = [0.0, 0.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, f64::NAN, 1.0, 0.0, 1.0];
    for dtype in [DType::F32, DType::F64] {
        let a = tensor_in(dtype, 6, &rates);
        let map = |c: &Tensor<2>| c.clone() * a.clone();
        let settings = |solver| Settings::new(solver).with_tolerance(Tolerance::both(1e-5));
        let solution =
            solve_linear(&map, &tensor_in(dtype, 6, &v), &settings(LinearSolver::default())).unwrap();
        let expected = [Converged, Converged, Stalled, Converged, NonFinite, Converged];
        assert_eq!(solution.outcomes, expected, "{}", solution.explain());
        assert_eq!(solution.statistics.steps, [0, 2, 1, 2, 0, 1]);
        let c = values(&solution.value);
        let answer = [0.0, 0.0, 2.0, 2.0 / 1.2, 0.0, 0.0, -1.0, -1.0];
        assert!(c.iter().zip(answer).all(|(c, answer)| (c - answer).abs() < 1e-5), "{c:?}");
        assert!((c[11] - 2.0).abs() < 1e-5);

        let series = LinearSolver::Neumann(Neumann::default());
        let solution = solve_linear(&map, &tensor_in(dtype, 6, &v), &settings(series)).unwrap();
        let expected = [Converged, Converged, Stalled, Diverged, NonFinite, Converged];
        assert_eq!(solution.outcomes, expected, "{}", solution.explain());
        assert_eq!(solution.statistics.steps[0], 0);
    }
}

#[test]
fn a_map_that_fails_later_leaves_the_best_point() {
    // The map is NaN for every vector but the first.
    let calls = std::cell::Cell::new(0);
    let map = |c: &Tensor<2>| {
        calls.set(calls.get() + 1);
        let image = c.clone() * tensor(2, &[0.5, 0.1, 0.5, 0.1]);
        if calls.get() == 2 { image * tensor(2, &[f64::NAN, 1.0]) } else { image }
    };
    let v = tensor(2, &[1.0, 2.0, 1.0, 2.0]);
    let solution = solve_linear(&map, &v, &gmres(30)).unwrap();
    assert_eq!(solution.outcomes, [NonFinite, Converged], "{}", solution.explain());
    let c = values(&solution.value);
    assert!(c.iter().all(|value| value.is_finite()) && c[0] != 0.0, "{c:?}");
    assert!(solution.statistics.residuals[0] < 5.0_f64.sqrt());
}

#[test]
fn a_few_terms_are_a_phantom_gradient() {
    let map = |c: &Tensor<2>| c.clone() * 0.5;
    let solution = solve_linear(&map, &tensor(1, &[1.0]), &neumann().with_budget(Budget::steps(3))).unwrap();
    assert_eq!((solution.outcomes[0], values(&solution.value)[0]), (StepLimit, 1.875));
}

#[test]
fn budgets_and_observers_end_gmres_with_its_best_point() {
    let problem = zoo("rotation");
    let z = problem.z(&Device::flex(), DType::F64).zeros_like();
    let map = |c: &Tensor<2>| problem.update(c, &z);
    let v = problem.z(&Device::flex(), DType::F64);
    let start = values(&v).iter().map(|value| value * value).sum::<f64>().sqrt();

    let solution = solve_linear(&map, &v, &gmres(30).with_budget(Budget::steps(4))).unwrap();
    assert_eq!((solution.outcomes[0], solution.statistics.steps[0]), (StepLimit, 4));
    assert_eq!(solution.statistics.evaluations, 5);
    let found = residual(&map, &solution.value, &v);
    assert!(found < start && (found - solution.statistics.residuals[0]).abs() < 1e-12 * start);

    let budget = Budget { steps: 100, evaluations: Some(6) };
    let solution = solve_linear(&map, &v, &gmres(30).with_budget(budget)).unwrap();
    assert_eq!((solution.outcomes[0], solution.statistics.evaluations), (EvaluationLimit, 6));

    let mut observer = |progress: &Progress<'_>| {
        if progress.step == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let solution = solve_linear_observed(&map, &v, &gmres(30), &mut observer).unwrap();
    assert_eq!((solution.outcomes[0], solution.statistics.steps[0]), (Stopped, 3));
}

#[test]
fn nothing_to_solve_is_solved() {
    for settings in [gmres(30), neumann()] {
        for shape in [[0, 3], [2, 0]] {
            let v = Tensor::<2>::zeros(shape, &Device::flex());
            let solution = solve_linear(&|c: &Tensor<2>| c.clone(), &v, &settings).unwrap();
            assert!(solution.converged() && solution.outcomes.len() == shape[0]);
        }
    }
}

#[test]
fn a_map_that_changes_the_shape_is_refused() {
    let narrow = |c: &Tensor<2>| c.clone().narrow(1, 0, 1);
    let error = solve_linear(&narrow, &tensor(1, &[1.0, 2.0]), &gmres(30)).unwrap_err();
    assert_eq!(error, Error::Shape { found: [1, 1], expected: [1, 2] });
}
