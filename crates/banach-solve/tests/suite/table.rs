//! Does every solver end every problem of the zoo as expected?

use crate::{anderson, picard, posed, tight, values};
use banach_solve::{Budget, Outcome, Outcome::*, Settings, fixed_point};
use banach_zoo::Problem;

/// Name, outcomes by Picard, outcomes by Anderson; one outcome stands for all rows.
const EXPECTED: &[(&str, &[Outcome], &[Outcome])] = &[
    ("cosine", &[Converged], &[Converged]),
    ("exponential", &[Converged], &[Converged]),
    ("tanh", &[Converged, Stalled, Converged], &[Converged]),
    ("square_root", &[Converged], &[Converged]),
    ("kepler", &[Converged], &[Converged]),
    ("settled", &[Converged], &[Converged]),
    ("affine", &[Converged], &[Converged]),
    ("affine_matrix", &[Converged], &[Converged]),
    ("affine_large", &[Converged], &[Converged]),
    ("descent", &[Converged], &[Converged]),
    ("heat", &[Converged], &[Converged]),
    ("slow", &[Converged], &[Converged]),
    ("mixed_speed", &[Converged], &[Converged]),
    ("layer", &[Converged], &[Converged]),
    ("rotation", &[Stalled], &[Converged]),
    ("expanding_row", &[Stalled], &[Converged]),
    ("expanding_rows", &[Stalled], &[Converged]),
    ("neutral", &[Converged, StepLimit], &[Converged]),
    ("two_answers", &[Converged], &[Converged]),
    ("not_a_number", &[Converged, NonFinite, Converged], &[Converged, NonFinite, Converged]),
    ("no_answer", &[Stalled], &[Stalled]),
    ("flip", &[Stalled], &[Stalled]),
    ("many_answers", &[Converged], &[Converged]),
    ("blow_up", &[Diverged], &[Converged]),
];

/// What went wrong, if anything.
fn mistakes(problem: &Problem, settings: &Settings, expected: &[Outcome]) -> Vec<String> {
    let (map, x0) = posed(problem);
    let solution = fixed_point(&map, &x0, settings).expect("the settings are valid");
    let name = format!("{} by {}", problem.name, settings.solver);
    let rows = problem.start.rows;
    let expected = if expected.len() == 1 { expected.repeat(rows) } else { expected.to_vec() };
    if solution.outcomes != expected {
        return vec![format!(
            "{name}: {:?}, expected {expected:?}; {}",
            solution.outcomes,
            solution.explain()
        )];
    }
    let (found, n) = (values(&solution.value), problem.start.columns);
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
    let mut found = Vec::new();
    for problem in banach_zoo::all() {
        let line = EXPECTED.iter().find(|line| line.0 == problem.name);
        let (_, by_picard, by_anderson) = line.expect("every problem of the zoo is in the table");
        let budget = Budget::steps(20_000);
        found.extend(mistakes(&problem, &tight(picard()).with_budget(budget), by_picard));
        found.extend(mistakes(&problem, &tight(anderson()).with_budget(Budget::steps(400)), by_anderson));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
