//! Cone programs with known solutions, outcomes of rows, and refused requests.

use crate::reference::{assert_close, gradient, leaf, numbers, plain};
use banach_optimize::{
    Cone, ConeProblem, ConeProgram, ConeSettings, SparseMatrix, Termination, scaled_vector, symmetric_matrix,
};
use burn::tensor::Tensor;

fn ended(cones: &[Cone], problem: ConeProblem) -> Termination {
    ConeProgram::new(cones).unwrap().solve(problem).unwrap().report.terminations[0]
}

/// minimise -Σ log xᵢ subject to Σ xᵢ = c, through (t, 1, x) in the exponential cone: x = c / 2.
#[test]
fn the_logarithm_is_maximised_through_exponential_cones() {
    // Variables t₁, t₂, x₁, x₂.
    let a = [
        0.0, 0.0, 1.0, 1.0, //
        -1.0, 0.0, 0.0, 0.0, //
        0.0, 0.0, 0.0, 0.0, //
        0.0, 0.0, -1.0, 0.0, //
        0.0, -1.0, 0.0, 0.0, //
        0.0, 0.0, 0.0, 0.0, //
        0.0, 0.0, 0.0, -1.0,
    ];
    let c = [3.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0];
    let b: Tensor<1> = leaf(&c, [7]);
    let q: Tensor<1> = leaf(&[-1.0, -1.0, 0.0, 0.0], [4]);
    let program = ConeProgram::new(&[Cone::Zero(1), Cone::Exponential, Cone::Exponential]).unwrap();
    let solution = program.solve(ConeProblem::new(q.clone(), plain::<2>(&a, [7, 4]), b.clone())).unwrap();
    assert_eq!(solution.report.terminations, [Termination::Optimal], "{:?}", solution.report);
    let log = 1.5f64.ln();
    assert_close(&numbers(&solution.x), &[log, log, 1.5, 1.5], 1e-12, "x");
    let gradients = solution.x.narrow(1, 0, 1).sum().backward();
    // t₁ = log(c / 2), with the slope 1 / c.
    assert_close(&gradient(&b, &gradients)[..1], &[1.0 / 3.0], 1e-9, "the slope of c");
    // For weights w of the logarithms x₁ = c w₁ / (w₁ + w₂).
    assert_close(&gradient(&q, &gradients)[..2], &[-0.5, 0.5], 1e-9, "the slope of the weights");
}

#[test]
fn terminations_are_named() {
    let a = |numbers: &[f64]| plain::<2>(numbers, [numbers.len(), 1]);
    let v = |numbers: &[f64]| plain::<1>(numbers, [numbers.len()]);
    let inequalities = [Cone::NonNegative(2)];
    // x ≤ -1, -x ≤ -1
    let infeasible = || ConeProblem::new(v(&[1.0]), a(&[1.0, -1.0]), v(&[-1.0, -1.0]));
    assert_eq!(ended(&inequalities, infeasible()), Termination::Infeasible);
    let unbounded = ConeProblem::new(v(&[1.0]), a(&[1.0, 1.0]), v(&[1.0, 1.0]));
    assert_eq!(ended(&inequalities, unbounded), Termination::Unbounded);
    let twice = ConeProblem::new(v(&[-1.0]), a(&[1.0, 1.0]), v(&[1.0, 1.0]))
        .with_quadratic(plain::<2>(&[0.1], [1, 1]));
    assert_eq!(ended(&inequalities, twice), Termination::Dependent);
    let flat = ConeProblem::new(v(&[0.0]), a(&[1.0, -1.0]), v(&[1.0, 1.0]));
    assert_eq!(ended(&inequalities, flat), Termination::NotUnique);
    let weak = ConeProblem::new(v(&[-1.0]), a(&[1.0, -1.0]), v(&[1.0, 1.0]))
        .with_quadratic(plain::<2>(&[1.0], [1, 1]));
    assert_eq!(ended(&inequalities, weak), Termination::Degenerate);
    let concave = ConeProblem::new(v(&[1.0]), a(&[1.0, -1.0]), v(&[1.0, 1.0]))
        .with_quadratic(plain::<2>(&[-1.0], [1, 1]));
    assert_eq!(ended(&inequalities, concave), Termination::NotConvex);
    let broken = ConeProblem::new(v(&[1.0]), a(&[1.0, -1.0]), v(&[1.0, f64::INFINITY]));
    assert_eq!(ended(&inequalities, broken), Termination::NonFinite);
    // diag(x, -1) is never positive semidefinite; x I is for x ≥ 0, and -x falls.
    let semidefinite = [Cone::Semidefinite(2)];
    let infeasible = ConeProblem::new(v(&[1.0]), a(&[-1.0, 0.0, 0.0]), v(&[0.0, 0.0, -1.0]));
    assert_eq!(ended(&semidefinite, infeasible), Termination::Infeasible);
    let unbounded = ConeProblem::new(v(&[-1.0]), a(&[-1.0, 0.0, -1.0]), v(&[0.0; 3]));
    assert_eq!(ended(&semidefinite, unbounded), Termination::Unbounded);
}

