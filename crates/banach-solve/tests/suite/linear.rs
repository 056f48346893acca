//! Outcomes and costs of linear solvers.

use crate::state::{On, State};
use crate::{tensor, tensor_in, values, zoo};
use banach_solve::{
    Anderson, Bicgstab, Budget, ConjugateGradient, Dense, Error, Gmres, LinearSolver, Matrix, Neumann,
    Outcome, Outcome::*, Progress, Settings, Tolerance, Truncated, solve_linear, solve_linear_observed,
};
use burn::tensor::{DType, Device, Tensor};
use std::ops::ControlFlow;

type Linear = Settings<LinearSolver>;

fn gmres(restart: usize) -> Linear {
    tight(LinearSolver::Gmres(Gmres { restart }))
}

fn conjugate_gradient() -> Linear {
    tight(LinearSolver::ConjugateGradient(ConjugateGradient::default()))
}

fn neumann() -> Linear {
    tight(LinearSolver::Neumann(Neumann::default()))
}

fn tight(solver: LinearSolver) -> Linear {
    Settings::new(solver).with_tolerance(Tolerance::both(1e-10)).with_budget(Budget::steps(40_000))
}

/// Every linear solver, with its defaults.
pub(crate) fn every() -> [LinearSolver; 8] {
    [
        LinearSolver::Neumann(Neumann::default()),
        LinearSolver::Gmres(Gmres::default()),
        LinearSolver::Bicgstab(Bicgstab::default()),
        LinearSolver::ConjugateGradient(ConjugateGradient::default()),
        LinearSolver::Dense(Dense::default()),
        LinearSolver::Anderson(Anderson::default()),
        LinearSolver::Truncated(Truncated::default()),
        LinearSolver::Identity,
    ]
}

