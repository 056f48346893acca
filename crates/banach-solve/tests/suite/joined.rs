//! Solutions of batch slices joined into one.

use crate::state::State;
use crate::{picard, plain_solvers, tensor};
use banach_solve::{FixedPointSolver, Matrix, Rows, Settings, Solution, fixed_point};
use burn::tensor::Tensor;

/// Rows that end after more steps the later they come.
const RATES: [f64; 5] = [0.0, 0.2, 0.4, 0.6, 0.8];

fn solved<R: State>(rates: &[f64], settings: &Settings<FixedPointSolver>) -> Solution<R> {
    let factors = tensor(rates.len(), rates);
    let map = |x: &R| R::of(&(x.tensor() * factors.clone() + 1.0));
    fixed_point(&map, &R::of(&tensor(rates.len(), &vec![0.0; rates.len()])), settings)
        .expect("the settings are valid")
}

fn parts_are_one<R: State>() {
    for settings in plain_solvers() {
        let settings = Settings { trace: true, ..settings };
        let whole: Solution<R> = solved(&RATES, &settings);
        let parts = [&RATES[..2], &RATES[2..3], &RATES[3..]].map(|rates| solved::<R>(rates, &settings));
        let rows: usize = parts.iter().map(|part| part.statistics.row_evaluations).sum();
        let joined = Solution::joined(parts.to_vec());
        assert_eq!(joined.value.tensor().into_data(), whole.value.tensor().into_data());
        assert_eq!(joined.outcomes, whole.outcomes);
        let by_auto = settings.solver.to_string() == "auto";
        assert_eq!(whole.statistics.switches.is_empty(), !by_auto, "some rows are slow");
        let mut expected = whole.statistics;
        assert!(rows <= expected.row_evaluations, "no part waits for another");
        expected.row_evaluations = rows;
        assert_eq!(joined.statistics, expected);
    }
}

#[test]
fn parts_of_a_batch_are_one_solution() {
    parts_are_one::<Tensor<2>>();
    parts_are_one::<Matrix<f64>>();
}

#[test]
fn a_part_without_rows_and_one_without_a_trace_are_parts_too() {
    let traced = Settings { trace: true, ..picard() };
    let none = || fixed_point(&|x: &Matrix<f64>| x.clone(), &Matrix::zeros(0, 1), &traced).unwrap();
    let joined = Solution::joined(vec![none(), solved(&RATES, &traced), none()]);
    let whole: Solution<Matrix<f64>> = solved(&RATES, &traced);
    assert_eq!((joined.value.rows(), &joined.statistics), (5, &whole.statistics));
    let joined = Solution::joined(vec![whole, solved(&RATES[..1], &picard())]);
    assert!(joined.statistics.trace.is_none() && joined.outcomes.len() == 6);
}
