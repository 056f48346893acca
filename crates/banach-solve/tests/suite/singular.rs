//! Singular and nearly singular systems, and their outcomes.

use crate::energy::scattered;
use crate::{tensor, tensor_in, values};
use banach_solve::{
    Bicgstab, Budget, Dense, Error, Gmres, LinearSolver, Matrix, Outcome::*, Rows, Settings, Tolerance,
    solve_linear,
};
use burn::tensor::{DType, Tensor};

fn tight(solver: LinearSolver) -> Settings<LinearSolver> {
    Settings::new(solver).with_tolerance(Tolerance::both(1e-10))
}

fn gmres(restart: usize) -> Settings<LinearSolver> {
    tight(LinearSolver::Gmres(Gmres { restart }))
}

fn dense() -> Settings<LinearSolver> {
    tight(LinearSolver::Dense(Dense::default()))
}

fn bicgstab() -> Settings<LinearSolver> {
    tight(LinearSolver::Bicgstab(Bicgstab::default()))
}

/// `c -> c A` with these entries, row after row.
fn times(dtype: DType, n: usize, entries: &[f64]) -> impl Fn(&Tensor<2>) -> Tensor<2> + use<> {
    let a = tensor_in(dtype, n, entries);
    move |c: &Tensor<2>| c.clone().matmul(a.clone())
}

/// `I - L Rᵀ` of `rank` random columns each, so that `I - A` has this rank.
fn deficient(n: usize, rank: usize) -> Vec<f64> {
    let factor = |seed: usize, i: usize, k: usize| scattered(seed + i * rank + k);
    let product = |i: usize, j: usize| (0..rank).map(|k| factor(0, i, k) * factor(5000, j, k)).sum::<f64>();
    (0..n * n).map(|k| f64::from(k / n == k % n) - product(k / n, k % n)).collect()
}

#[test]
fn a_system_of_less_than_full_rank_is_never_called_solved_without_an_answer() {
    for dtype in [DType::F32, DType::F64] {
        for n in [2, 10, 40] {
            let map = times(dtype, n, &deficient(n, n - 1));
            let v = tensor_in(dtype, 1, &(0..n).map(|k| scattered(9000 + k)).collect::<Vec<_>>());
            let tolerance = Tolerance {
                absolute: 0.0,
                relative: if dtype == DType::F32 { 1e-5 } else { 1e-10 },
                ..Tolerance::default()
            };
            let solve = |settings: Settings<LinearSolver>| {
                solve_linear(&map, &v, &settings.with_tolerance(tolerance)).expect("valid settings")
            };
            let solution = solve(dense());
            assert_eq!(solution.outcomes, [Singular], "{dtype:?} {n}: {}", solution.explain());
            assert!(solution.explain().contains("row 0"));
            assert_eq!(values(&solution.value), vec![0.0; n], "the start is the best point");
            for settings in [gmres(30), gmres(50), gmres(4)] {
                let solution = solve(settings);
                let story = format!("{dtype:?} {n}: {}", solution.explain());
                assert!(matches!(solution.outcomes[0], Stalled | StepLimit), "{story}");
                assert!(story.contains("row 0"), "{story}");
            }
            let solution = solve(bicgstab());
            assert!(solution.outcomes[0].is_failure(), "{dtype:?} {n}: {}", solution.explain());
        }
    }
}

#[test]
fn a_row_is_singular_by_its_condition_and_not_by_a_pivot() {
    // 1 - a, for one number a row: from rounding alone to well above it.
    let gaps = [0.0, 2.2e-16, 1e-15, 1e-13, 1e-6, 1.0];
    let rates = tensor(6, &gaps.map(|gap| 1.0 - gap));
    let map = |c: &Tensor<2>| c.clone() * rates.clone();
    let solution = solve_linear(&map, &tensor(6, &[1.0; 6]), &dense()).unwrap();
    assert_eq!(solution.outcomes, [Singular, Singular, Singular, Converged, Converged, Converged]);
    // Rows of very different lengths are regular all the same.
    let map = times(DType::F64, 2, &[1.0 - 1e-9, 0.0, 0.0, 1.0 - 1e9]);
    let solution = solve_linear(&map, &tensor(1, &[1.0, 1.0]), &dense()).unwrap();
    let rounding_of_the_large = Singular;
    assert_eq!(solution.outcomes, [rounding_of_the_large]);
    let map = times(DType::F64, 2, &[1.0 - 1e-3, 0.0, 0.0, 1.0 - 1e3]);
    let solution = solve_linear(&map, &tensor(1, &[1.0, 1.0]), &dense()).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    assert!((values(&solution.value)[0] - 1e3).abs() < 1e-6);
}

