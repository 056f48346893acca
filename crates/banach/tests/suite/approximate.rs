//! Gradients other than the implicit one: their values, and the reports that mark them as approximate.

use crate::policies::{Slope, column, slopes, tight, zoo};
use crate::reference::{assert_close, numbers};
use banach::solve::{Broyden, ConjugateGradient, LinearSolver, Outcome};
use banach::{FixedPointConfig, Function, Gradient, OnFailure};
use burn::tensor::Tensor;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn unrolled_gradients_are_so_many_terms_of_the_series() {
    let z = column(&[0.5, -0.8]);
    for steps in [1, 2, 5] {
        let config = tight().with_gradient(Gradient::Unrolled { steps });
        let term = |z: f64| (0..steps).map(|k| z.powi(k as i32)).sum::<f64>() / (1.0 - z);
        let expected = [term(0.5), term(-0.8)];
        let layer = config.init(Slope { b: 1.0 }).unwrap();
        assert_close(&slopes(&layer, &z), &expected, 1e-9, "on the tape");
        let plain = z.clone().inner();
        let g = |(x, z): (Tensor<2>, Tensor<2>)| x * z + 1.0;
        let fixed = Function::of(&(plain.clone(), plain.clone()), g).unwrap().fix(&config).unwrap();
        let found: Tensor<2> =
            fixed.jvp_of(&[1]).call((plain.zeros_like(), plain.clone(), plain.ones_like())).unwrap();
        assert_close(&numbers(&found), &expected, 1e-9, "in a program");
    }
}

pub(crate) fn shine(refinement: usize, limit: f64) -> FixedPointConfig {
    tight().with_solver(Broyden::default()).with_gradient(Gradient::Shine { refinement, limit })
}

#[test]
fn the_inverse_learnt_forward_serves_as_the_adjoint() {
    // With one unknown a row the last secant is the derivative, nearly.
    let (layer, z, expected) = zoo("expanding_rows", &shine(0, 10.0));
    let solution = layer.solve(z.clone()).unwrap();
    let report = solution.report().clone();
    let found = numbers(&z.grad(&solution.into_value().sum().backward()).unwrap());
    assert_close(&found, &expected, 1e-3, "dx̂/dz");
    let adjoint = report.adjoint().remove(0);
    assert_eq!((adjoint.evaluations, adjoint.outcomes), (0, vec![Outcome::Approximate; 3]));
    assert_eq!(adjoint.solvers, ["shared inverse"]);
}

#[test]
fn refinement_makes_the_learnt_inverse_exact() {
    for name in ["affine_large", "layer", "reversed_squares"] {
        let (layer, z, expected) = zoo(name, &shine(200, 1e3));
        assert_close(&slopes(&layer, &z), &expected, 1e-7, name);
        let statistics = layer.take_statistics();
        assert_eq!(statistics.adjoint_unconverged_rows, 0, "{name}");
    }
    // A few steps from there are no failure, and better than none.
    let miss = |refinement| {
        let (layer, z, expected) = zoo("affine_large", &shine(refinement, 1e3));
        let found = slopes(&layer, &z);
        assert_eq!(layer.take_statistics().adjoint_unconverged_rows, 0);
        found.iter().zip(&expected).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
    };
    let misses = [0, 3, 10].map(miss);
    assert!(misses[0] > misses[1] && misses[1] > misses[2], "{misses:?}");
}

#[test]
fn an_inverse_that_is_not_trusted_gives_way_to_the_cotangent() {
    let (layer, z, _) = zoo("layer", &shine(0, 1e-9));
    let free = tight().with_adjoint(LinearSolver::Identity);
    let (exact, other, _) = zoo("layer", &free);
    assert_close(&slopes(&layer, &z), &slopes(&exact, &other), 1e-9, "Jacobian-free");
}

#[test]
fn a_refinement_that_failed_is_an_error_where_failing_is_one() {
    // Conjugate gradients refine nothing where J is not symmetric.
    let solver = LinearSolver::ConjugateGradient(ConjugateGradient::default());
    let refined = shine(5, 1e3).with_adjoint(solver);
    let (layer, z, _) = zoo("affine_large", &refined);
    let _ = slopes(&layer, &z);
    assert_eq!(layer.take_statistics().adjoint_unconverged_rows, 3, "counted by default");
    let (layer, z, _) = zoo("affine_large", &refined.with_on_failure(OnFailure::Error));
    let x = layer.solve(z).unwrap().into_value();
    let panic = catch_unwind(AssertUnwindSafe(|| x.sum().backward())).err().unwrap();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("asymmetric"), "{text}");
}

#[test]
fn what_is_not_the_implicit_gradient_is_not_checked_as_if_it_were() {
    let (layer, z, _) = zoo("affine", &tight().with_gradient(Gradient::Unrolled { steps: 1 }));
    let z = z.inner();
    for text in [
        banach::check::gradients(&layer, z.clone()).unwrap_err().to_string(),
        layer.certificate(z).unwrap_err().to_string(),
    ] {
        assert!(text.contains("`gradient` is Unrolled") && text.contains("implicit"), "{text}");
    }
}