/// `‖v - (c - A c)‖` over all rows.
fn residual(map: &impl Fn(&Tensor<2>) -> Tensor<2>, c: &Tensor<2>, v: &Tensor<2>) -> f64 {
    values(&(v.clone() + map(c) - c.clone())).iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// The problem, and how the Neumann series, GMRES and conjugate gradients end.
const EXPECTED: &[(&str, Outcome, Outcome, Outcome)] = &[
    ("affine", Converged, Converged, Asymmetric),
    ("affine_large", Converged, Converged, Asymmetric),
    ("descent", Converged, Converged, Converged),
    ("heat", Converged, Converged, Converged),
    ("slow", Converged, Converged, Converged),
    ("rotation", Stalled, Converged, Asymmetric),
    ("many_answers", Stalled, Stalled, Indefinite),
];

#[test]
fn every_solver_ends_every_linear_problem_as_expected() {
    every_problem_ends_as_expected::<Tensor<2>>();
    every_problem_ends_as_expected::<Matrix<f64>>();
}

fn every_problem_ends_as_expected<R: State>() {
    for (name, by_neumann, by_gmres, by_conjugate_gradient) in EXPECTED {
        let problem = zoo(name);
        let z = problem.z(&Device::flex(), DType::F64).zeros_like();
        let map = |c: &Tensor<2>| problem.update(c, &z);
        let count = problem.start.values.len();
        let v: Vec<f64> = (0..count).map(|k| 1.0 + f64::sin(3.0 * k as f64)).collect();
        let v = tensor(problem.start.rows, &v);
        let solvers = [
            (neumann(), by_neumann),
            (gmres(30), by_gmres),
            (gmres(3), by_gmres),
            (conjugate_gradient(), by_conjugate_gradient),
        ];
        for (settings, expected) in solvers {
            let solution = solve_linear(&On(map), &R::of(&v), &settings).expect("the settings are valid");
            let story = format!("{name} by {:?}: {}", settings.solver, solution.explain());
            assert!(solution.outcomes.iter().all(|outcome| outcome == expected), "{story}");
            let found = residual(&map, &solution.value.tensor(), &v);
            assert!(!solution.converged() || found < 1e-8, "{story}: residual {found}");
            assert!(values(&solution.value.tensor()).iter().all(|value| value.is_finite()), "{story}");
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

        let conjugate = LinearSolver::ConjugateGradient(ConjugateGradient::default());
        let solution = solve_linear(&map, &tensor_in(dtype, 6, &v), &settings(conjugate)).unwrap();
        let expected = [Converged, Converged, Indefinite, Indefinite, NonFinite, Converged];
        assert_eq!(solution.outcomes, expected, "{}", solution.explain());
        assert_eq!(solution.statistics.steps[..2], [0, 2]);
        assert!(
            values(&solution.value)
                .iter()
                .take(4)
                .zip([0.0, 0.0, 2.0, 2.0 / 1.2])
                .all(|(c, answer)| (c - answer).abs() < 1e-5)
        );
    }
}

#[test]
fn asymmetry_is_told_from_rounding_in_every_row() {
    let n = 40;
    let numbers: Vec<f64> = (0..n * n).map(crate::energy::scattered).collect();
    let symmetric: Vec<f64> =
        (0..n * n).map(|k| 0.03 * (numbers[k] + numbers[(k % n) * n + k / n])).collect();
    let skewed: Vec<f64> = (0..n * n).map(|k| 0.03 * (numbers[k] - numbers[(k % n) * n + k / n])).collect();
    for (dtype, skew, expected) in [
        (DType::F64, 0.0, Converged),
        (DType::F64, 1e-6, Converged),
        (DType::F64, 0.1, Asymmetric),
        (DType::F64, 1.0, Asymmetric),
        (DType::F32, 0.0, Converged),
        (DType::F32, 0.1, Asymmetric),
    ] {
        let entries: Vec<f64> = symmetric.iter().zip(&skewed).map(|(even, odd)| even + skew * odd).collect();
        let a = tensor_in(dtype, n, &entries);
        let map = |c: &Tensor<2>| c.clone().matmul(a.clone());
        let v = tensor_in(dtype, 2, &numbers[..2 * n]);
        let settings = Settings { solver: conjugate_gradient().solver, ..Settings::default() };
        let solution = solve_linear(&map, &v, &settings).unwrap();
        assert_eq!(solution.outcomes, [expected; 2], "{dtype:?} {skew}: {}", solution.explain());
        let found = residual(&map, &solution.value, &v);
        let told = solution.statistics.residuals.iter().map(|value| value * value).sum::<f64>().sqrt();
        assert!((found - told).abs() < 1e-5 * (1.0 + told), "{found} against {told}");
    }
}

#[test]
fn a_map_that_is_nothing_but_rounding_is_not_called_asymmetric() {
    for dtype in [DType::F32, DType::F64] {
        let map = |c: &Tensor<2>| c.clone() - c.clone() / 3.7 * 3.7;
        let v = tensor_in(dtype, 1, &(0..50).map(crate::energy::scattered).collect::<Vec<_>>());
        let settings = Settings { solver: conjugate_gradient().solver, ..Settings::default() };
        let solution = solve_linear(&map, &v, &settings).unwrap();
        assert!(solution.converged(), "{}", solution.explain());
    }
}

#[test]
fn conjugate_gradients_work_at_every_scale() {
    let a = tensor_in(DType::F32, 1, &[0.9, 0.5, -0.3]);
    let map = |c: &Tensor<2>| c.clone() * a.clone();
    for scale in [1e-15, 1.0, 1e30] {
        let v = tensor_in(DType::F32, 1, &[scale, 2.0 * scale, -scale]);
        let settings = Settings { solver: conjugate_gradient().solver, ..Settings::default() };
        let settings =
            settings.with_tolerance(Tolerance { absolute: 0.0, relative: 1e-5, ..Tolerance::default() });
        let solution = solve_linear(&map, &v, &settings).unwrap();
        assert!(solution.converged(), "{scale}: {}", solution.explain());
        assert!((values(&solution.value)[0] / scale - 10.0).abs() < 1e-3, "{scale}");
    }
}

#[test]
fn budgets_and_observers_end_conjugate_gradients_with_a_known_residual() {
    let problem = zoo("heat");
    let z = problem.z(&Device::flex(), DType::F64).zeros_like();
    let map = |c: &Tensor<2>| problem.update(c, &z);
    let v = problem.z(&Device::flex(), DType::F64);
    for limit in 1..20 {
        let budget = Budget { steps: 100, evaluations: Some(limit), ..Budget::default() };
        let solution = solve_linear(&map, &v, &conjugate_gradient().with_budget(budget)).unwrap();
        let spent = solution.statistics.evaluations;
        assert!(spent <= limit && (solution.converged() || spent + 1 >= limit), "{limit}: {spent}");
        let found = residual(&map, &solution.value, &v);
        assert!((found - solution.statistics.residuals[0]).abs() < 1e-12, "{limit}: {found}");
    }
    let solution = solve_linear(&map, &v, &conjugate_gradient().with_budget(Budget::steps(3))).unwrap();
    assert_eq!((solution.outcomes[0], solution.statistics.steps[0]), (StepLimit, 3));
    assert_eq!(solution.statistics.evaluations, 6);
    let mut observer = |progress: &Progress<'_>| {
        if progress.step == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let solution = solve_linear_observed(&map, &v, &conjugate_gradient(), &mut observer).unwrap();
    assert_eq!((solution.outcomes[0], solution.statistics.steps[0]), (Stopped, 3));
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

    let budget = Budget { steps: 100, evaluations: Some(6), ..Budget::default() };
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
    for settings in every().map(Settings::new) {
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
    for settings in every().map(Settings::new) {
        if settings.solver == LinearSolver::Identity {
            continue; // It never calls the map.
        }
        let error = solve_linear(&narrow, &tensor(1, &[1.0, 2.0]), &settings).unwrap_err();
        assert_eq!(error, Error::Shape { found: [1, 1], expected: [1, 2] });
    }
}
