//! Solutions and gradients of problems that were solved elsewhere, to the accuracy stated there.

use crate::reference::{Golden, assert_close, gradient, leaf, numbers, plain};
use banach_optimize::{
    Cone, ConeProblem, ConeProgram, QuadraticProblem, QuadraticProgram, Termination, scaled_vector,
    symmetric_matrix,
};
use burn::tensor::Tensor;

#[test]
fn a_quadratic_program_has_its_solution_duals_and_gradients() {
    let golden = Golden::read("quadratic_program");
    let (n, m, p) = (6, 7, 2);
    let q: Tensor<2> = golden.leaf("inputs/Q", [n, n]);
    let linear: Tensor<1> = golden.leaf("inputs/q", [n]);
    let g: Tensor<2> = golden.leaf("inputs/G", [m, n]);
    let h: Tensor<1> = golden.leaf("inputs/h", [m]);
    let a: Tensor<2> = golden.leaf("inputs/A", [p, n]);
    let b: Tensor<1> = golden.leaf("inputs/b", [p]);
    let problem = QuadraticProblem::new(q.clone(), linear.clone())
        .with_inequalities(g.clone(), h.clone())
        .with_equalities(a.clone(), b.clone());
    let solution = QuadraticProgram::default().solve(problem).unwrap();
    assert_eq!(solution.report.terminations, [Termination::Optimal]);
    let (lambda, nu) = (solution.inequality_duals.unwrap(), solution.equality_duals.unwrap());
    assert_close(&numbers(&solution.x), &golden.numbers("solution/x"), 1e-10, "x");
    assert_close(&numbers(&lambda), &golden.numbers("solution/inequality_duals"), 1e-10, "λ");
    assert_close(&numbers(&nu), &golden.numbers("solution/equality_duals"), 1e-10, "ν");
    let gradients = (solution.x * golden.plain("weights", [1, n]).autodiff()).sum().backward();
    let expect = |found: Vec<f64>, name: &str| {
        assert_close(&found, &golden.numbers(&format!("gradient/{name}")), 1e-9, name);
    };
    expect(gradient(&q, &gradients), "Q");
    expect(gradient(&linear, &gradients), "q");
    expect(gradient(&g, &gradients), "G");
    expect(gradient(&h, &gradients), "h");
    expect(gradient(&a, &gradients), "A");
    expect(gradient(&b, &gradients), "b");
}

/// ½‖Ax - y‖² + l‖x‖₁ as a quadratic program in x = u - v with u, v ≥ 0.
#[test]
fn the_lasso_has_its_solution_and_gradients() {
    let golden = Golden::read("lasso");
    let (rows, n) = (12, 8);
    let a: Tensor<2> = golden.leaf("inputs/A", [rows, n]);
    let y: Tensor<2> = golden.leaf("inputs/y", [1, rows]);
    let l: Tensor<1> = golden.leaf("inputs/l", [1]);
    let both = Tensor::cat(vec![a.clone(), a.clone().neg()], 1);
    let q = both.clone().transpose().matmul(both.clone());
    let linear = l.clone().reshape([1, 1]).repeat_dim(1, 2 * n) - y.clone().matmul(both);
    let mut bounds = vec![0.0; 4 * n * n];
    (0..2 * n).for_each(|i| bounds[i * 2 * n + i] = -1.0);
    let problem = QuadraticProblem::new(q, linear)
        .with_inequalities(plain(&bounds, [2 * n, 2 * n]), plain(&vec![0.0; 2 * n], [2 * n]));
    let solution = QuadraticProgram::default().solve(problem).unwrap();
    assert!(solution.report.solved(), "{}", solution.report.explain());
    let x = solution.x.clone().narrow(1, 0, n) - solution.x.narrow(1, n, n);
    assert_close(&numbers(&x), &golden.numbers("solution/x"), 1e-9, "x");
    let gradients = (x * golden.plain("weights", [1, n]).autodiff()).sum().backward();
    assert_close(&gradient(&a, &gradients), &golden.numbers("gradient/A"), 1e-8, "A");
    assert_close(&gradient(&y, &gradients), &golden.numbers("gradient/y"), 1e-8, "y");
    assert_close(&gradient(&l, &gradients), &golden.numbers("gradient/l"), 1e-8, "l");
}

