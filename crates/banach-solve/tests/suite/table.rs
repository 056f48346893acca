//! Does every solver end every problem of the zoo as expected?

use crate::energy::Differences;
use crate::state::{On, State};
use crate::{anderson, newton, picard, posed, tight, values};
use banach_solve::{Budget, Matrix, Outcome, Outcome::*, Settings, fixed_point_smooth};
use banach_zoo::Problem;
use burn::tensor::Tensor;

/// One outcome a row, or one for all.
type Ends = &'static [Outcome];

/// Name, outcomes by Picard, by Anderson, and by Newton with a derivative by differences.
const EXPECTED: &[(&str, Ends, Ends, Ends)] = &[
    ("cosine", &[Converged], &[Converged], &[Converged]),
    ("exponential", &[Converged], &[Converged], &[Converged]),
    ("tanh", &[Converged, Stalled, Converged], &[Converged], &[Converged]),
    ("square_root", &[Converged], &[Converged], &[Converged]),
    ("kepler", &[Converged], &[Converged], &[Converged]),
    ("settled", &[Converged], &[Converged], &[Converged]),
    ("affine", &[Converged], &[Converged], &[Converged]),
    ("affine_matrix", &[Converged], &[Converged], &[Converged]),
    ("affine_large", &[Converged], &[Converged], &[Converged]),
    ("descent", &[Converged], &[Converged], &[Converged]),
    ("heat", &[Converged], &[Converged], &[Converged]),
    ("slow", &[Converged], &[Converged], &[Converged]),
    ("mixed_speed", &[Converged], &[Converged], &[Converged]),
    ("layer", &[Converged], &[Converged], &[Converged]),
    ("rotation", &[Stalled], &[Converged], &[Converged]),
    ("expanding_row", &[Stalled], &[Converged], &[Converged]),
    ("expanding_rows", &[Stalled], &[Converged], &[Converged]),
    ("neutral", &[Converged, StepLimit], &[Converged], &[Converged]),
    ("two_answers", &[Converged], &[Converged], &[Converged]),
    (
        "not_a_number",
        &[Converged, NonFinite, Converged],
        &[Converged, NonFinite, Converged],
        &[Converged, NonFinite, Converged],
    ),
    ("no_answer", &[Stalled], &[Stalled], &[Stalled]),
    ("flip", &[Stalled], &[Stalled], &[Stalled]),
    ("many_answers", &[Converged], &[Converged], &[Converged]),
    ("blow_up", &[Diverged], &[Converged], &[Converged]),
];

/// What went wrong, if anything.
fn mistakes<R: State>(problem: &Problem, settings: &Settings, expected: &[Outcome]) -> Vec<String> {
    let (map, x0) = posed(problem);
    let map = On(Differences(map));
    let solution = fixed_point_smooth(&map, &R::of(&x0), settings).expect("the settings are valid");
    let name = format!("{} by {} on {}", problem.name, settings.solver, std::any::type_name::<R>());
    let rows = problem.start.rows;
    let expected = if expected.len() == 1 { expected.repeat(rows) } else { expected.to_vec() };
    if solution.outcomes != expected {
        return vec![format!(
            "{name}: {:?}, expected {expected:?}; {}",
            solution.outcomes,
            solution.explain()
        )];
    }
    let (found, n) = (values(&solution.value.tensor()), problem.start.columns);
    let answer = problem.answer.clone().unwrap_or(vec![f64::NAN; found.len()]);
    let off = |i: &usize| {
        let error = (found[*i] - answer[*i]).abs() / (1.0 + answer[*i].abs());
        expected[i / n].is_converged() && error > if problem.name == "slow" { 1e-6 } else { 1e-8 }
    };
    let report = |i: usize| format!("{name}: entry {i} is {}, expected {}", found[i], answer[i]);
    (0..found.len()).filter(off).map(report).collect()
}

#[test]
fn every_solver_ends_every_problem_as_expected() {
    every_problem_ends_as_expected::<Tensor<2>>();
}

#[test]
fn every_solver_ends_every_problem_as_expected_in_memory() {
    every_problem_ends_as_expected::<Matrix<f64>>();
}

fn every_problem_ends_as_expected<R: State>() {
    let mut found = Vec::new();
    for problem in banach_zoo::all() {
        let line = EXPECTED.iter().find(|line| line.0 == problem.name);
        let (_, by_picard, by_anderson, by_newton) = line.expect("every problem of the zoo is in the table");
        let budget = Budget::steps(20_000);
        found.extend(mistakes::<R>(&problem, &tight(picard()).with_budget(budget), by_picard));
        found.extend(mistakes::<R>(
            &problem,
            &tight(anderson()).with_budget(Budget::steps(400)),
            by_anderson,
        ));
        found.extend(mistakes::<R>(&problem, &tight(newton()).with_budget(Budget::steps(400)), by_newton));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