#[test]
fn one_refinement_brings_single_precision_to_its_tolerance() {
    let n = 60;
    let entries: Vec<f64> = (0..n * n).map(|k| 3.0 * scattered(k)).collect();
    let map = times(DType::F32, n, &entries);
    let v = tensor_in(DType::F32, 3, &(0..3 * n).map(|k| scattered(20_000 + k)).collect::<Vec<_>>());
    let settings =
        dense().with_tolerance(Tolerance { absolute: 0.0, relative: 1e-5, ..Tolerance::default() });
    let solution = solve_linear(&map, &v, &settings).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    assert!(solution.statistics.evaluations <= n + 2);
    // What the precision cannot give is not claimed.
    let settings =
        dense().with_tolerance(Tolerance { absolute: 0.0, relative: 1e-12, ..Tolerance::default() });
    let solution = solve_linear(&map, &v, &settings).unwrap();
    assert_eq!(solution.outcomes, [Stalled; 3]);
    assert_eq!((solution.statistics.evaluations, &solution.statistics.steps), (n + 2, &vec![2; 3]));
    assert!(solution.statistics.relative.iter().all(|relative| *relative < 1e-4), "{}", solution.explain());
    let once = solve_linear(&map, &v, &settings.with_budget(Budget::steps(1))).unwrap();
    assert_eq!(once.outcomes, [StepLimit; 3]);
    let refined = solution.statistics.relative.iter().zip(&once.statistics.relative);
    assert!(refined.clone().all(|(two, one)| two <= one), "{:?}", refined.collect::<Vec<_>>());
}

#[test]
fn a_state_too_wide_to_be_written_down_is_refused_and_a_budget_too_small_is_spent_on_nothing() {
    let v = Matrix::new(2, 5, vec![1.0_f64; 10]);
    let map = |c: &Matrix<f64>| c.scaled(&[0.5; 2]);
    let small = Settings::new(LinearSolver::Dense(Dense { limit: 4 }));
    let error = solve_linear(&map, &v, &small).unwrap_err();
    assert_eq!(error, Error::Wide { setting: "dense.limit", width: 5, limit: 4 });
    let text = error.to_string();
    assert!(
        text.contains("n = 5") && text.contains("GMRES") && text.contains("`dense.limit` is 4"),
        "{text}"
    );
    for limit in 1..9 {
        let budget = Budget { steps: 9, evaluations: Some(limit), ..Budget::default() };
        let solution = solve_linear(&map, &v, &dense().with_budget(budget)).unwrap();
        let (expected, spent) = if limit < 6 { (EvaluationLimit, 0) } else { (Converged, 6) };
        assert_eq!((solution.outcomes[0], solution.statistics.evaluations), (expected, spent), "{limit}");
    }
}

#[test]
fn gmres_ends_in_the_step_in_which_its_space_is_complete() {
    // Two eigenvalues: two steps, however wide.
    let rates: Vec<f64> = (0..20).map(|k| if k % 3 == 0 { 0.5 } else { -4.0 }).collect();
    let a = tensor(1, &rates);
    let map = |c: &Tensor<2>| c.clone() * a.clone();
    let solution = solve_linear(&map, &tensor(1, &[1.0; 20]), &gmres(30)).unwrap();
    assert_eq!((solution.outcomes[0], solution.statistics.steps[0]), (Converged, 2));
    // An eigenvector: one step. With a tolerance of zero, rounding decides, and it says so.
    let v = tensor(1, &[0.0, 3.0]);
    let a = tensor(1, &[0.1, 0.3]);
    let map = |c: &Tensor<2>| c.clone() * a.clone();
    let solution = solve_linear(&map, &v, &gmres(30)).unwrap();
    assert_eq!((solution.outcomes[0], solution.statistics.steps[0]), (Converged, 1));
    let exact = gmres(30).with_tolerance(Tolerance { absolute: 0.0, relative: 0.0, ..Tolerance::default() });
    let solution = solve_linear(&map, &v, &exact).unwrap();
    assert!(matches!(solution.outcomes[0], Converged | Stalled), "{}", solution.explain());
    assert!(solution.statistics.relative[0] <= f64::EPSILON, "{}", solution.explain());
}