#[test]
fn failed_rows_have_no_gradient_and_leave_the_others_alone() {
    let q: Tensor<1> = leaf(&[1.0], [1]);
    let b: Tensor<2> = leaf(&[1.0, 1.0, -1.0, -1.0], [2, 2]);
    let program = ConeProgram::new(&[Cone::NonNegative(2)]).unwrap();
    let problem = ConeProblem::new(q, plain::<2>(&[1.0, -1.0], [2, 1]), b.clone());
    let solution = program.solve(problem).unwrap();
    assert_eq!(solution.report.terminations, [Termination::Optimal, Termination::Infeasible]);
    let gradients = solution.x.sum().backward();
    assert_close(&gradient(&b, &gradients), &[0.0, -1.0, 0.0, 0.0], 1e-10, "the gradient of b");
    assert_eq!(program.counts().failed, 1);
}

#[test]
fn a_sparse_matrix_is_the_dense_one_and_single_precision_is_solved_in_double() {
    let b: Tensor<1> = plain(&[1.0, 2.0], [2]);
    let q: Tensor<2> = plain(&[-1.0, -1.0, 1.0, -2.0], [2, 2]);
    let p: Tensor<2> = plain(&[1.0, 0.2, 0.2, 1.0], [2, 2]);
    let cones = [Cone::NonNegative(2)];
    let program = ConeProgram::with_settings(&cones, ConeSettings::new().with_tolerance(1e-9)).unwrap();
    let sparse =
        SparseMatrix::new(2, 2, &[(0, 0), (1, 1), (1, 1)], plain::<1>(&[2.0, 0.5, 0.5], [3])).unwrap();
    let dense: Tensor<2> = plain(&[2.0, 0.0, 0.0, 1.0], [2, 2]);
    let one =
        program.solve(ConeProblem::new(q.clone(), sparse, b.clone()).with_quadratic(p.clone())).unwrap();
    let other =
        program.solve(ConeProblem::new(q.clone(), dense.clone(), b.clone()).with_quadratic(p)).unwrap();
    assert_close(&numbers(&one.x), &numbers(&other.x), 1e-12, "x");
    let single = |x: Tensor<2>| x.cast(burn::tensor::DType::F32);
    let problem = ConeProblem::new(single(q), single(dense), b.cast(burn::tensor::DType::F32))
        .with_quadratic(single(plain(&[1.0, 0.2, 0.2, 1.0], [2, 2])));
    assert_close(&numbers(&program.solve(problem).unwrap().x), &numbers(&one.x), 1e-6, "x in f32");
}

#[test]
fn matrices_become_vectors_and_back() {
    let matrix: Tensor<3> = plain(&[1.0, 2.0, 3.0, 2.0, 4.0, 5.0, 3.0, 5.0, 6.0], [1, 3, 3]);
    let vector = scaled_vector(matrix.clone());
    let root = std::f64::consts::SQRT_2;
    assert_close(&numbers(&vector), &[1.0, 2.0 * root, 4.0, 3.0 * root, 5.0 * root, 6.0], 1e-15, "a vector");
    assert_close(&numbers(&symmetric_matrix(vector, 3)), &numbers(&matrix), 1e-15, "a matrix");
}

#[test]
fn data_that_do_not_fit_are_refused() {
    let q = || plain::<1>(&[1.0], [1]);
    let problem = ConeProblem::new(q(), plain::<2>(&[1.0, 1.0], [2, 1]), plain::<1>(&[1.0, 1.0], [2]));
    let error = ConeProgram::new(&[Cone::SecondOrder(3)]).unwrap().solve(problem).unwrap_err().to_string();
    assert!(error.starts_with("A is a matrix of 2 rows, expected 3 rows"), "{error}");
    let error = ConeProgram::new(&[Cone::Zero(0)]).unwrap_err().to_string();
    assert!(error.starts_with("the setting `cones` is [Zero(0)]"), "{error}");
    let error = SparseMatrix::new(2, 2, &[(0, 2)], q()).unwrap_err().to_string();
    assert!(error.contains("the place (0, 2)"), "{error}");
    let settings = ConeSettings::new().with_max_splitting_steps(0);
    let error = ConeProgram::with_settings(&[Cone::Zero(1)], settings).unwrap_err().to_string();
    assert!(error.starts_with("the setting `max_splitting_steps` is 0"), "{error}");
}
