//! Every outcome, and the best iterate returned with it.

use crate::{anderson, newton, picard, plain_solvers, posed, tensor, tensor_in, tight, values, zoo};
use banach_solve::{
    Budget, Error, FixedPointSolver, Outcome, Progress, Settings, Tolerance, fixed_point,
    fixed_point_observed,
};
use burn::tensor::{DType, Tensor};
use std::cell::Cell;
use std::ops::ControlFlow;

fn half(x: &Tensor<2>) -> Tensor<2> {
    x.clone() * 0.5 + 1.0
}

#[test]
fn converged_at_the_start_is_one_evaluation_and_no_step() {
    for settings in plain_solvers() {
        let problem = zoo("settled");
        let (map, x0) = posed(&problem);
        let solution = fixed_point(&map, &x0, &tight(settings)).unwrap();
        assert!(solution.converged());
        assert_eq!((solution.statistics.evaluations, solution.statistics.steps[0]), (1, 0));
    }
}

#[test]
fn the_last_point_is_looked_at() {
    // The exact answer is reached by the last step allowed.
    let solution = fixed_point(
        &|x: &Tensor<2>| x.zeros_like(),
        &tensor(1, &[5.0]),
        &picard().with_budget(Budget::steps(1)),
    );
    assert!(solution.unwrap().converged());
}

#[test]
fn a_spent_budget_of_steps_is_a_step_limit() {
    let solution =
        fixed_point(&half, &tensor(1, &[0.0]), &tight(picard()).with_budget(Budget::steps(3))).unwrap();
    assert_eq!(solution.outcomes, [Outcome::StepLimit]);
    assert_eq!(values(&solution.value), [1.75]);
    assert_eq!((solution.statistics.steps[0], solution.statistics.evaluations), (3, 4));
}

#[test]
fn a_spent_budget_of_evaluations_is_an_evaluation_limit() {
    let budget = Budget { steps: 100, evaluations: Some(3), ..Budget::default() };
    let solution = fixed_point(&half, &tensor(1, &[0.0]), &tight(picard()).with_budget(budget)).unwrap();
    assert_eq!(solution.outcomes, [Outcome::EvaluationLimit]);
    assert_eq!(solution.statistics.evaluations, 3);
}

#[test]
fn slow_is_not_stalled_but_a_standstill_is() {
    let slow = |x: &Tensor<2>| x.clone() * 0.999 + 0.001;
    let solution =
        fixed_point(&slow, &tensor(1, &[5.0]), &tight(picard()).with_budget(Budget::steps(20_000))).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    let still = |x: &Tensor<2>| x.clone() + 1.0;
    let solution = fixed_point(&still, &tensor(1, &[5.0]), &picard()).unwrap();
    assert_eq!((solution.outcomes[0], solution.statistics.steps[0]), (Outcome::Stalled, 50));
    assert_eq!(values(&solution.value), [5.0], "the first of equally good points");
    let patient = Settings { patience: None, ..picard() };
    assert_eq!(fixed_point(&still, &tensor(1, &[5.0]), &patient).unwrap().outcomes, [Outcome::StepLimit]);
}

#[test]
fn growth_without_bounds_is_diverged_and_returns_the_start() {
    let solution =
        fixed_point(&|x: &Tensor<2>| x.clone() * 3.0 + 1.0, &tensor(1, &[1.0]), &picard()).unwrap();
    assert_eq!(solution.outcomes, [Outcome::Diverged]);
    assert_eq!(values(&solution.value), [1.0]);
    let unguarded =
        Settings { divergence: None, patience: None, ..picard() }.with_budget(Budget::steps(9999));
    let solution =
        fixed_point(&|x: &Tensor<2>| x.clone() * 3.0 + 1.0, &tensor(1, &[1.0]), &unguarded).unwrap();
    assert_eq!(solution.outcomes, [Outcome::NonFinite]);
}

#[test]
fn divergence_in_single_precision_is_seen_before_overflow() {
    let x0 = tensor_in(DType::F32, 1, &[1.0, 2.0]);
    let solution = fixed_point(&|x: &Tensor<2>| x.clone() * 1e10, &x0, &picard()).unwrap();
    assert_eq!(solution.outcomes, [Outcome::Diverged], "{}", solution.explain());
}

#[test]
fn the_best_point_survives_a_later_nan() {
    for settings in plain_solvers() {
        let problem = zoo("not_a_number");
        let (map, x0) = posed(&problem);
        let solution = fixed_point(&map, &x0, &tight(settings)).unwrap();
        assert_eq!(solution.outcomes, [Outcome::Converged, Outcome::NonFinite, Outcome::Converged]);
        let x = values(&solution.value);
        assert!(x[1] > 1.0 && x[1] <= 1.9, "a good point before the NaN, not {}", x[1]);
        let residual = (values(&map(&solution.value))[1] - x[1]).abs();
        assert!(residual < 0.6 && (residual - solution.statistics.residuals[1]).abs() < 1e-15);
    }
}

#[test]
fn a_start_that_is_not_finite_is_reported_at_once_and_alone() {
    for settings in plain_solvers() {
        let x0 = tensor(3, &[0.0, f64::NAN, f64::INFINITY]);
        let solution = fixed_point(&half, &x0, &tight(settings)).unwrap();
        assert_eq!(solution.outcomes, [Outcome::Converged, Outcome::NonFinite, Outcome::NonFinite]);
        assert_eq!(&solution.statistics.steps[1..], [0, 0]);
        assert!(solution.statistics.residuals[1].is_nan());
        assert!((values(&solution.value)[0] - 2.0).abs() < 1e-9);
    }
}

