//! Norms of rows, and the limit on time.

use crate::energy::Quadratic;
use crate::state::State;
use crate::{anderson, broyden, newton, picard, plain_solvers, squarem, tensor, tight};
use banach_solve::{
    Budget, ConjugateGradient, Error, FixedPointSolver, LinearSolver, Matrix, Neumann, Newton, NewtonInner,
    Norm, Outcome, Settings, Tolerance, fixed_point, fixed_point_smooth, solve_linear,
};
use burn::tensor::Tensor;

const NORMS: [Norm; 3] = [Norm::Euclidean, Norm::RootMeanSquare, Norm::Maximum];

fn measured<R: State>() {
    // From zero, F = (3, -4, 0, 0) and g = (3, -4, 0, 0): 5, 2.5 and 4 of absolute tolerance are just enough.
    let map = |x: &R| R::of(&(x.tensor() * 0.5 + tensor(1, &[3.0, -4.0, 0.0, 0.0])));
    let x0 = R::of(&tensor(1, &[0.0; 4]));
    for settings in plain_solvers() {
        for (norm, enough) in NORMS.into_iter().zip([5.0, 2.5, 4.0]) {
            for (absolute, steps) in [(1.0001 * enough, 0), (0.9999 * enough, 1)] {
                let tolerance = Tolerance { absolute, relative: 0.0, norm };
                let settings = settings.clone().with_tolerance(tolerance);
                let solution = fixed_point(&map, &x0, &settings).expect("valid settings");
                let found = &solution.statistics;
                let name = format!("{norm:?} by {}", settings.solver);
                assert_eq!((solution.converged(), found.steps[0]), (true, steps), "{name}");
                let residual = if steps == 0 { enough } else { enough / 2.0 };
                assert!((found.residuals[0] - residual).abs() < 1e-12, "{name}: {}", found.residuals[0]);
            }
        }
    }
}

#[test]
fn a_row_is_converged_in_the_norm_that_was_chosen() {
    measured::<Tensor<2>>();
    measured::<Matrix<f64>>();
}

#[test]
fn solvers_step_alike_in_every_norm() {
    // Where sizes do not matter, the residuals differ by a factor and the steps not at all.
    let map = |x: &Tensor<2>| x.clone().sin() * -1.7 + 0.3;
    for settings in [picard(), anderson(), broyden(), squarem()] {
        let found = NORMS.map(|norm| {
            let tolerance = Tolerance { absolute: 0.0, relative: 1e-10, norm };
            let settings = settings.clone().with_tolerance(tolerance).with_budget(Budget::steps(20));
            let solution = fixed_point(&map, &tensor(2, &[0.0; 6]), &settings).unwrap();
            (crate::values(&solution.value), solution.outcomes, solution.statistics.evaluations)
        });
        assert!(found[0] == found[1] && found[0] == found[2], "{}: {found:?}", settings.solver);
    }
}

#[test]
fn what_is_not_a_number_is_so_in_every_norm() {
    let map = |x: &Tensor<2>| x.clone() * 0.5 + tensor(2, &[1.0, f64::NAN, 1.0, 1.0]);
    for norm in NORMS {
        let settings = tight(picard());
        let settings = settings.clone().with_tolerance(Tolerance { norm, ..settings.tolerance });
        let solution = fixed_point(&map, &tensor(2, &[0.0; 4]), &settings).unwrap();
        assert_eq!(solution.outcomes, [Outcome::NonFinite, Outcome::Converged], "{norm:?}");
        assert!(solution.statistics.residuals[0].is_nan(), "{norm:?}");
    }
}

