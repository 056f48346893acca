//! How much work is a known problem? These numbers may fall; a rise needs a reason.

use crate::{anderson, picard, posed, tight};
use banach_solve::{Budget, LinearSolver, Settings, Tolerance, fixed_point, solve_linear};
use burn::tensor::{DType, Device, Tensor};

/// Name, evaluations by Picard, by Anderson, to 1e-10; 0 where it does not converge.
const EVALUATIONS: &[(&str, usize, usize)] = &[
    ("cosine", 56, 7),
    ("exponential", 37, 6),
    ("tanh", 0, 8),
    ("square_root", 7, 9),
    ("kepler", 36, 9),
    ("settled", 1, 1),
    ("affine", 31, 4),
    ("affine_matrix", 35, 4),
    ("affine_large", 51, 30),
    ("descent", 75, 5),
    ("heat", 65, 13),
    ("slow", 12_947, 6),
    ("mixed_speed", 267, 3),
    ("layer", 35, 10),
    ("rotation", 0, 345),
    ("expanding_row", 0, 8),
    ("expanding_rows", 0, 6),
    ("neutral", 0, 7),
    ("two_answers", 14, 6),
    ("not_a_number", 0, 0),
    ("no_answer", 0, 0),
    ("flip", 0, 0),
    ("many_answers", 2, 2),
    ("blow_up", 0, 90),
];

/// Name, applications by GMRES, to 1e-10.
const APPLICATIONS: &[(&str, usize)] =
    &[("affine", 3), ("affine_large", 20), ("descent", 4), ("heat", 6), ("slow", 4), ("rotation", 15)];

#[test]
fn evaluations_are_as_recorded() {
    let budget = Budget::steps(20_000);
    let mut found = Vec::new();
    for problem in banach_zoo::all() {
        let (map, x0) = posed(&problem);
        let work = [picard(), anderson()].map(|settings| {
            let solution = fixed_point(&map, &x0, &tight(settings).with_budget(budget)).unwrap();
            if solution.converged() { solution.statistics.evaluations } else { 0 }
        });
        found.push((problem.name, work[0], work[1]));
    }
    assert_eq!(found, EVALUATIONS);
}

#[test]
fn linear_applications_are_as_recorded() {
    let mut found = Vec::new();
    for (name, _) in APPLICATIONS {
        let problem = crate::zoo(name);
        let v = problem.x0(&Device::flex(), DType::F64).ones_like();
        let z = problem.z(&Device::flex(), DType::F64).zeros_like();
        let settings = Settings::<LinearSolver>::default().with_tolerance(Tolerance::both(1e-10));
        let solution = solve_linear(&|c: &Tensor<2>| problem.update(c, &z), &v, &settings).unwrap();
        assert!(solution.converged(), "{name}: {}", solution.explain());
        found.push((*name, solution.statistics.evaluations));
    }
    assert_eq!(found, APPLICATIONS);
}
