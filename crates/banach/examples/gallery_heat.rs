//! The steady state of a nonlinear heat equation: two conductivities from measured temperatures, by Gauss-Newton steps.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::{Dense, Newton, Tolerance};
use banach::{Error, FixedPointConfig, Function};
use burn::tensor::{DType, Device, Tensor};

/// Points inside the bar; its ends are kept at 0.
const N: usize = 19;
const H: f64 = 1.0 / (N + 1) as f64;
const SOURCE: f64 = 8.0;

// ANCHOR: update
/// A Jacobi step of -(κ(s) (1 + u) u′)′ = f on a bar of two materials, whose conductivities are κ = exp(θ).
fn step((u, theta): (Tensor<2>, Tensor<2>)) -> Tensor<2> {
    let end = Tensor::zeros([1, 1], (&u.device(), DType::F64));
    let padded = Tensor::cat(vec![end.clone(), u.clone(), end], 1);
    let (left, right) = (padded.clone().narrow(1, 0, N + 1), padded.narrow(1, 1, N + 1));
    let half = |side: usize| theta.clone().exp().narrow(1, side, 1).repeat_dim(1, N.div_ceil(2));
    let conductivity = Tensor::cat(vec![half(0), half(1)], 1) * ((left.clone() + right.clone()) * 0.5 + 1.0);
    let flux = conductivity.clone() * (right - left) / H;
    let balance = (flux.clone().narrow(1, 1, N) - flux.narrow(1, 0, N)) / H + SOURCE;
    let diagonal = conductivity.clone().narrow(1, 0, N) + conductivity.narrow(1, 1, N);
    u + balance * (H * H) / diagonal
}
// ANCHOR_END: update

fn numbers(x: &Tensor<2>) -> Vec<f64> {
    x.to_data().iter().collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn main() -> Result<(), Error> {
    let double = (&Device::flex(), DType::F64);
    let pair = |numbers: [f64; 2]| Tensor::<2>::from_data([numbers], double);
    let u0 = Tensor::<2>::zeros([1, N], double);
    // ANCHOR: solve
    let config = FixedPointConfig::new()
        .with_solver(Newton::default())
        .with_adjoint(Dense::default())
        .with_tolerance(Tolerance::both(1e-13));
    let steady = Function::of(&(u0.clone(), pair([0.0; 2])), step)?.fix(&config)?;
    let sensitivity = steady.jvp_of(&[1]);
    // ANCHOR_END: solve
    let temperatures = |theta: [f64; 2]| Ok::<_, Error>(numbers(&steady.call((u0.clone(), pair(theta)))?));
    let along = |theta: [f64; 2], t: [f64; 2]| {
        Ok::<_, Error>(numbers(&sensitivity.call((u0.clone(), pair(theta), pair(t)))?))
    };

    let truth = [1.5f64.ln(), 0.4f64.ln()];
    let measured = temperatures(truth)?;
    // ANCHOR: identify
    let mut theta = [0.0; 2];
    for iteration in 0..8 {
        let found = temperatures(theta)?;
        let misfit: Vec<f64> = measured.iter().zip(&found).map(|(a, b)| a - b).collect();
        // Two forward derivatives are the columns of the Jacobian; its normal equations are 2 by 2.
        let (a, b) = (along(theta, [1.0, 0.0])?, along(theta, [0.0, 1.0])?);
        let (aa, ab, bb) = (dot(&a, &a), dot(&a, &b), dot(&b, &b));
        let (ra, rb) = (dot(&a, &misfit), dot(&b, &misfit));
        let determinant = aa * bb - ab * ab;
        theta[0] += (bb * ra - ab * rb) / determinant;
        theta[1] += (aa * rb - ab * ra) / determinant;
        println!(
            "iteration {iteration}: misfit {:.1e}, κ = {:.6?}",
            dot(&misfit, &misfit).sqrt(),
            theta.map(f64::exp)
        );
    }
    // ANCHOR_END: identify
    assert!(theta.iter().zip(truth).all(|(found, truth)| (found - truth).abs() < 1e-9));

    // A column of the Jacobian by differences.
    let (above, below) = (temperatures([1e-5, 0.0])?, temperatures([-1e-5, 0.0])?);
    let column = along([0.0; 2], [1.0, 0.0])?;
    let apart = |at: usize| (column[at] - (above[at] - below[at]) / 2e-5).abs();
    let worst = (0..N).map(apart).fold(0.0, f64::max);
    println!("∂u/∂θ₁ in the middle: {:+.9}; off the differences by {worst:.1e} at most", column[N / 2]);
    assert!(worst < 1e-8);
    assert_eq!(steady.statistics().unconverged_rows, 0);
    Ok(())
}
