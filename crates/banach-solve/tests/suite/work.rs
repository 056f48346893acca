//! Snapshots of the work on known problems. Counts may fall; an increase needs a reason.

use crate::energy::Differences;
use crate::state::{On, State};
use crate::{newton, plain_solvers, posed, tight};
use banach_solve::{
    Anderson, Bicgstab, Budget, ConjugateGradient, Dense, LinearSolver, Matrix, Settings, Tolerance,
    fixed_point, fixed_point_smooth, solve_linear,
};
use burn::tensor::{DType, Device, Tensor};

/// Name, evaluations by Picard, Anderson, Broyden, squared extrapolation and Auto, to 1e-10; 0 where it does
/// not converge.
const EVALUATIONS: &[Work<5>] = &[
    ("cosine", [56, 7, 6, 56, 8]),
    ("exponential", [37, 6, 6, 37, 7]),
    ("tanh", [0, 8, 7, 0, 12]),
    ("shifted_tanh", [11, 7, 6, 9, 11]),
    ("square_root", [7, 9, 8, 7, 8]),
    ("cube_root", [120, 9, 8, 15, 10]),
    ("kepler", [36, 9, 8, 36, 10]),
    ("settled", [1, 1, 1, 1, 1]),
    ("affine", [31, 4, 5, 29, 6]),
    ("affine_matrix", [35, 4, 5, 29, 6]),
    ("affine_large", [51, 30, 28, 38, 30]),
    ("symmetric", [32, 22, 20, 32, 22]),
    ("descent", [75, 5, 7, 24, 7]),
    ("heat", [65, 13, 15, 65, 13]),
    ("heat_settled", [1, 1, 1, 1, 1]),
    ("slow", [12947, 6, 8, 87, 8]),
    ("mixed_speed", [267, 3, 3, 6, 5]),
    ("reversed_squares", [21, 8, 8, 13, 13]),
    ("layer", [35, 10, 11, 36, 11]),
    ("rotation", [0, 345, 84, 0, 126]),
    ("expanding_row", [0, 8, 9, 0, 8]),
    ("expanding_rows", [0, 6, 6, 0, 6]),
    ("neutral", [0, 7, 7, 0, 8]),
    ("two_answers", [14, 6, 5, 7, 14]),
    ("not_a_number", [0, 0, 0, 0, 0]),
    ("no_answer", [0, 0, 0, 0, 0]),
    ("flip", [0, 0, 0, 0, 0]),
    ("many_answers", [2, 2, 2, 2, 2]),
    ("touching", [0, 27, 24, 45, 28]),
    ("late_not_a_number", [0, 0, 0, 0, 0]),
    ("blow_up", [0, 90, 0, 0, 100]),
];

