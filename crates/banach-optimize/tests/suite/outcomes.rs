//! Rows without a solution, or without a derivative, are named and leave the other rows alone.

use crate::reference::{assert_close, gradient, leaf, numbers, plain};
use banach::OnFailure;
use banach_optimize::{Error, QuadraticProblem, QuadraticProgram, QuadraticSettings, Termination};
use burn::tensor::Tensor;

/// Two variables with the constraints G x ≤ h in every row.
fn ended(q: &[f64], linear: &[f64], g: &[f64], h: &[f64]) -> Termination {
    let m = h.len();
    let problem = QuadraticProblem::new(plain(q, [2, 2]), plain(linear, [2]))
        .with_inequalities(plain(g, [m, 2]), plain(h, [m]));
    QuadraticProgram::default().solve(problem).unwrap().report.terminations[0]
}

const UNIT: [f64; 4] = [1.0, 0.0, 0.0, 1.0];

#[test]
fn every_termination_has_a_row_that_ends_so() {
    let zero = [0.0; 4];
    // The nearest point of a half-space that ends at the minimiser itself.
    assert_eq!(ended(&UNIT, &[-1.0, -1.0], &[1.0, 1.0], &[2.0]), Termination::Degenerate);
    assert_eq!(ended(&UNIT, &[-1.0, -1.0], &[1.0, 1.0], &[1.0]), Termination::Optimal);
    assert_eq!(ended(&UNIT, &[-1.0, -1.0], &[1.0, 1.0], &[9.0]), Termination::Optimal);
    // One constraint twice.
    assert_eq!(ended(&UNIT, &[-1.0, -1.0], &[1.0, 1.0, 1.0, 1.0], &[1.0, 1.0]), Termination::Dependent);
    // x₁ ≤ -1 and x₁ ≥ 1.
    assert_eq!(ended(&UNIT, &[0.0, 0.0], &[1.0, 0.0, -1.0, 0.0], &[-1.0, -1.0]), Termination::Infeasible);
    // x₂ may grow.
    assert_eq!(ended(&zero, &[0.0, -1.0], &[1.0, 0.0], &[1.0]), Termination::Unbounded);
    assert_eq!(ended(&[1.0, 0.0, 0.0, 0.0], &[0.0, -1.0], &[1.0, 0.0], &[1.0]), Termination::Unbounded);
    assert_eq!(ended(&[1.0, 2.0, 2.0, 1.0], &[0.0, 0.0], &[1.0, 0.0], &[1.0]), Termination::NotConvex);
    assert_eq!(ended(&UNIT, &[0.0, f64::NAN], &[1.0, 0.0], &[1.0]), Termination::NonFinite);
    // The minimum of -x₁ over a box is a side of it.
    let (g, h) = ([1.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, -1.0], [1.0; 4]);
    assert_eq!(ended(&zero, &[-1.0, 0.0], &g, &h), Termination::NotUnique);
    // A linear program with one solution.
    assert_eq!(ended(&zero, &[-1.0, -2.0], &g, &h), Termination::Optimal);
}

#[test]
fn failed_rows_have_no_gradient_and_leave_the_others_alone() {
    let h = [1.0, 1.0, -1.0, -1.0, f64::NAN, 1.0, 0.5, 3.0];
    let q: Tensor<2> = leaf(&UNIT, [2, 2]);
    let linear: Tensor<1> = leaf(&[-2.0, -1.0], [2]);
    let g: Tensor<2> = leaf(&[1.0, 0.0, -1.0, 0.0], [2, 2]);
    let h: Tensor<2> = leaf(&h, [4, 2]);
    let program = QuadraticProgram::default();
    let problem = QuadraticProblem::new(q.clone(), linear.clone()).with_inequalities(g.clone(), h.clone());
    let solution = program.solve(problem.clone()).unwrap();
    let expected =
        [Termination::Optimal, Termination::Infeasible, Termination::NonFinite, Termination::Optimal];
    assert_eq!(solution.report.terminations, expected);
    assert!(numbers(&solution.x).iter().all(|x| x.is_finite()));
    let text = solution.report.explain();
    assert!(text.contains("row 1 is infeasible: relax"), "{text}");
    let gradients = solution.x.sum().backward();
    let of_h = gradient(&h, &gradients);
    assert_eq!(of_h[2..6], [0.0; 4]);
    assert_close(&of_h[..2], &[1.0, 0.0], 1e-10, "the gradient of h in row 0");
    // Two sound rows in which x₁ is bounded, and x₂ = 1 is free.
    assert_close(&gradient(&linear, &gradients), &[0.0, -2.0], 1e-10, "the gradient of q");
    assert_eq!(program.counts().failed, 2);

    let settings = QuadraticSettings::new().with_on_failure(OnFailure::Error);
    let error = QuadraticProgram::new(settings).unwrap().solve(problem).unwrap_err();
    let expected = Error::Unsolved { row: 1, termination: Termination::Infeasible, failed: 2, rows: 4 };
    assert_eq!(error, expected);
    assert!(error.to_string().starts_with("2 of 4 rows have no solution; the first, row 1, is infeasible: "));
}

#[test]
fn a_degenerate_row_has_the_gradient_without_the_weak_constraint() {
    let linear: Tensor<1> = leaf(&[-1.0, -1.0], [2]);
    let g: Tensor<2> = plain(&[1.0, 1.0], [1, 2]);
    let h: Tensor<1> = leaf(&[2.0], [1]);
    let problem =
        QuadraticProblem::new(plain::<2>(&UNIT, [2, 2]), linear.clone()).with_inequalities(g, h.clone());
    let solution = QuadraticProgram::default().solve(problem).unwrap();
    assert_eq!(solution.report.terminations, [Termination::Degenerate]);
    assert_close(&numbers(&solution.x), &[1.0, 1.0], 1e-9, "x");
    let gradients = solution.x.sum().backward();
    assert_close(&gradient(&linear, &gradients), &[-1.0, -1.0], 1e-9, "the gradient of q");
    assert_eq!(gradient(&h, &gradients), [0.0]);
}

#[test]
fn numbers_far_from_one_are_solved_too() {
    for scale in [1e-5, 1e5] {
        let problem = QuadraticProblem::new(
            plain(&UNIT.map(|q| q * scale), [2, 2]),
            plain(&[-2.0 * scale, -scale], [2]),
        )
        .with_inequalities(plain(&[scale, scale], [1, 2]), plain(&[scale], [1]));
        let solution = QuadraticProgram::default().solve(problem).unwrap();
        assert_eq!(solution.report.terminations, [Termination::Optimal], "{scale}");
        assert_close(&numbers(&solution.x), &[1.0, 0.0], 1e-7, "x");
    }
}
