//! Every linear solver on every kind of system and every kind of state.

use crate::energy::scattered;
use crate::state::State;
use crate::systems::{N, Systems, answer, batch, every, norm, on_every_state, row, settings, solvers, times};
use crate::values;
use banach_solve::{LinearSolver, Matrix, Outcome::*, Truncated, solve_linear};
use burn::tensor::{DType, Tensor};

#[test]
fn every_system_ends_as_expected_beside_all_others() {
    on_every_state(
        systems_end_as_expected::<Tensor<2>>,
        systems_end_as_expected::<Matrix<f32>>,
        systems_end_as_expected::<Matrix<f64>>,
    );
}

fn systems_end_as_expected<R: State>(dtype: DType) {
    let mut mistakes = Vec::new();
    for (which, solver) in solvers().into_iter().enumerate() {
        let (map, v, systems) = batch::<R>(dtype, &every());
        let settings = settings(solver, dtype);
        let solution = solve_linear(&map, &v, &settings).expect("the settings are valid");
        let c = values(&solution.value.tensor());
        for (row, system) in systems.iter().enumerate() {
            let name = format!("{dtype:?} {} by {:?}", system.name, settings.solver);
            let (outcome, steps) = (solution.outcomes[row], solution.statistics.steps[row]);
            if outcome != system.ends[which] {
                let residual = solution.statistics.relative[row];
                mistakes.push(format!(
                    "{name}: {outcome} after {steps} at {residual:.1e}, expected {}",
                    system.ends[which]
                ));
                continue;
            }
            let c = &c[row * N..][..N];
            if outcome != NonFinite {
                assert!(c.iter().all(|value| value.is_finite()), "{name}: {c:?}");
            }
            if outcome != Converged {
                assert!(solution.explain().contains(&outcome.to_string()), "{name}");
                continue;
            }
            let left: Vec<f64> = c
                .iter()
                .zip(times(&system.a, c))
                .zip(&system.v)
                .map(|((c, image), v)| v - (c - image))
                .collect();
            let wanted = settings.tolerance.threshold(norm(&system.v));
            assert!(norm(&left) <= 1.1 * wanted, "{name}: a residual of {:e}", norm(&left));
            if let Some(inverse) = system.inverse {
                let error: Vec<f64> = c.iter().zip(answer()).map(|(c, answer)| c - answer).collect();
                assert!(norm(&error) <= 1.2 * inverse * wanted, "{name}: an error of {:e}", norm(&error));
            }
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn no_row_depends_on_the_rows_beside_it() {
    on_every_state(
        rows_stand_alone::<Tensor<2>>,
        rows_stand_alone::<Matrix<f32>>,
        rows_stand_alone::<Matrix<f64>>,
    );
}

fn rows_stand_alone<R: State>(dtype: DType) {
    let approximate = [LinearSolver::Identity, LinearSolver::Truncated(Truncated::default())];
    for solver in solvers().into_iter().chain(approximate) {
        let settings = settings(solver, dtype);
        let (map, v, _) = batch::<R>(dtype, &every());
        let together = solve_linear(&map, &v, &settings).expect("the settings are valid");
        for which in every() {
            let (map, v, systems) = batch::<R>(dtype, &[which]);
            let alone = solve_linear(&map, &v, &settings).expect("the settings are valid");
            assert_eq!(row(&alone, 0), row(&together, which), "{} by {}", systems[0].name, settings.solver);
        }
    }
}

/// The systems with one answer come first.
const REGULAR: [usize; 7] = [0, 1, 2, 3, 4, 5, 6];

#[test]
fn the_transposed_solve_is_the_transpose_of_the_solve() {
    on_every_state(
        transposes_agree::<Tensor<2>>,
        transposes_agree::<Matrix<f32>>,
        transposes_agree::<Matrix<f64>>,
    );
}

fn transposes_agree<R: State>(dtype: DType) {
    for solver in solvers() {
        let settings = settings(solver, dtype);
        let (map, v, systems) = batch::<R>(dtype, &REGULAR);
        let w = v.holding(&(0..REGULAR.len() * N).map(|k| scattered(3000 + k)).collect::<Vec<_>>());
        let c = solve_linear(&map, &v, &settings).expect("the settings are valid");
        let d = solve_linear(&map.transposed(), &w, &settings).expect("the settings are valid");
        let products = R::dots(&[(&w, &c.value), (&d.value, &v)]);
        let sizes = R::norms(&[&w, &c.value, &d.value, &v]);
        let mut told = 0;
        for (row, system) in systems.iter().enumerate() {
            if c.outcomes[row] != Converged || d.outcomes[row] != Converged {
                continue;
            }
            told += 1;
            let inverse = system.inverse.expect("regular systems");
            let off = (products[0][row] - products[1][row]).abs();
            let size = sizes[0][row] * sizes[3][row];
            let allowed = 3.0 * inverse * settings.tolerance.relative * size;
            assert!(off <= allowed, "{} by {}: {off:e} of {size:e}", system.name, settings.solver);
        }
        assert!(told >= 3, "{} solved {told} of {} systems", settings.solver, REGULAR.len());
    }
}

#[test]
fn one_number_a_row_is_a_division() {
    let rates = [0.5, -3.0, 0.0, 1.0, 1.0 - 1e-3];
    let map = Systems(rates.map(|rate| vec![rate]).to_vec());
    let v = Matrix::new(5, 1, vec![2.0_f64; 5]);
    for (which, solver) in solvers().into_iter().enumerate() {
        let settings = settings(solver, DType::F64);
        let solution = solve_linear(&map, &v, &settings).expect("the settings are valid");
        let name = format!("{}: {}", settings.solver, solution.explain());
        for (row, rate) in rates.iter().enumerate().filter(|(row, _)| solution.outcomes[*row].is_converged())
        {
            let answer = 2.0 / (1.0 - rate);
            assert!((solution.value.as_slice()[row] / answer - 1.0).abs() < 1e-8, "{name}");
        }
        let unsolved = [Stalled, Stalled, Stalled, Singular, Indefinite, Singular, Stalled][which];
        assert_eq!(solution.outcomes[3], unsolved, "{name}");
        let slow = which == 0;
        assert_eq!(solution.count(Converged), if slow { 2 } else { 4 }, "{name}");
    }
}
