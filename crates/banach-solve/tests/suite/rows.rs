//! Bitwise equality of the result of a row, alone and in a batch.

use crate::state::{On, State};
use crate::{damped, picard, plain_solvers, tensor_in, values};
use banach_solve::{
    Auto, Broyden, BroydenUpdate, Budget, FixedPointSolver, Matrix, Outcome, Picard, Settings, Switch,
    Tolerance, fixed_point, solve_linear,
};
use burn::tensor::{DType, Tensor};

const ROWS: usize = 6;
const WIDTH: usize = 37;

/// Slopes from contracting to expanding, different in every row.
fn slopes(row: usize) -> Vec<f64> {
    (0..WIDTH).map(|k| (0.3 + 0.25 * row as f64) * f64::sin(1.7 * k as f64 + row as f64)).collect()
}

fn inputs(row: usize) -> Vec<f64> {
    (0..WIDTH).map(|k| f64::cos(0.9 * k as f64 + 2.0 * row as f64)).collect()
}

/// These rows of `x = tanh(a x + 0.2 reversed(x) + z)` with its first row made to fail.
fn update(dtype: DType, rows: &[usize]) -> impl Fn(&Tensor<2>) -> Tensor<2> {
    let gather = |of: fn(usize) -> Vec<f64>| {
        tensor_in(dtype, rows.len(), &rows.iter().flat_map(|row| of(*row)).collect::<Vec<_>>())
    };
    let (a, z) = (gather(slopes), gather(inputs));
    let fail = tensor_in(
        dtype,
        rows.len(),
        &rows.iter().map(|row| if *row == 0 { 0.5 } else { 99.0 }).collect::<Vec<_>>(),
    );
    move |x: &Tensor<2>| {
        let image = (a.clone() * x.clone() + x.clone().flip([1]) * 0.2 + z.clone()).tanh();
        // The root is NaN where the state has grown past the threshold of its row.
        image + (fail.clone() - x.clone()).sqrt() * 0.001
    }
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    for dtype in [DType::F32, DType::F64] {
        a_fixed_point_stands_alone::<Tensor<2>>(dtype);
        a_linear_solution_stands_alone::<Tensor<2>>(dtype);
    }
    a_fixed_point_stands_alone::<Matrix<f32>>(DType::F32);
    a_linear_solution_stands_alone::<Matrix<f32>>(DType::F32);
    a_fixed_point_stands_alone::<Matrix<f64>>(DType::F64);
    a_linear_solution_stands_alone::<Matrix<f64>>(DType::F64);
}

fn a_fixed_point_stands_alone<R: State>(dtype: DType) {
    let heavy = Picard { momentum: 0.3, ..Picard::default() };
    let heavy = Settings::new(FixedPointSolver::Picard(heavy));
    let searching = Broyden { memory: 3, backtracks: 3, ..Broyden::default() };
    let bad = Broyden { update: BroydenUpdate::Bad, ..searching };
    let broydens = [searching, bad].map(|broyden| Settings::new(FixedPointSolver::Broyden(broyden)));
    let hasty = Auto { soon: 3, patience: 2, ..Auto::default() };
    let hasty = Settings::new(FixedPointSolver::Auto(hasty));
    let others = [damped(0.7), heavy, hasty].into_iter().chain(broydens);
    for settings in plain_solvers().into_iter().chain(others) {
        let settings = settings.with_tolerance(Tolerance::both(1e-5)).with_budget(Budget::steps(60));
        let every: Vec<usize> = (0..ROWS).collect();
        let zeros = tensor_in(dtype, ROWS, &[0.0; ROWS * WIDTH]);
        let batch = fixed_point(&On(update(dtype, &every)), &R::of(&zeros), &settings)
            .expect("the settings are valid");
        assert_eq!(batch.outcomes[0], Outcome::NonFinite);
        assert!(batch.count(Outcome::Converged) > 0, "{}", batch.explain());
        let together = values(&batch.value.tensor());
        for row in every {
            let zeros = tensor_in(dtype, 1, &[0.0; WIDTH]);
            let alone = fixed_point(&On(update(dtype, &[row])), &R::of(&zeros), &settings)
                .expect("the settings are valid");
            let name = format!("{dtype:?} {} row {row}", settings.solver);
            assert_eq!(alone.outcomes[0], batch.outcomes[row], "{name}");
            assert_eq!(alone.statistics.steps[0], batch.statistics.steps[row], "{name}");
            let switches = batch.statistics.switches.iter().filter(|switch| switch.row == row);
            let switches: Vec<Switch> = switches.map(|switch| Switch { row: 0, ..*switch }).collect();
            assert_eq!(alone.statistics.switches, switches, "{name}");
            assert_eq!(
                bits(&values(&alone.value.tensor())),
                bits(&together[row * WIDTH..][..WIDTH]),
                "{name}"
            );
            assert_eq!(
                alone.statistics.residuals[0].to_bits(),
                batch.statistics.residuals[row].to_bits(),
                "{name}"
            );
        }
    }
}

fn a_linear_solution_stands_alone<R: State>(dtype: DType) {
    for solver in crate::linear::every() {
        let settings = Settings::new(solver).with_tolerance(Tolerance::both(1e-5));
        let map = |rows: Vec<usize>| {
            let slopes = rows.iter().flat_map(|row| slopes(*row)).collect::<Vec<_>>();
            let a = tensor_in(dtype, rows.len(), &slopes);
            move |c: &Tensor<2>| a.clone() * c.clone() + c.clone().flip([1]) * 0.1
        };
        let v: Vec<f64> = (0..ROWS).flat_map(inputs).collect();
        let batch =
            solve_linear(&On(map((0..ROWS).collect())), &R::of(&tensor_in(dtype, ROWS, &v)), &settings)
                .expect("the settings are valid");
        let solved = batch.outcomes.iter().filter(|outcome| !outcome.is_failure()).count();
        assert!(solved > 1, "{}", batch.explain());
        let together = values(&batch.value.tensor());
        for row in 0..ROWS {
            let alone =
                solve_linear(&On(map(vec![row])), &R::of(&tensor_in(dtype, 1, &inputs(row))), &settings)
                    .expect("the settings are valid");
            let name = format!("{dtype:?} {} row {row}", settings.solver);
            assert_eq!(alone.outcomes[0], batch.outcomes[row], "{name}");
            assert_eq!(alone.statistics.steps[0], batch.statistics.steps[row], "{name}");
            assert_eq!(
                bits(&values(&alone.value.tensor())),
                bits(&together[row * WIDTH..][..WIDTH]),
                "{name}"
            );
        }
    }
}

#[test]
fn a_row_that_has_ended_is_frozen() {
    // The quick row would go on to change in its last bits.
    let rates = tensor_in(DType::F64, 2, &[0.1, 0.99]);
    let map = |x: &Tensor<2>| x.clone() * rates.clone() + 1.0;
    let settings = picard().with_tolerance(Tolerance::both(1e-3)).with_budget(Budget::steps(2000));
    let solution = fixed_point(&map, &tensor_in(DType::F64, 2, &[0.0, 0.0]), &settings).unwrap();
    assert!(solution.converged());
    assert_eq!(solution.statistics.steps[0], 3);
    assert!((values(&solution.value)[0] - 1.11).abs() < 1e-14);
    assert!(solution.statistics.steps[1] > 100);
}
