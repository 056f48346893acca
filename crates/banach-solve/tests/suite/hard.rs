//! Problems that only some solvers solve, and that Auto solves with a derivative at hand.

use crate::energy::Differences;
use crate::{auto, newton, plain_solvers, tensor, values};
use banach_solve::{
    Budget, FixedPointSolver, Map, Method, Newton, NewtonInner, Outcome, Settings, Smooth, Solution,
    Tolerance, fixed_point, fixed_point_smooth,
};
use burn::tensor::Tensor;

/// A step of the nonlinear heat equation `y' = (1 - y) Δy` on 100 points by the trapezoidal rule, `scale`
/// times as long as that of the zoo.
fn heat(scale: f64) -> impl Fn(&Tensor<2>) -> Tensor<2> {
    move |y: &Tensor<2>| {
        let sum = y.clone().narrow(1, 0, 98) + y.clone().narrow(1, 1, 98) + y.clone().narrow(1, 2, 98);
        let end = y.clone().narrow(1, 0, 1).zeros_like();
        let flow = Tensor::cat(vec![end.clone(), sum * (99.0 / 2.0), end], 1);
        let initial: Vec<f64> = (0..100).map(|k| (-1.0 + 2.0 * f64::from(k) / 99.0).powi(2)).collect();
        tensor(1, &initial) + ((-y.clone() + 1.0) * flow + 1.0) * (0.5 * scale)
    }
}

/// The trigonometric function of 70 unknowns as `x + f(x)`: `fᵢ = n - Σⱼ cos xⱼ + i (1 - cos xᵢ) - sin xᵢ`.
///
/// Reference: J. Moré, B. Garbow and K. Hillstrom, Testing unconstrained optimization software, ACM Trans.
/// Math. Softw. 7 (1981), problem 26.
fn trigonometric(x: &Tensor<2>) -> Tensor<2> {
    let n = x.dims()[1];
    let index: Vec<f64> = (1..=n).map(|i| i as f64).collect();
    let cosines = x.clone().cos();
    let f = -cosines.clone().sum_dim(1) + n as f64 + (-cosines + 1.0) * tensor(1, &index) - x.clone().sin();
    x.clone() + f
}

/// A gradient step of length 0.01 on Beale's function, whose minimum is at (3, ½).
fn beale(x: &Tensor<2>) -> Tensor<2> {
    let (a, b) = (x.clone().narrow(1, 0, 1), x.clone().narrow(1, 1, 1));
    let mut slope = x.zeros_like();
    for (power, offset) in [(1, 1.5), (2, 2.25), (3, 2.625)] {
        let term = a.clone() * (b.clone().powi_scalar(power) - 1.0) + offset;
        let by_a = term.clone() * (b.clone().powi_scalar(power) - 1.0);
        let by_b = term * a.clone() * b.clone().powi_scalar(power - 1) * f64::from(power);
        slope = slope + Tensor::cat(vec![by_a, by_b], 1) * 2.0;
    }
    x.clone() - slope * 0.01
}

fn dense() -> Settings<FixedPointSolver> {
    let inner = NewtonInner::Dense { limit: 128 };
    Settings::new(FixedPointSolver::Newton(Newton { inner, ..Newton::default() }))
}

fn solved<F: Fn(&Tensor<2>) -> Tensor<2>>(
    map: F,
    x0: &Tensor<2>,
    settings: Settings<FixedPointSolver>,
) -> Solution<Tensor<2>> {
    let settings = settings.with_tolerance(Tolerance::both(1e-7)).with_budget(Budget::steps(400));
    fixed_point_smooth(&Differences(map), x0, &settings).expect("the settings are valid")
}

/// That the solution is one, and the switches of its only row.
fn assert_solved(name: &str, map: impl Fn(&Tensor<2>) -> Tensor<2>, solution: &Solution<Tensor<2>>) {
    assert!(solution.converged(), "{name}: {}", solution.explain());
    let off = values(&(map(&solution.value) - solution.value.clone()));
    let residual = off.iter().map(|off| off * off).sum::<f64>().sqrt();
    assert!(residual < 1e-5, "{name}: {residual:e}");
}

