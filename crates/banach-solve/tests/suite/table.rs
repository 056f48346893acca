//! Every solver on every problem of the zoo, with the expected outcomes.

use crate::energy::Differences;
use crate::state::{On, State};
use crate::{newton, plain_solvers, posed, tight, values};
use banach_solve::{Budget, FixedPointSolver, Matrix, Outcome, Outcome::*, Settings, fixed_point_smooth};
use banach_zoo::Problem;
use burn::tensor::Tensor;

/// One outcome a row, or one for all.
type Ends = &'static [Outcome];

/// Every solver, to 1e-10; plain iteration and what is close to it may take as long as it likes.
fn solvers() -> [Settings<FixedPointSolver>; 6] {
    let steps = [20_000, 400, 400, 20_000, 400, 400];
    let mut budgets = steps.into_iter().map(Budget::steps);
    let [picard, anderson, broyden, squarem, auto] = plain_solvers();
    [picard, anderson, broyden, squarem, auto, newton()]
        .map(|settings| tight(settings).with_budget(budgets.next().unwrap_or_default()))
}

const ALL: Ends = &[Converged];
const STALLED: Ends = &[Stalled];
const SECOND_FAILS: Ends = &[Converged, NonFinite, Converged];

/// Name, and outcomes by Picard, Anderson, Broyden, squared extrapolation, Auto, and Newton with a derivative
/// by differences.
const EXPECTED: &[(&str, [Ends; 6])] = &[
    ("cosine", [ALL; 6]),
    ("exponential", [ALL; 6]),
    ("tanh", [&[Converged, Stalled, Converged], ALL, ALL, &[Converged, Stalled, Converged], ALL, ALL]),
    ("shifted_tanh", [ALL; 6]),
    ("square_root", [ALL; 6]),
    ("cube_root", [ALL; 6]),
    ("kepler", [ALL; 6]),
    ("settled", [ALL; 6]),
    ("affine", [ALL; 6]),
    ("affine_matrix", [ALL; 6]),
    ("affine_large", [ALL; 6]),
    ("symmetric", [ALL; 6]),
    ("descent", [ALL; 6]),
    ("heat", [ALL; 6]),
    ("heat_settled", [ALL; 6]),
    ("slow", [ALL; 6]),
    ("mixed_speed", [ALL; 6]),
    ("reversed_squares", [ALL; 6]),
    ("layer", [ALL; 6]),
    ("rotation", [STALLED, ALL, ALL, STALLED, ALL, ALL]),
    ("expanding_row", [STALLED, ALL, ALL, STALLED, ALL, ALL]),
    ("expanding_rows", [STALLED, ALL, ALL, STALLED, ALL, ALL]),
    ("neutral", [&[Converged, StepLimit], ALL, ALL, &[Converged, StepLimit], ALL, ALL]),
    ("two_answers", [ALL; 6]),
    ("not_a_number", [SECOND_FAILS; 6]),
    ("no_answer", [STALLED; 6]),
    ("flip", [STALLED; 6]),
    ("many_answers", [ALL; 6]),
    ("touching", [&[StepLimit], ALL, ALL, ALL, ALL, ALL]),
    (
        "late_not_a_number",
        [
            &[Converged, NonFinite],
            &[Converged, NonFinite],
            &[Converged, NonFinite],
            &[Converged, NonFinite],
            &[Converged, Stalled],
            &[Converged, Stalled],
        ],
    ),
    ("blow_up", [&[Diverged], ALL, &[Diverged], &[Diverged], ALL, ALL]),
];
/// What went wrong, if anything.
fn mistakes<R: State>(
    problem: &Problem,
    settings: &Settings<FixedPointSolver>,
    expected: &[Outcome],
) -> Vec<String> {
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
        // One loses a thousand times its residual, and the other holds the root of what it is off by.
        let allowed = match problem.name {
            "slow" => 1e-6,
            "touching" => 1e-4,
            _ => 1e-8,
        };
        expected[i / n].is_converged() && error > allowed
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
        let (_, ends) = line.expect("every problem of the zoo is in the table");
        for (solver, ends) in solvers().iter().zip(ends) {
            found.extend(mistakes::<R>(&problem, solver, ends));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
