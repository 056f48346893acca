//! Data that do not fit are refused with one clear line.

use crate::reference::plain;
use banach_optimize::{Error, QuadraticProblem, QuadraticProgram, QuadraticSettings, solve, symmetric_eigen};
use burn::tensor::{Device, Tensor};

fn refused(problem: QuadraticProblem) -> String {
    let error = QuadraticProgram::default().solve(problem).unwrap_err();
    assert!(matches!(error, Error::Tensor { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn sizes_and_dtypes_that_do_not_fit_are_named() {
    let q = || plain::<2>(&[1.0, 0.0, 0.0, 1.0], [2, 2]);
    let linear = || plain::<1>(&[1.0, 1.0], [2]);
    let text = refused(QuadraticProblem::new(plain::<2>(&[1.0; 6], [2, 3]), linear()));
    assert!(text.starts_with("Q is f64[2,3], expected") || text.starts_with("Q is "), "{text}");
    let text = refused(
        QuadraticProblem::new(q(), linear())
            .with_inequalities(plain::<2>(&[1.0; 3], [1, 3]), plain::<1>(&[1.0], [1])),
    );
    assert!(text.starts_with("G is ") && text.contains("[1, 2]"), "{text}");
    let text = refused(
        QuadraticProblem::new(q(), plain::<2>(&[1.0; 6], [3, 2]))
            .with_equalities(plain::<2>(&[1.0; 2], [1, 2]), plain::<2>(&[1.0; 2], [2, 1])),
    );
    assert!(text.starts_with("b is ") && text.contains("3 rows"), "{text}");
    let single = Tensor::<1>::from_data([1.0f32, 1.0], &Device::flex());
    let text = refused(QuadraticProblem::new(q(), single));
    assert!(text.starts_with("q is ") && text.contains("dtype of Q"), "{text}");
}

#[test]
fn settings_without_a_meaning_are_refused() {
    let refused = |settings: QuadraticSettings| QuadraticProgram::new(settings).unwrap_err().to_string();
    assert!(
        refused(QuadraticSettings::new().with_tolerance(0.0)).starts_with("the setting `tolerance` is 0")
    );
    assert!(refused(QuadraticSettings::new().with_max_steps(0)).starts_with("the setting `max_steps` is 0"));
    assert!(refused(QuadraticSettings::new().with_degeneracy(f64::NAN)).contains("`degeneracy` is NaN"));
    let problem = QuadraticProblem::new(plain::<2>(&[1.0], [1, 1]), plain::<1>(&[1.0], [1]));
    let error = QuadraticProgram::default().solve_samples(problem, &[1, 2]).unwrap_err();
    assert!(error.to_string().contains("2 ids for 1 rows"), "{error}");
}

#[test]
fn linear_algebra_names_the_row_it_cannot_do() {
    let matrices = plain::<3>(&[1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 4.0], [2, 2, 2]);
    let error = solve(matrices, plain(&[1.0; 4], [2, 2])).unwrap_err().to_string();
    assert!(error.contains("a singular matrix in row 1 of 2"), "{error}");
    let error = symmetric_eigen(plain(&[f64::NAN; 4], [1, 2, 2])).unwrap_err().to_string();
    assert!(error.contains("row 0 of 1"), "{error}");
    let error = symmetric_eigen(plain(&[1.0; 6], [1, 2, 3])).unwrap_err().to_string();
    assert!(error.contains("square matrices"), "{error}");
}
