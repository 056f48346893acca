//! Statistics of a solve that continues another one.

use crate::picard;
use banach_solve::{Auto, FixedPointSolver, Matrix, Outcome, Settings, Solution, Tolerance, fixed_point};

/// Rows that end after more steps the later they come.
const RATES: [f64; 4] = [0.2, 0.5, 0.9, 0.93];

fn solved(
    rates: &[f64],
    x0: &Matrix<f64>,
    tolerance: f64,
    settings: &Settings<FixedPointSolver>,
) -> Solution<Matrix<f64>> {
    let map = |x: &Matrix<f64>| {
        let images = x.as_slice().iter().zip(rates).map(|(x, rate)| x * rate + 1.0).collect();
        Matrix::new(rates.len(), 1, images)
    };
    let settings = Settings { trace: true, ..settings.clone() }.with_tolerance(Tolerance::both(tolerance));
    fixed_point(&map, x0, &settings).expect("the settings are valid")
}

fn both(rates: &[f64], settings: &Settings<FixedPointSolver>) -> [Solution<Matrix<f64>>; 2] {
    let first = solved(rates, &Matrix::zeros(rates.len(), 1), 1e-2, settings);
    let second = solved(rates, &first.value, 1e-6, settings);
    [first, second]
}

#[test]
fn steps_calls_and_traces_add_up() {
    let [first, second] = both(&RATES, &picard());
    let whole = solved(&RATES, &Matrix::zeros(4, 1), 1e-6, &picard());
    let solution = second.clone().continuing(first.statistics.clone());
    assert_eq!(solution.value.as_slice(), whole.value.as_slice(), "plain iteration remembers nothing");
    assert_eq!(
        (solution.outcomes, whole.outcomes),
        (vec![Outcome::Converged; 4], vec![Outcome::Converged; 4])
    );
    let (found, whole) = (solution.statistics, whole.statistics);
    assert_eq!(found.steps, whole.steps);
    assert_eq!(found.earlier, first.statistics.evaluations);
    assert_eq!(found.evaluations, whole.evaluations + 1, "the point between them was looked at twice");
    let rows = first.statistics.row_evaluations + second.statistics.row_evaluations;
    assert_eq!(found.row_evaluations, rows);
    assert_eq!((found.residuals, found.relative), (whole.residuals, whole.relative));
    let trace = found.trace.unwrap();
    assert_eq!(trace.len(), found.evaluations);
    assert!(trace.iter().enumerate().all(|(at, record)| record.evaluations == at + 1));
    let (before, after) = (&trace[found.earlier - 1], &trace[found.earlier]);
    assert_eq!((before.step, &before.residuals), (after.step, &after.residuals));
}

#[test]
fn a_row_that_takes_no_more_steps_has_the_rate_it_had() {
    let first = solved(&RATES, &Matrix::zeros(4, 1), 1e-6, &picard());
    let second = solved(&RATES, &first.value, 1e-6, &picard());
    assert!(second.statistics.rates.iter().all(|rate| rate.is_nan()));
    let rates = first.statistics.rates.clone();
    assert_eq!(second.continuing(first.statistics).statistics.rates, rates);
}

#[test]
fn switches_are_of_the_steps_of_both() {
    let auto = Settings::new(FixedPointSolver::Auto(Auto::default()));
    let first = solved(&[0.9, 0.8], &Matrix::zeros(2, 1), 0.3, &auto);
    let second = solved(&[0.9, 0.8], &first.value, 1e-12, &auto);
    let (before, steps) = (first.statistics.switches.clone(), first.statistics.steps.clone());
    let after = second.statistics.switches.clone();
    assert!(!after.is_empty(), "nothing switches");
    let switches = second.continuing(first.statistics).statistics.switches;
    assert_eq!(switches.len(), before.len() + after.len());
    for switch in &after {
        let step = steps[switch.row] + switch.step;
        assert!(switches.iter().any(|found| (found.row, found.step) == (switch.row, step)));
    }
    assert!(switches.is_sorted_by_key(|switch| (switch.step, switch.row)));
}

#[test]
fn parts_may_be_joined_before_or_after() {
    let parts = || [both(&RATES[..2], &picard()), both(&RATES[2..], &picard())];
    let [[a, c], [b, d]] = parts();
    let before = Solution::joined(vec![c, d]).continuing(Solution::joined(vec![a, b]).statistics);
    let after = parts().map(|[first, second]| second.continuing(first.statistics));
    let after = Solution::joined(after.to_vec());
    assert_eq!(before.statistics.steps, after.statistics.steps);
    assert_eq!(before.statistics.evaluations, after.statistics.evaluations);
    assert_eq!(before.statistics.row_evaluations, after.statistics.row_evaluations);
    assert_eq!(before.statistics.earlier, after.statistics.earlier);
}

#[test]
#[should_panic(expected = "a solution of 4 rows cannot continue one of 2")]
fn other_rows_cannot_be_continued() {
    let [first, _] = both(&RATES[..2], &picard());
    let [_, second] = both(&RATES, &picard());
    let _ = second.continuing(first.statistics);
}

#[test]
fn the_story_names_what_went_before() {
    let [first, second] = both(&RATES, &picard());
    let calls = first.statistics.evaluations;
    assert!(!second.explain().contains("continues"));
    let told = second.continuing(first.statistics).explain();
    assert!(told.contains(&format!("({calls} in the solve it continues)")), "{told}");
}
