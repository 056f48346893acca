//! Convergence rates against their theoretical values, and their explanation.

use crate::state::{On, State};
use crate::{anderson, damped, picard, tensor, tight};
use banach_solve::{
    Budget, Gmres, LinearSolver, Matrix, Neumann, Outcome, Settings, Tolerance, fixed_point, solve_linear,
};
use burn::tensor::Tensor;

fn rows_have_the_rates_of_their_slopes<R: State>() {
    let slopes = [0.9, 0.5, 0.0, -0.7, 1.0];
    let factors = tensor(5, &slopes);
    let map = On(move |x: &Tensor<2>| x.clone() * factors.clone() + 1.0);
    let x0 = R::of(&tensor(5, &[0.0; 5]));
    let solution = fixed_point(&map, &x0, &tight(picard())).expect("the settings are valid");
    let rates = &solution.statistics.rates;
    assert!(rates.iter().zip(slopes).all(|(rate, slope)| (rate - slope.abs()).abs() < 1e-3), "{rates:?}");
    let solution = fixed_point(&map, &x0, &tight(damped(0.5))).expect("the settings are valid");
    let rates = &solution.statistics.rates;
    assert!((rates[0] - 0.95).abs() < 1e-3 && (rates[3] - 0.15).abs() < 1e-3, "{rates:?}");
}

#[test]
fn rates_of_plain_iteration_are_the_slopes() {
    rows_have_the_rates_of_their_slopes::<Tensor<2>>();
    rows_have_the_rates_of_their_slopes::<Matrix<f64>>();
}

#[test]
fn a_turn_that_shrinks_has_the_modulus_of_its_eigenvalues() {
    let matrix = tensor(2, &[0.0, 0.8, -0.8, 0.0]);
    let map = |x: &Tensor<2>| x.clone().matmul(matrix.clone()) + 1.0;
    let solution = fixed_point(&map, &tensor(1, &[0.0, 3.0]), &tight(picard())).unwrap();
    assert!((solution.statistics.rates[0] - 0.8).abs() < 1e-6, "{:?}", solution.statistics.rates);
}

#[test]
fn a_row_has_the_same_rate_beside_others_and_none_without_a_step() {
    let run = |slopes: &[f64], x0: &[f64]| {
        let factors = tensor(slopes.len(), slopes);
        let map = |x: &Tensor<2>| x.clone() * factors.clone() + 1.0;
        fixed_point(&map, &tensor(slopes.len(), x0), &tight(picard())).unwrap().statistics.rates
    };
    let rates = run(&[0.9, f64::NAN, 0.5], &[0.0, 0.0, 2.0]);
    assert_eq!(rates[0].to_bits(), run(&[0.9], &[0.0])[0].to_bits());
    assert!(rates[1].is_nan() && rates[2].is_nan(), "{rates:?}");
}

#[test]
fn every_solver_has_a_rate() {
    let map = |x: &Tensor<2>| x.clone().cos();
    let accelerated = fixed_point(&map, &tensor(1, &[0.0]), &tight(anderson())).unwrap();
    assert!(accelerated.statistics.rates[0] < 0.3, "{:?}", accelerated.statistics.rates);
    let turn = tensor(2, &[0.0, 0.8, -0.8, 0.0]);
    let linear = |c: &Tensor<2>| c.clone().matmul(turn.clone());
    for (solver, most) in
        [(LinearSolver::Neumann(Neumann::default()), 0.81), (LinearSolver::Gmres(Gmres::default()), 0.1)]
    {
        let settings = Settings::new(solver).with_tolerance(Tolerance::both(1e-10));
        let solution = solve_linear(&linear, &tensor(1, &[1.0, 2.0]), &settings).unwrap();
        assert!(solution.statistics.rates[0] < most, "{:?}", solution.statistics.rates);
    }
}

#[test]
fn the_story_tells_the_rate_and_what_a_digit_takes() {
    let factors = tensor(3, &[0.5, 0.93, 0.985]);
    let map = |x: &Tensor<2>| x.clone() * factors.clone() + 1.0;
    let settings = picard().with_budget(Budget::steps(100));
    let solution = fixed_point(&map, &tensor(3, &[0.0; 3]), &settings).unwrap();
    assert_eq!(solution.outcomes, [Outcome::Converged, Outcome::Converged, Outcome::StepLimit]);
    let text = solution.explain();
    assert!(text.contains("at most 0.930 of the residual, 32 steps a digit (row 1)"), "{text}");
    assert!(text.contains("; a step leaves 0.985 of the residual, 150 steps a digit"), "{text}");
    assert_eq!(text.matches("raise `budget.steps`").count(), 1, "{text}");
}

#[test]
fn joined_parts_keep_their_rates() {
    let part = |slope: f64| {
        let map = move |x: &Matrix<f64>| Matrix::new(1, 1, vec![x.as_slice()[0] * slope + 1.0]);
        fixed_point(&map, &Matrix::zeros(1, 1), &tight(picard())).unwrap()
    };
    let joined = banach_solve::Solution::joined(vec![part(0.5), part(0.25)]);
    let rates = joined.statistics.rates;
    assert!((rates[0] - 0.5).abs() < 1e-6 && (rates[1] - 0.25).abs() < 1e-6, "{rates:?}");
}