/// A name, and how much of several kinds.
type Work<const N: usize> = (&'static str, [usize; N]);

/// Name, applications by GMRES, to 1e-10.
const APPLICATIONS: &[(&str, usize)] =
    &[("affine", 3), ("affine_large", 20), ("descent", 4), ("heat", 6), ("slow", 4), ("rotation", 15)];

/// Name, applications by BiCGStab, by the dense solver, by Anderson with a window of 10, to 1e-10.
const BY_OTHERS: &[(&str, usize, usize, usize)] = &[
    ("affine", 5, 3, 4),
    ("affine_large", 25, 21, 23),
    ("descent", 7, 4, 5),
    ("heat", 11, 11, 7),
    ("slow", 7, 4, 6),
    ("rotation", 31, 15, 91),
];

/// Sums in another order are rounded otherwise, which matters where the way is long.
fn assert_near<const N: usize>(found: &[Work<N>], expected: &[Work<N>]) {
    let near = |found: &usize, expected: &usize| 10 * found.abs_diff(*expected) <= *expected;
    for (found, expected) in found.iter().zip(expected) {
        let all = found.1.iter().zip(&expected.1).all(|(found, expected)| near(found, expected));
        assert!(found.0 == expected.0 && all, "{found:?}, expected {expected:?}");
    }
}

#[test]
fn evaluations_are_as_recorded() {
    assert_eq!(evaluations::<Tensor<2>>(), EVALUATIONS);
    assert_near(&evaluations::<Matrix<f64>>(), EVALUATIONS);
}

fn evaluations<R: State>() -> Vec<Work<5>> {
    let budget = Budget::steps(20_000);
    let mut found = Vec::new();
    for problem in banach_zoo::all() {
        let (map, x0) = posed(&problem);
        let work = plain_solvers().map(|settings| {
            let solution = fixed_point(&On(&map), &R::of(&x0), &tight(settings).with_budget(budget))
                .expect("the settings are valid");
            if solution.converged() { solution.statistics.evaluations } else { 0 }
        });
        found.push((problem.name, work));
    }
    found
}

/// Name, evaluations and applications of the derivative by Newton without an energy, to 1e-7; 0 where it does
/// not converge.
const BY_NEWTON: &[Work<2>] = &[
    ("cosine", [4, 6]),
    ("exponential", [4, 6]),
    ("tanh", [5, 8]),
    ("shifted_tanh", [5, 8]),
    ("square_root", [6, 10]),
    ("cube_root", [5, 8]),
    ("kepler", [6, 8]),
    ("settled", [1, 0]),
    ("affine", [3, 6]),
    ("affine_matrix", [2, 3]),
    ("affine_large", [8, 34]),
    ("symmetric", [7, 23]),
    ("descent", [5, 10]),
    ("heat", [5, 11]),
    ("heat_settled", [1, 0]),
    ("slow", [4, 8]),
    ("mixed_speed", [2, 2]),
    ("reversed_squares", [6, 12]),
    ("layer", [6, 18]),
    ("rotation", [8, 55]),
    ("expanding_row", [4, 6]),
    ("expanding_rows", [3, 4]),
    ("neutral", [5, 8]),
    ("two_answers", [4, 6]),
    ("not_a_number", [0, 0]),
    ("no_answer", [0, 0]),
    ("flip", [0, 0]),
    ("many_answers", [2, 2]),
    ("touching", [12, 22]),
    ("late_not_a_number", [0, 0]),
    ("blow_up", [5, 13]),
];

/// Name, applications by conjugate gradients, to 1e-10.
const BY_CONJUGATE_GRADIENTS: &[(&str, usize)] = &[("descent", 6), ("heat", 8), ("slow", 6)];

#[test]
fn derivative_applications_are_as_recorded() {
    assert_eq!(derivative_applications::<Tensor<2>>(), BY_NEWTON);
    assert_near(&derivative_applications::<Matrix<f64>>(), BY_NEWTON);
}

fn derivative_applications<R: State>() -> Vec<Work<2>> {
    let mut found = Vec::new();
    for problem in banach_zoo::all() {
        let (map, x0) = posed(&problem);
        // The differences are no nearer to linear than that.
        let settings = tight(newton()).with_tolerance(Tolerance::both(1e-7)).with_budget(Budget::steps(400));
        let solution = fixed_point_smooth(&On(Differences(map)), &R::of(&x0), &settings)
            .expect("the settings are valid");
        let spent = &solution.statistics;
        let spent = [spent.evaluations, spent.derivative_applications]
            .map(|n| if solution.converged() { n } else { 0 });
        found.push((problem.name, spent));
    }
    found
}

#[test]
fn linear_applications_are_as_recorded() {
    assert_eq!(applications::<Tensor<2>>(APPLICATIONS, LinearSolver::default()), APPLICATIONS);
    assert_eq!(applications::<Matrix<f64>>(APPLICATIONS, LinearSolver::default()), APPLICATIONS);
    let solver = LinearSolver::ConjugateGradient(ConjugateGradient::default());
    assert_eq!(applications::<Tensor<2>>(BY_CONJUGATE_GRADIENTS, solver.clone()), BY_CONJUGATE_GRADIENTS);
    assert_eq!(applications::<Matrix<f64>>(BY_CONJUGATE_GRADIENTS, solver), BY_CONJUGATE_GRADIENTS);
    let others = [
        LinearSolver::Bicgstab(Bicgstab::default()),
        LinearSolver::Dense(Dense::default()),
        LinearSolver::Anderson(Anderson { window: 10, ..Anderson::default() }),
    ];
    let [two, all, window] = others.map(|solver| applications::<Tensor<2>>(APPLICATIONS, solver));
    let found: Vec<_> = (0..two.len()).map(|k| (two[k].0, two[k].1, all[k].1, window[k].1)).collect();
    assert_eq!(found, BY_OTHERS);
}

fn applications<R: State>(
    names: &[(&'static str, usize)],
    solver: LinearSolver,
) -> Vec<(&'static str, usize)> {
    let mut found = Vec::new();
    for (name, _) in names {
        let problem = crate::zoo(name);
        let v = problem.x0(&Device::flex(), DType::F64).ones_like();
        let z = problem.z(&Device::flex(), DType::F64).zeros_like();
        let settings = Settings::new(solver.clone()).with_tolerance(Tolerance::both(1e-10));
        let map = On(|c: &Tensor<2>| problem.update(c, &z));
        let solution = solve_linear(&map, &R::of(&v), &settings).expect("the settings are valid");
        assert!(solution.converged(), "{name}: {}", solution.explain());
        found.push((*name, solution.statistics.evaluations));
    }
    found
}