#[test]
fn newton_is_measured_too_and_linear_solvers_are_in_the_euclidean_norm_alone() {
    let (map, x0) = (Quadratic::new(2, 30), tensor(2, &[0.0; 60]));
    for norm in NORMS {
        let settings = newton().with_tolerance(Tolerance { absolute: 0.0, relative: 1e-12, norm });
        let solution = fixed_point_smooth(&map, &x0, &settings).unwrap();
        assert!(solution.converged(), "{norm:?}: {}", solution.explain());
        let off = crate::values(&(solution.value - map.answer.clone()));
        assert!(off.iter().all(|off| off.abs() < 1e-4), "{norm:?}");
    }
    for norm in [Norm::RootMeanSquare, Norm::Maximum] {
        let settings =
            Settings::<LinearSolver>::default().with_tolerance(Tolerance { norm, ..Tolerance::default() });
        let error = solve_linear(&|c: &Tensor<2>| c.clone() * 0.5, &x0, &settings).unwrap_err();
        assert!(matches!(error, Error::Setting { setting: "tolerance.norm", .. }), "{error}");
    }
}

/// A time that is over before it has begun, and one that never is.
const TIMES: [(f64, bool); 2] = [(f64::MIN_POSITIVE, true), (1e9, false)];

#[test]
fn when_the_time_is_over_rows_end_with_the_best_so_far() {
    for (seconds, over) in TIMES {
        let budget = Budget { seconds: Some(seconds), ..Budget::default() };
        for settings in plain_solvers() {
            let map = |x: &Tensor<2>| x.clone() * 0.5 + tensor(2, &[1.0, 0.0]);
            let settings = tight(settings).with_budget(budget);
            let solution = fixed_point(&map, &tensor(2, &[0.0, 0.0]), &settings).unwrap();
            let first = if over { Outcome::TimeLimit } else { Outcome::Converged };
            assert_eq!(solution.outcomes, [first, Outcome::Converged], "{}", settings.solver);
            if over {
                assert_eq!((solution.statistics.evaluations, solution.statistics.residuals[0]), (1, 1.0));
                assert!(solution.explain().contains("`budget.seconds`"), "{}", solution.explain());
            }
        }
        let (map, x0) = (Quadratic::new(2, 30), tensor(2, &[0.0; 60]));
        let dense = Newton { inner: NewtonInner::Dense { limit: 30 }, ..Newton::default() };
        for settings in [newton(), Settings::new(FixedPointSolver::Newton(dense))] {
            let solution = fixed_point_smooth(&map, &x0, &tight(settings).with_budget(budget)).unwrap();
            let expected = if over { Outcome::TimeLimit } else { Outcome::Converged };
            assert_eq!(solution.outcomes, [expected; 2], "{}", solution.explain());
        }
        let linear = [
            LinearSolver::default(),
            LinearSolver::Neumann(Neumann::default()),
            LinearSolver::ConjugateGradient(ConjugateGradient::default()),
        ];
        for solver in linear {
            let settings = Settings::new(solver).with_budget(budget);
            let v = tensor(2, &[1.0, 2.0, 0.0, 0.0]);
            let solution = solve_linear(&|c: &Tensor<2>| c.clone() * 0.5, &v, &settings).unwrap();
            let first = if over { Outcome::TimeLimit } else { Outcome::Converged };
            assert_eq!(solution.outcomes, [first, Outcome::Converged], "{}", settings.solver);
        }
    }
}

#[test]
fn times_that_allow_nothing_are_refused() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let budget = Budget { seconds: Some(bad), ..Budget::default() };
        let Err(Error::Setting { setting, .. }) = budget.validate() else { panic!("{bad} was let pass") };
        assert_eq!(setting, "budget.seconds");
    }
}

#[test]
fn norm_and_time_are_read_and_what_is_not_known_is_refused() {
    let text = r#"{"tolerance": {"norm": "root_mean_square"}, "budget": {"seconds": 2.5}}"#;
    let settings: Settings<FixedPointSolver> = serde_json::from_str(text).unwrap();
    assert_eq!((settings.tolerance.norm, settings.budget.seconds), (Norm::RootMeanSquare, Some(2.5)));
    for text in [r#"{"tolerance": {"norm": "manhattan"}}"#, r#"{"budget": {"minutes": 1}}"#] {
        assert!(serde_json::from_str::<Settings<FixedPointSolver>>(text).is_err(), "{text}");
    }
}
