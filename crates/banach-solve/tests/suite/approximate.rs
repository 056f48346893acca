//! Approximate solvers: their results, and their outcomes.

use crate::{tensor, values};
use banach_solve::{
    Budget, Error, LinearSolver, Matrix, Outcome, Outcome::*, Progress, Rows, Settings, Solution, Truncated,
    Unobserved, solve_linear, solve_linear_from, solve_linear_observed,
};
use burn::tensor::Tensor;
use std::cell::Cell;
use std::ops::ControlFlow;

fn truncated(terms: usize, damping: f64) -> Settings<LinearSolver> {
    Settings::new(LinearSolver::Truncated(Truncated { terms, damping }))
}

fn identity() -> Settings<LinearSolver> {
    Settings::new(LinearSolver::Identity)
}

/// `A` of a row that turns, and of one that shrinks.
fn map(c: &Tensor<2>) -> Tensor<2> {
    c.clone().flip([1]) * tensor(2, &[-0.8, 0.8, 0.5, 0.2])
}

fn v() -> Tensor<2> {
    tensor(2, &[1.0, -2.0, 0.3, 4.0])
}

#[test]
fn the_sum_of_so_many_damped_terms_is_returned() {
    for (terms, damping) in [(1, 1.0), (1, 0.3), (2, 1.0), (3, 0.5), (7, 0.9)] {
        let solution = solve_linear(&map, &v(), &truncated(terms, damping)).unwrap();
        // λ (v + B v + ... ), with B = λ A + (1 - λ) I.
        let (mut term, mut sum) = (v(), v().zeros());
        for _ in 0..terms {
            sum = sum + term.clone() * damping;
            term = map(&term) * damping + term * (1.0 - damping);
        }
        let off = values(&(sum - solution.value.clone()));
        assert!(off.iter().all(|off| off.abs() < 1e-14), "{terms} {damping}: {off:?}");
        assert_eq!(solution.outcomes, [Approximate; 2]);
        assert_eq!(
            (solution.statistics.evaluations, &solution.statistics.steps),
            (terms - 1, &vec![terms; 2])
        );
    }
}

#[test]
fn from_a_guess_every_term_is_a_step_from_there() {
    let guess = tensor(2, &[0.5, 0.5, -1.0, 2.0]);
    let solution = solve_linear_from(&map, &v(), Some(&guess), &truncated(3, 0.5), &mut Unobserved).unwrap();
    let step = |c: Tensor<2>| (map(&c) + v() + c) * 0.5;
    let off = values(&(step(step(step(guess))) - solution.value));
    assert!(off.iter().all(|off| off.abs() < 1e-14), "{off:?}");
    assert_eq!(solution.statistics.evaluations, 3);
}

#[test]
fn the_identity_is_v_without_any_application() {
    let never = |_: &Tensor<2>| -> Tensor<2> { panic!("the map was called") };
    let guess = tensor(2, &[9.0; 4]);
    for c0 in [None, Some(&guess)] {
        let solution = solve_linear_from(&never, &v(), c0, &identity(), &mut Unobserved).unwrap();
        assert_eq!(values(&solution.value), values(&v()));
        assert_eq!(
            (solution.outcomes.as_slice(), solution.statistics.evaluations),
            ([Approximate; 2].as_slice(), 0)
        );
        assert!(solution.statistics.residuals.iter().all(|residual| residual.is_nan()), "nobody looked");
    }
}

#[test]
fn approximate_is_neither_converged_nor_failed() {
    assert!(!Approximate.is_converged() && !Approximate.is_failure() && !Converged.is_failure());
    for failure in Outcome::ALL.into_iter().filter(|outcome| !matches!(outcome, Converged | Approximate)) {
        assert!(failure.is_failure() && !failure.is_converged(), "{failure}");
    }
    let solution = solve_linear(&map, &v(), &truncated(2, 1.0)).unwrap();
    assert!(!solution.converged() && solution.unconverged() == 2);
    let text = solution.explain();
    assert!(text.contains("2 approximate: nothing has failed") && !text.contains("NaN"), "{text}");
    let Err(Error::Unconverged { row, outcome, failed, .. }) = solution.into_converged() else {
        panic!("converged")
    };
    assert_eq!((row, outcome, failed), (0, Approximate, 2));
}

#[test]
fn rows_that_are_exact_or_lost_say_so() {
    let rates = tensor(4, &[0.5, f64::NAN, 0.5, 0.5]);
    let map = |c: &Tensor<2>| c.clone() * rates.clone();
    let v = tensor(4, &[0.0, 1.0, f64::NAN, 1.0]);
    for (settings, broken) in [(truncated(3, 0.5), NonFinite), (identity(), Approximate)] {
        let solution = solve_linear(&map, &v, &settings).unwrap();
        assert_eq!(solution.outcomes, [Converged, broken, NonFinite, Approximate], "{}", settings.solver);
        assert_eq!(solution.statistics.residuals[0], 0.0);
    }
    // The last sum is beyond the largest number, which nobody but the solver can see.
    let v = Matrix::new(2, 1, vec![1e38_f32, 1.0]);
    let map = |c: &Matrix<f32>| c.scaled(&[1e30; 2]);
    let solution = solve_linear(&map, &v, &truncated(2, 1.0)).unwrap();
    assert_eq!(solution.outcomes, [NonFinite, Approximate], "{}", solution.explain());
    assert!(solution.value.as_slice()[0].is_finite());
}

#[test]
fn budgets_and_observers_end_a_sum_early() {
    let steps = truncated(6, 0.5).with_budget(Budget::steps(3));
    let evaluations =
        truncated(6, 0.5).with_budget(Budget { steps: 99, evaluations: Some(3), ..Budget::default() });
    let ended = |solution: Solution<Tensor<2>>| -> (Outcome, usize) {
        (solution.outcomes[1], solution.statistics.steps[1])
    };
    assert_eq!(ended(solve_linear(&map, &v(), &steps).unwrap()), (StepLimit, 3));
    assert_eq!(ended(solve_linear(&map, &v(), &evaluations).unwrap()), (EvaluationLimit, 3));
    let seen = Cell::new(0);
    let mut observer = |progress: &Progress<'_>| {
        assert_eq!(progress.step, seen.get());
        seen.set(seen.get() + 1);
        if progress.step == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let solution = solve_linear_observed(&map, &v(), &truncated(6, 0.5), &mut observer).unwrap();
    assert_eq!(ended(solution), (Stopped, 2));
    let count = Cell::new(0);
    let mut observer = |progress: &Progress<'_>| {
        count.set(count.get() + 1);
        assert_eq!(progress.residuals[0].is_nan(), progress.step == 4, "the last sum is not looked at");
        ControlFlow::Continue(())
    };
    let solution = solve_linear_observed(&map, &v(), &truncated(4, 0.5), &mut observer).unwrap();
    assert_eq!((count.get(), solution.outcomes[0]), (5, Approximate));
}