#[test]
fn gmres_goes_on_where_it_restarted() {
    let n = 24;
    let entries: Vec<f64> = (0..n * n).map(|k| 0.15 * scattered(k)).collect();
    let map = times(DType::F64, n, &entries);
    let v = tensor(1, &(0..n).map(|k| scattered(700 + k)).collect::<Vec<_>>());
    let whole = solve_linear(&map, &v, &gmres(30)).unwrap();
    for restart in [1, 2, 3, 7] {
        let solution = solve_linear(&map, &v, &gmres(restart)).unwrap();
        assert!(solution.converged(), "{restart}: {}", solution.explain());
        let (steps, spent) = (solution.statistics.steps[0], solution.statistics.evaluations);
        assert_eq!(spent, steps + steps.div_ceil(restart), "a look at the end of every cycle");
        assert!(steps >= whole.statistics.steps[0]);
        let off = values(&(solution.value - whole.value.clone()));
        assert!(off.iter().all(|off| off.abs() < 1e-8), "{restart}: {off:?}");
    }
}

#[test]
fn bicgstab_starts_again_where_it_breaks_down_and_gives_up_in_words() {
    // ⟨v, (I - A) v⟩ = 0: the first shadow residual does not do.
    let map = times(DType::F64, 2, &[1.0, 1.0, -1.0, 1.0]);
    let v = tensor(1, &[1.0, 2.0]);
    let none = tight(LinearSolver::Bicgstab(Bicgstab { restarts: 0 }));
    let solution = solve_linear(&map, &v, &none).unwrap();
    assert_eq!(solution.outcomes, [Breakdown], "{}", solution.explain());
    let text = solution.explain();
    assert!(text.contains("row 0") && text.contains("GMRES"), "{text}");
    let solution = solve_linear(&map, &v, &bicgstab()).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    let c = values(&solution.value);
    assert!((c[0] + 2.0).abs() < 1e-9 && (c[1] - 1.0).abs() < 1e-9, "{c:?}");
}

#[test]
fn bicgstab_works_at_every_scale() {
    let a = tensor_in(DType::F32, 1, &[0.9, 0.5, -0.3]);
    let map = |c: &Tensor<2>| c.clone() * a.clone() + c.clone().flip([1]) * 0.05;
    for scale in [1e-15, 1.0, 1e30] {
        let v = tensor_in(DType::F32, 1, &[scale, 2.0 * scale, -scale]);
        let settings =
            bicgstab().with_tolerance(Tolerance { absolute: 0.0, relative: 1e-5, ..Tolerance::default() });
        let solution = solve_linear(&map, &v, &settings).unwrap();
        assert!(solution.converged(), "{scale}: {}", solution.explain());
        let left = v.clone() + map(&solution.value) - solution.value;
        let size = R::norms(&[&left.clone()])[0][0] / R::norms(&[&v])[0][0];
        assert!(size < 2e-5, "{scale}: {size}");
    }
}

/// The rows of these tests.
type R = Tensor<2>;

#[test]
fn budgets_end_bicgstab_with_a_residual_that_is_true() {
    let n = 24;
    let entries: Vec<f64> = (0..n * n).map(|k| 0.15 * scattered(k)).collect();
    let map = times(DType::F64, n, &entries);
    let v = tensor(1, &(0..n).map(|k| scattered(700 + k)).collect::<Vec<_>>());
    for limit in 1..40 {
        let budget = Budget { steps: 100, evaluations: Some(limit), ..Budget::default() };
        let solution = solve_linear(&map, &v, &bicgstab().with_budget(budget)).unwrap();
        let spent = solution.statistics.evaluations;
        assert!(spent <= limit && (solution.converged() || spent + 2 >= limit), "{limit}: {spent}");
        let left = v.clone() + map(&solution.value) - solution.value;
        let off = R::norms(&[&left])[0][0] - solution.statistics.residuals[0];
        assert!(off.abs() < 1e-12, "{limit}: {off:e}");
    }
}
