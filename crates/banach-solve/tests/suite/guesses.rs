//! Linear solves from a guess, useful or not finite.

use crate::energy::scattered;
use crate::state::State;
use crate::systems::{N, answer, batch, every, on_every_state, row, settings, solvers};
use banach_solve::{
    Error, LinearSolver, Matrix, Outcome::*, Settings, Truncated, Unobserved, solve_linear, solve_linear_from,
};
use burn::tensor::{DType, Tensor};

#[test]
fn a_guess_that_suffices_ends_at_once_and_a_near_one_saves_work() {
    on_every_state(guesses_help::<Tensor<2>>, guesses_help::<Matrix<f32>>, guesses_help::<Matrix<f64>>);
}

fn guesses_help<R: State>(dtype: DType) {
    for solver in solvers() {
        let settings = settings(solver, dtype);
        let (map, v, _) = batch::<R>(dtype, &[0]);
        let cold = solve_linear(&map, &v, &settings).expect("the settings are valid");
        assert!(cold.converged(), "{}: {}", settings.solver, cold.explain());
        let from = |c0: &R| {
            solve_linear_from(&map, &v, Some(c0), &settings, &mut Unobserved).expect("the settings are valid")
        };
        let again = from(&cold.value);
        let spent = &again.statistics;
        assert_eq!((again.outcomes[0], spent.steps[0], spent.evaluations), (Converged, 0, 1));
        assert_eq!(row(&again, 0).0, row(&cold, 0).0, "{}", settings.solver);
        let near = v.holding(&answer().iter().map(|c| c * (1.0 + 2e-4)).collect::<Vec<_>>());
        let near = from(&near);
        assert!(near.converged(), "{}: {}", settings.solver, near.explain());
        // A direct solver has the same work to do; the others have less.
        let saved = cold.statistics.evaluations.saturating_sub(near.statistics.evaluations);
        let direct = matches!(settings.solver, LinearSolver::Dense(_));
        assert!(direct || dtype == DType::F64 || saved > 0, "{}: {saved}", settings.solver);
        assert!(direct || near.statistics.steps <= cold.statistics.steps, "{}", settings.solver);
    }
}

#[test]
fn a_guess_that_is_not_finite_is_left_out_of_its_row_alone() {
    on_every_state(
        guesses_fail_alone::<Tensor<2>>,
        guesses_fail_alone::<Matrix<f32>>,
        guesses_fail_alone::<Matrix<f64>>,
    );
}

fn guesses_fail_alone<R: State>(dtype: DType) {
    for solver in solvers().into_iter().chain([LinearSolver::Truncated(Truncated::default())]) {
        let settings = settings(solver, dtype);
        let (map, v, systems) = batch::<R>(dtype, &every());
        let rows = systems.len();
        let mut guess: Vec<f64> = (0..rows * N).map(|k| 0.1 * scattered(7000 + k)).collect();
        let from = |guess: &[f64]| {
            solve_linear_from(&map, &v, Some(&v.holding(guess)), &settings, &mut Unobserved)
                .expect("valid settings")
        };
        let sound = from(&guess);
        guess[N + 3] = f64::NAN;
        guess[2 * N] = f64::INFINITY;
        let found = from(&guess);
        let cold = solve_linear(&map, &v, &settings).expect("the settings are valid");
        for (which, system) in systems.iter().enumerate() {
            let expected = if which == 1 || which == 2 { &cold } else { &sound };
            let mut expected = row(expected, which);
            // In a sum from a guess, the first term takes a step of its own.
            if matches!(settings.solver, LinearSolver::Truncated(_)) {
                expected.2 = row(&found, which).2;
            }
            assert_eq!(row(&found, which), expected, "{} by {}", system.name, settings.solver);
        }
    }
}

#[test]
fn a_guess_of_another_shape_is_refused() {
    let (map, v, _) = batch::<Matrix<f64>>(DType::F64, &[0, 1]);
    for solver in solvers() {
        let guess = Matrix::zeros(1, N);
        let error =
            solve_linear_from(&map, &v, Some(&guess), &Settings::new(solver), &mut Unobserved).unwrap_err();
        assert_eq!(error, Error::Guess { found: [1, N], expected: [2, N] });
    }
}