#[test]
fn the_heat_equation_is_solved_by_newton_and_by_auto() {
    let x0 = tensor(1, &[1.0; 100]);
    for settings in plain_solvers() {
        let solution = fixed_point(&heat(2.0), &x0, &settings.with_budget(Budget::steps(400))).unwrap();
        assert!(!solution.converged(), "{}", solution.explain());
    }
    for settings in [newton(), dense(), auto()] {
        let name = settings.solver.to_string();
        let solution = solved(heat(2.0), &x0, settings);
        assert_solved(&name, heat(2.0), &solution);
    }
}

#[test]
fn the_trigonometric_root_is_found_where_gmres_does_not_suffice() {
    let x0 = tensor(1, &[1.0 / 70.0; 70]);
    for settings in [dense(), newton(), auto()] {
        let name = settings.solver.to_string();
        let solution = solved(trigonometric, &x0, settings);
        assert_solved(&name, trigonometric, &solution);
    }
}

#[test]
fn beales_function_is_minimized_by_auto() {
    let x0 = tensor(1, &[1.0, 1.0]);
    let solution = solved(beale, &x0, auto());
    assert_solved("auto", beale, &solution);
}

#[test]
fn auto_hands_over_rows_that_fail_and_no_others() {
    // From 4 the first row has no answer but by Newton's method; the second contracts.
    let scales = tensor(2, &[8.0, 0.3]);
    let map = move |x: &Tensor<2>| (x.clone() * -1.0).exp() * scales.clone() * x.clone() * x.clone() + 0.5;
    let x0 = tensor(2, &[4.0, 0.0]);
    let settings = auto().with_tolerance(Tolerance::both(1e-8));
    let without = fixed_point(&map, &x0, &settings).unwrap();
    let with = fixed_point_smooth(&Differences(map), &x0, &settings).unwrap();
    let kept = |row: usize| values(&with.value)[row].to_bits() == values(&without.value)[row].to_bits();
    for row in 0..2 {
        let handed = with.statistics.switches.iter().any(|s| s.row == row && s.to == Method::Newton);
        assert_eq!(handed, without.outcomes[row].is_failure(), "row {row}");
        assert!(handed || kept(row), "row {row}");
    }
}

/// A map whose derivative must not be asked for.
struct Plain;

impl Map<Tensor<2>> for Plain {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        x.clone().cos()
    }
}

impl Smooth<Tensor<2>> for Plain {
    fn derivative<'a>(&'a self, _: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        panic!("the derivative costs something")
    }
}

#[test]
fn auto_takes_no_derivative_where_all_rows_converge() {
    let solution = fixed_point_smooth(&Plain, &tensor(2, &[0.0, 5.0]), &auto()).unwrap();
    assert!(solution.converged() && solution.statistics.derivative_applications == 0);
}

#[test]
fn a_budget_is_shared_by_auto_and_newton() {
    let x0 = tensor(1, &[1.0 / 70.0; 70]);
    for limit in [5, 20, 60, 150, 500] {
        let budget = Budget { steps: 400, evaluations: Some(limit), ..Budget::default() };
        let settings = auto().with_tolerance(Tolerance::both(1e-7)).with_budget(budget);
        let solution = fixed_point_smooth(&Differences(trigonometric), &x0, &settings).unwrap();
        let spent = &solution.statistics;
        let calls = spent.evaluations + spent.derivative_applications + spent.energy_evaluations;
        assert!(calls <= limit, "{limit}: {calls}");
    }
}

#[test]
fn a_start_that_is_not_finite_is_not_handed_over() {
    let map = Differences(|x: &Tensor<2>| x.clone().cos());
    let solution = fixed_point_smooth(&map, &tensor(2, &[f64::NAN, 0.0]), &auto()).unwrap();
    assert_eq!(solution.outcomes, [Outcome::NonFinite, Outcome::Converged]);
    assert_eq!(solution.statistics.derivative_applications, 0);
}