#[test]
fn an_observer_sees_every_step_and_may_stop() {
    let seen = Cell::new(0);
    let mut observer = |progress: &Progress<'_>| {
        assert_eq!((progress.step, progress.evaluations), (seen.get(), seen.get() + 1));
        seen.set(seen.get() + 1);
        if progress.step == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let settings = Settings { trace: true, ..tight(picard()) };
    let solution = fixed_point_observed(&half, &tensor(1, &[0.0]), &settings, &mut observer).unwrap();
    assert_eq!((solution.outcomes[0], seen.get()), (Outcome::Stopped, 5));
    let trace = solution.statistics.trace.unwrap();
    let residuals: Vec<f64> = trace.iter().map(|record| record.residuals[0]).collect();
    assert_eq!(residuals, [1.0, 0.5, 0.25, 0.125, 0.0625]);
}

#[test]
fn a_failed_row_is_named_in_the_error_and_in_the_explanation() {
    let rates = tensor(3, &[0.5, 1.0, 2.0]);
    let map = |x: &Tensor<2>| x.clone() * rates.clone() + 1.0;
    let solution = fixed_point(&map, &tensor(3, &[0.0; 3]), &picard()).unwrap();
    assert_eq!(solution.outcomes, [Outcome::Converged, Outcome::Stalled, Outcome::Diverged]);
    assert_eq!((solution.unconverged(), solution.count(Outcome::Diverged)), (2, 1));
    let text = solution.explain();
    assert!(
        text.contains("1 of 3 rows converged") && text.contains("row 1") && text.contains("row 2"),
        "{text}"
    );
    let Err(Error::Unconverged { row, outcome, failed, .. }) = solution.into_converged() else {
        panic!("converged")
    };
    assert_eq!((row, outcome, failed), (1, Outcome::Stalled, 2));
}

#[test]
fn advice_names_real_settings_only() {
    let known =
        [picard(), anderson(), newton()].map(|settings| serde_json::to_string(&settings).unwrap()).concat()
            + &crate::linear::every()
                .map(|solver| serde_json::to_string(&Settings::new(solver)).unwrap())
                .concat();
    for outcome in Outcome::ALL {
        for (index, name) in outcome.advice().split('`').enumerate().filter(|(index, _)| index % 2 == 1) {
            for part in name.split('.') {
                assert!(
                    known.contains(&format!("\"{part}\":")),
                    "{outcome}: `{name}` ({index}) is no setting"
                );
            }
        }
    }
}

#[test]
fn nothing_to_solve_is_solved() {
    let solvers = plain_solvers();
    for settings in &solvers {
        let device = burn::tensor::Device::flex();
        let none = Tensor::<2>::zeros([0, 3], &device);
        let solution = fixed_point(&half, &none, settings).unwrap();
        assert!(solution.converged() && solution.outcomes.is_empty());
        let empty = Tensor::<2>::zeros([2, 0], &device);
        let solution = fixed_point(&half, &empty, settings).unwrap();
        assert_eq!(
            (solution.outcomes.as_slice(), solution.statistics.evaluations),
            ([Outcome::Converged; 2].as_slice(), 0)
        );
    }
    let names = solvers.map(|settings| settings.solver.to_string());
    assert_eq!(names, ["picard", "anderson", "broyden", "squarem", "auto"]);
    assert_eq!(FixedPointSolver::default().to_string(), "anderson");
}

#[test]
fn a_map_that_changes_the_shape_is_refused() {
    let wide = |x: &Tensor<2>| Tensor::cat(vec![x.clone(), x.clone()], 1);
    let error = fixed_point(&wide, &tensor(1, &[1.0]), &picard()).unwrap_err();
    assert_eq!(error, Error::Shape { found: [1, 2], expected: [1, 1] });
}

#[test]
fn a_state_that_grows_beside_its_residual_has_not_converged() {
    // Maps without an answer, which leave until a step is a small part of x, or is lost in its rounding.
    let shifted = |x: &Tensor<2>| x.clone() + tensor_in(x.dtype(), 1, &[0.1, 0.7, 0.3]);
    let waved = |x: &Tensor<2>| x.clone() + x.clone().cos() + tensor_in(x.dtype(), 1, &[2.0, 2.3, 1.7]);
    let maps: [&dyn Fn(&Tensor<2>) -> Tensor<2>; 2] = [&shifted, &waved];
    for (dtype, relative) in [(DType::F32, 1e-4), (DType::F32, 1e-6), (DType::F64, 1e-4), (DType::F64, 1e-9)]
    {
        for (map, mut settings) in maps.iter().flat_map(|map| plain_solvers().map(|settings| (map, settings)))
        {
            settings.patience = None;
            let tolerance = Tolerance { absolute: 0.0, relative, ..Tolerance::default() };
            let settings = settings.with_tolerance(tolerance).with_budget(Budget::steps(2000));
            let solution = fixed_point(map, &tensor_in(dtype, 1, &[0.0; 3]), &settings).unwrap();
            assert!(!solution.converged(), "{dtype:?} {}: {}", settings.solver, solution.explain());
        }
    }
}

#[test]
fn a_row_that_says_it_has_converged_has_most_of_a_long_way_behind_it() {
    // At 10⁴ a step of one is a small part of x, and the answer is a million.
    let map = |x: &Tensor<2>| x.clone() * (1.0 - 1e-6) + 1.0;
    let rough = Tolerance { absolute: 0.0, relative: 1e-3, ..Tolerance::default() };
    for settings in plain_solvers() {
        let settings = settings.with_tolerance(rough).with_budget(Budget::steps(3000));
        let solution = fixed_point(&map, &tensor(1, &[0.0]), &settings).unwrap();
        let found = values(&solution.value)[0];
        assert!(!solution.converged() || found > 8.9e5, "{found}: {}", solution.explain());
    }
}
