//! Failed extrapolated steps: the reset to the best iterate, and the plain step after it.

use crate::{
    anderson, auto, broyden, newton, picard, plain_solvers, squarem, tensor, tensor_in, tight, values,
};
use banach_solve::{
    Budget, FixedPointSolver, Matrix, Outcome, Picard, Settings, fixed_point, fixed_point_smooth,
};
use burn::tensor::{DType, Tensor};

/// Gradient steps to the root of `z`, from zero: an extrapolation leaves for minus infinity.
fn root(x: &Tensor<2>) -> Tensor<2> {
    x.clone() + (x.clone().square() * -1.0 + 4.0) * 0.1
}

#[test]
fn an_exploding_extrapolation_is_taken_back() {
    for dtype in [DType::F32, DType::F64] {
        for settings in plain_solvers() {
            let solution = fixed_point(&root, &tensor_in(dtype, 1, &[0.0]), &settings).unwrap();
            assert!(solution.converged(), "{dtype:?} {}: {}", settings.solver, solution.explain());
            let found = values(&solution.value)[0];
            assert!((found.abs() - 2.0).abs() < 1e-2, "{dtype:?} {}: {found}", settings.solver);
        }
    }
}

/// `x = 0.9 log(x) + z`, which is NaN below zero.
fn logarithm(z: f64) -> impl Fn(&Tensor<2>) -> Tensor<2> {
    move |x: &Tensor<2>| x.clone().log() * 0.9 + z
}

#[test]
fn an_extrapolation_out_of_the_domain_is_taken_back() {
    for start in [0.5, 0.9, 3.0, 30.0, 100.0] {
        for z in [1.0, 1.1, 1.2, 1.5, 2.0, 3.0] {
            let x0 = tensor(1, &[start]);
            if !fixed_point(&logarithm(z), &x0, &picard()).unwrap().converged() {
                continue;
            }
            for settings in plain_solvers() {
                let solution = fixed_point(&logarithm(z), &x0, &settings).unwrap();
                assert!(solution.converged(), "{start} {z} {}: {}", settings.solver, solution.explain());
            }
        }
    }
}

#[test]
fn rows_are_set_back_each_for_itself() {
    let centres = tensor(4, &[1e-3, 0.2, 0.5, 2.0]);
    let map = |x: &Tensor<2>| x.clone().log() * 0.9 + centres.clone() + 1.0;
    let starts = [30.0, 0.9, 100.0, 5.0];
    for settings in plain_solvers().into_iter().chain([swinging()]) {
        let settings = tight(settings).with_budget(Budget::steps(2000));
        let batch = fixed_point(&map, &tensor(4, &starts), &settings).unwrap();
        for (row, start) in starts.iter().enumerate() {
            let centre = values(&centres)[row];
            let alone = |x: &Tensor<2>| x.clone().log() * 0.9 + centre + 1.0;
            let alone = fixed_point(&alone, &tensor(1, &[*start]), &settings).unwrap();
            let name = format!("{} row {row}: {}", settings.solver, batch.explain());
            assert_eq!(alone.outcomes[0], batch.outcomes[row], "{name}");
            assert_eq!(alone.statistics.steps[0], batch.statistics.steps[row], "{name}");
            assert_eq!(values(&alone.value)[0].to_bits(), values(&batch.value)[row].to_bits(), "{name}");
        }
    }
}

fn swinging() -> Settings<FixedPointSolver> {
    Settings::new(FixedPointSolver::Picard(Picard { momentum: 0.9, ..Picard::default() }))
}

#[test]
fn a_plain_step_that_fails_ends_the_row() {
    // Every step leads nearer to where there is nothing.
    let map = |x: &Tensor<2>| x.clone() - 1.0 + x.clone().sqrt() * 0.0;
    for settings in [picard(), anderson(), broyden(), squarem(), auto(), swinging()] {
        let solution = fixed_point(&map, &tensor(1, &[2.5]), &settings).unwrap();
        assert_eq!(solution.outcomes, [Outcome::NonFinite], "{}", settings.solver);
        assert!(solution.statistics.steps[0] < 60, "{}: {}", settings.solver, solution.explain());
        assert!(values(&solution.value)[0] >= 0.0);
    }
}

#[test]
fn newton_halves_a_step_that_leaves_the_domain() {
    let map = crate::energy::Differences(logarithm(1.05));
    let solution = fixed_point_smooth(&map, &tensor(1, &[10.0]), &newton()).unwrap();
    assert!(solution.converged(), "{}", solution.explain());
}

#[test]
fn rows_in_memory_are_set_back_as_tensors_are() {
    let centres = [1e-3, 0.2, 0.5, 2.0];
    let map = |x: &Matrix<f64>| {
        let image = x.as_slice().iter().zip(centres).map(|(x, z)| x.ln() * 0.9 + z + 1.0).collect();
        Matrix::new(4, 1, image)
    };
    for settings in plain_solvers() {
        let x0 = Matrix::new(4, 1, vec![30.0, 0.9, 100.0, 5.0]);
        let solution =
            fixed_point(&map, &x0, &tight(settings.clone()).with_budget(Budget::steps(2000))).unwrap();
        assert!(solution.converged(), "{}: {}", settings.solver, solution.explain());
    }
}
