//! Automatic choice of the solver, row by row.

use crate::state::State;
use crate::{auto, posed, tensor, tight, values, zoo};
use banach_solve::{
    Auto, Budget, FixedPointSolver, Matrix, Method, Outcome, Reason, Settings, Solution, Switch, Tolerance,
    fixed_point,
};
use burn::tensor::Tensor;

/// `x = rate x + 1` with a rate for every row.
fn solved<R: State>(rates: &[f64]) -> Solution<R> {
    let factors = tensor(rates.len(), rates);
    let map = |x: &R| R::of(&(x.tensor() * factors.clone() + 1.0));
    let x0 = R::of(&tensor(rates.len(), &vec![0.0; rates.len()]));
    fixed_point(&map, &x0, &tight(auto())).expect("the settings are valid")
}

fn rows_go_their_own_way<R: State>() {
    let rates = [0.01, 0.9, -1.5, 0.0];
    let solution: Solution<R> = solved(&rates);
    assert!(solution.converged(), "{}", solution.explain());
    let (from, to) = (Method::Picard, Method::Anderson);
    let expected = [
        Switch { row: 2, step: 1, from, to, reason: Reason::Growing },
        Switch { row: 1, step: 3, from, to, reason: Reason::Slow },
    ];
    assert_eq!(solution.statistics.switches, expected);
    let text = solution.explain();
    let told = "2 went from picard to anderson, the first, row 2, after 1 steps because the residual grew.";
    assert!(text.contains(told), "{text}");
    for (row, rate) in rates.iter().enumerate() {
        let alone: Solution<R> = solved(&[*rate]);
        let switches = alone.statistics.switches.iter().map(|switch| Switch { row, ..*switch });
        let found = expected.into_iter().filter(|switch| switch.row == row);
        assert_eq!(switches.collect::<Vec<_>>(), found.collect::<Vec<_>>());
        let together = values(&solution.value.tensor())[row];
        assert_eq!(values(&alone.value.tensor())[0].to_bits(), together.to_bits(), "row {row}");
    }
}

#[test]
fn every_row_goes_its_own_way_and_says_why() {
    rows_go_their_own_way::<Tensor<2>>();
    rows_go_their_own_way::<Matrix<f64>>();
}

#[test]
fn where_anderson_stagnates_broyden_goes_on() {
    let problem = zoo("rotation");
    let (map, x0) = posed(&problem);
    let impatient = Settings::new(FixedPointSolver::Auto(Auto { patience: 3, ..Auto::default() }));
    let solution = fixed_point(&map, &x0, &tight(impatient)).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    let ways: Vec<(Method, Reason)> =
        solution.statistics.switches.iter().map(|switch| (switch.to, switch.reason)).collect();
    assert_eq!(ways, [(Method::Anderson, Reason::Growing), (Method::Broyden, Reason::Stagnant)]);
    assert!(solution.explain().contains("from anderson to broyden"), "{}", solution.explain());
}

#[test]
fn what_contracts_well_stays_with_plain_iteration_to_the_last_bit() {
    let problem = zoo("square_root");
    let (map, x0) = posed(&problem);
    let soon = FixedPointSolver::Auto(Auto { soon: 1000, ..Auto::default() });
    let solution = fixed_point(&map, &x0, &tight(Settings::new(soon))).unwrap();
    let plain = fixed_point(&map, &x0, &tight(crate::picard())).unwrap();
    assert_eq!((values(&solution.value), solution.statistics), (values(&plain.value), plain.statistics));
}

#[test]
fn nothing_is_soon_enough_for_a_tolerance_of_nothing() {
    let settings = auto().with_tolerance(Tolerance::both(0.0)).with_budget(Budget::steps(60));
    let map = |x: &Tensor<2>| x.clone().cos();
    let solution = fixed_point(&map, &tensor(1, &[0.5]), &settings).unwrap();
    let switch = solution.statistics.switches[0];
    assert_eq!((switch.step, switch.to, switch.reason), (3, Method::Anderson, Reason::Slow));
    assert!(solution.statistics.residuals[0] < 1e-15, "{}", solution.explain());
}

#[test]
fn a_row_that_fails_leaves_the_others_alone() {
    let problem = zoo("not_a_number");
    let (map, x0) = posed(&problem);
    let solution = fixed_point(&map, &x0, &tight(auto())).unwrap();
    assert_eq!(solution.outcomes, [Outcome::Converged, Outcome::NonFinite, Outcome::Converged]);
}

#[test]
fn where_broyden_runs_away_anderson_has_the_row_back() {
    let problem = zoo("blow_up");
    let (map, x0) = posed(&problem);
    let solution = fixed_point(&map, &x0, &tight(auto())).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
    let ways: Vec<(Method, Reason)> =
        solution.statistics.switches.iter().map(|switch| (switch.to, switch.reason)).collect();
    let expected = [
        (Method::Anderson, Reason::Growing),
        (Method::Broyden, Reason::Stagnant),
        (Method::Anderson, Reason::Growing),
    ];
    assert_eq!(ways, expected);
}
