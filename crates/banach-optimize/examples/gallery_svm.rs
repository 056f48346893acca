//! A support vector machine as a layer: its C and the width of its kernel, by the slope of the validation loss.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach_optimize::{Error, QuadraticProblem, QuadraticProgram};
use burn::tensor::{DType, Device, Distribution, Tensor, TensorData, activation::softplus};

/// Points `[n, 2]` with labels ±1 `[n]`.
type Points = (Tensor<2>, Tensor<1>);

// ANCHOR: machine
/// exp(-g ‖a - b‖²) + 1 for all pairs of points; the 1 stands for a bias.
fn kernel(a: &Tensor<2>, b: &Tensor<2>, g: Tensor<1>) -> Tensor<2> {
    let distances = (a.clone().unsqueeze_dim::<3>(1) - b.clone().unsqueeze_dim::<3>(0)).square().sum_dim(2);
    (distances.squeeze_dim::<2>(2) * g.neg().reshape([1, 1])).exp() + 1.0
}

/// The decision values of new points: α = argmin ½ αᵀ(yyᵀ ∘ K) α - Σ α subject to 0 ≤ α ≤ C.
fn decisions(
    program: &QuadraticProgram,
    (points, labels): &Points,
    at: &Tensor<2>,
    (c, g): (Tensor<1>, Tensor<1>),
) -> Result<Tensor<2>, Error> {
    let (n, device) = (points.dims()[0], points.device());
    let signs = labels.clone().reshape([1, n]);
    let hessian = kernel(points, points, g.clone()) * signs.clone().transpose().matmul(signs.clone());
    let identity = Tensor::<2>::eye(n, &device).cast(DType::F64);
    let zeros = Tensor::<1>::zeros([n], (&device, DType::F64));
    let bounds = Tensor::cat(vec![c.repeat_dim(0, n), zeros.clone()], 0);
    let sides = Tensor::cat(vec![identity.clone(), identity.neg()], 0);
    let problem = QuadraticProblem::new(hessian, zeros - 1.0).with_inequalities(sides, bounds);
    let alpha = program.solve(problem)?.x;
    Ok((alpha * signs).matmul(kernel(points, at, g)))
}
// ANCHOR_END: machine

/// Two interleaved half circles with noise.
fn moons(n: usize, device: &Device) -> Points {
    let half = |flip: f64| {
        let angles = Tensor::<2>::random([n / 2, 1], Distribution::Uniform(0.0, 3.1), (device, DType::F64));
        let (x, y) = (angles.clone().cos(), angles.sin());
        Tensor::cat(vec![x * flip + 0.5 * (1.0 - flip), y * flip + 0.25 * (1.0 - flip)], 1)
    };
    let points = Tensor::cat(vec![half(1.0), half(-1.0)], 0);
    let noise = Tensor::random([n, 2], Distribution::Normal(0.0, 0.25), (device, DType::F64));
    let labels = (0..n).map(|at| if at < n / 2 { 1.0 } else { -1.0 }).collect::<Vec<f64>>();
    (points + noise, Tensor::from_data(TensorData::new(labels, [n]), (device, DType::F64)))
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let (train, validation) = (moons(60, &device), moons(200, &device));
    let program = QuadraticProgram::default();

    // ANCHOR: validation
    // The smooth validation loss of (C, g) = exp(θ), its slope in θ, and the share of errors.
    let judged = |theta: [f64; 2]| -> Result<(f64, Vec<f64>, f64), Error> {
        let theta = Tensor::<1>::from_data(theta, (&device, DType::F64)).require_grad();
        let [c, g] = [0, 1].map(|at| theta.clone().narrow(0, at, 1).exp());
        let values = decisions(&program, &train, &validation.0, (c, g))?;
        let margins = values * validation.1.clone().reshape([1, 200]);
        let loss = softplus(margins.clone().neg(), 1.0).mean();
        let slope = theta.grad(&loss.backward()).expect("θ is on the tape");
        let right = (margins.sign().mean().into_scalar::<f64>() + 1.0) / 2.0;
        Ok((loss.into_scalar(), slope.to_data().iter().collect(), 1.0 - right))
    };
    let mut theta = [0.1f64.ln(), 0.1f64.ln()];
    for step in 0..=60 {
        let (loss, slope, errors) = judged(theta)?;
        if step % 20 == 0 {
            println!(
                "C = {:.3}, g = {:.3}: loss {loss:.4}, errors {:.1} %",
                theta[0].exp(),
                theta[1].exp(),
                100.0 * errors
            );
        }
        theta = [0, 1].map(|at| theta[at] - 2.0 * slope[at]);
    }
    // ANCHOR_END: validation
    let start = [0.1f64.ln(), 0.1f64.ln()];
    let ((first, slope, errors), (last, _, fewer)) = (judged(start)?, judged(theta)?);
    assert!(last < 0.7 * first && fewer < errors);
    assert_eq!(program.counts().failed, 0);

    // The slopes at the start, by differences.
    for at in [0, 1] {
        let moved = |by: f64| {
            let mut theta = start;
            theta[at] += by;
            Ok::<f64, Error>(judged(theta)?.0)
        };
        let difference = (moved(1e-6)? - moved(-1e-6)?) / 2e-6;
        println!("slope {at}: {:+.9}, by differences {difference:+.9}", slope[at]);
        assert!((slope[at] - difference).abs() < 1e-6);
    }
    Ok(())
}