#[test]
fn a_support_vector_machine_has_its_solution_and_gradients() {
    let golden = Golden::read("support_vector_machine");
    let labels = [1., -1., -1., -1., -1., -1., 1., -1., -1., -1., -1., 1., -1., -1.];
    let n = labels.len();
    let x: Tensor<2> = golden.leaf("inputs/X", [n, 2]);
    let c: Tensor<1> = golden.leaf("inputs/C", [1]);
    let g: Tensor<1> = golden.leaf("inputs/g", [1]);
    let own = x.clone().reshape([n, 1, 2]).repeat_dim(1, n);
    let others = x.clone().reshape([1, n, 2]).repeat_dim(0, n);
    let distance: Tensor<2> = (own - others).powi_scalar(2).sum_dim(2).reshape([n, n]);
    let y: Tensor<2> = plain(&labels, [1, n]).autodiff();
    let kernel = (distance * g.clone().reshape([1, 1]).repeat_dim(0, n).repeat_dim(1, n)).neg().exp() + 1.0;
    let q = kernel * y.clone().transpose().matmul(y);
    let mut bounds = vec![0.0; 2 * n * n];
    (0..n).for_each(|i| (bounds[i * n + i], bounds[(n + i) * n + i]) = (1.0, -1.0));
    let above = c.clone().repeat_dim(0, n);
    let h = Tensor::cat(vec![above, leaf(&vec![0.0; n], [n])], 0);
    let problem = QuadraticProblem::new(q, plain::<1>(&vec![-1.0; n], [n]).autodiff())
        .with_inequalities(plain::<2>(&bounds, [2 * n, n]).autodiff(), h);
    let solution = QuadraticProgram::default().solve(problem).unwrap();
    assert_eq!(solution.report.terminations, [Termination::Optimal]);
    assert_close(&numbers(&solution.x), &golden.numbers("solution/x"), 1e-9, "a");
    let gradients = (solution.x * golden.plain("weights", [1, n]).autodiff()).sum().backward();
    // The golden gradients are differences, exact to 1e-6.
    assert_close(&gradient(&x, &gradients), &golden.numbers("gradient/X"), 1e-6, "X");
    assert_close(&gradient(&c, &gradients), &golden.numbers("gradient/C"), 1e-6, "C");
    assert_close(&gradient(&g, &gradients), &golden.numbers("gradient/g"), 1e-6, "g");
}

/// minimise cᵀx subject to ‖Fx + f‖ ≤ dᵀx + e, ‖x‖ ≤ r
#[test]
fn a_second_order_cone_program_has_its_solution_and_gradients() {
    let golden = Golden::read("second_order_cone_program");
    let (n, k) = (5, 4);
    let c: Tensor<1> = golden.leaf("inputs/c", [n]);
    let f_matrix: Tensor<2> = golden.leaf("inputs/F", [k, n]);
    let f: Tensor<1> = golden.leaf("inputs/f", [k]);
    let d: Tensor<2> = golden.leaf("inputs/d", [1, n]);
    let e: Tensor<1> = golden.leaf("inputs/e", [1]);
    let r: Tensor<1> = golden.leaf("inputs/r", [1]);
    let mut ball = vec![0.0; (n + 1) * n];
    (0..n).for_each(|i| ball[(i + 1) * n + i] = -1.0);
    let ball: Tensor<2> = plain(&ball, [n + 1, n]).autodiff();
    let a = Tensor::cat(vec![d.clone().neg(), f_matrix.clone().neg(), ball], 0);
    let b = Tensor::cat(vec![e.clone(), f.clone(), r.clone(), plain(&vec![0.0; n], [n]).autodiff()], 0);
    let program = ConeProgram::new(&[Cone::SecondOrder(k + 1), Cone::SecondOrder(n + 1)]).unwrap();
    let solution = program.solve(ConeProblem::new(c.clone(), a, b)).unwrap();
    assert_eq!(solution.report.terminations, [Termination::Optimal]);
    assert!(solution.report.errors[0] < 1e-13, "{:?}", solution.report);
    assert_close(&numbers(&solution.x), &golden.numbers("solution/x"), 1e-8, "x");
    let gradients = (solution.x * golden.plain("weights", [1, n]).autodiff()).sum().backward();
    let expect = |found: Vec<f64>, name: &str| {
        assert_close(&found, &golden.numbers(&format!("gradient/{name}")), 2e-8, name);
    };
    expect(gradient(&c, &gradients), "c");
    expect(gradient(&f_matrix, &gradients), "F");
    expect(gradient(&f, &gradients), "f");
    expect(gradient(&d, &gradients), "d");
    expect(gradient(&e, &gradients), "e");
    expect(gradient(&r, &gradients), "r");
}

/// minimise ½‖X - C‖² subject to X positive semidefinite, diag(X) = b
#[test]
fn the_nearest_correlation_matrix_has_its_solution_and_gradients() {
    let golden = Golden::read("nearest_correlation_matrix");
    let (n, length) = (4, 10);
    let c: Tensor<3> = golden.leaf("inputs/C", [1, n, n]);
    let b: Tensor<1> = golden.leaf("inputs/b", [n]);
    let mut a = vec![0.0; (n + length) * length];
    (0..n).for_each(|i| a[i * length + i * (i + 3) / 2] = 1.0);
    (0..length).for_each(|i| a[(n + i) * length + i] = -1.0);
    let bound = Tensor::cat(vec![b.clone(), plain(&vec![0.0; length], [length]).autodiff()], 0);
    let program = ConeProgram::new(&[Cone::Zero(n), Cone::Semidefinite(n)]).unwrap();
    let identity = Tensor::<2>::eye(length, &burn::tensor::Device::flex()).cast(burn::tensor::DType::F64);
    let problem =
        ConeProblem::new(scaled_vector(c.clone()).neg(), plain::<2>(&a, [n + length, length]), bound)
            .with_quadratic(identity);
    let solution = program.solve(problem).unwrap();
    assert_eq!(solution.report.terminations, [Termination::Optimal], "{:?}", solution.report);
    let x = symmetric_matrix(solution.x, n);
    assert_close(&numbers(&x), &golden.numbers("solution/x"), 1e-10, "X");
    let gradients = (x * golden.plain("weights", [1, n, n]).autodiff()).sum().backward();
    assert_close(&gradient(&c, &gradients), &golden.numbers("gradient/C"), 1e-9, "C");
    assert_close(&gradient(&b, &gradients), &golden.numbers("gradient/b"), 1e-9, "b");
}
