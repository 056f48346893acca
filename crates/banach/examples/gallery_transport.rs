//! Sinkhorn's iteration: points that move down the gradient of a transport cost, until they cover a ring.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::Tolerance;
use banach::{Error, FixedPointConfig, Function};
use burn::tensor::{DType, Device, Distribution, Tensor, TensorData};

const POINTS: usize = 16;
/// ε: the plan minimises ⟨T, M⟩ + ε Σ T (log T - 1).
const SMOOTHING: f64 = 0.1;

// ANCHOR: update
/// Squared distances M of points `[1, n, 2]` from targets `[1, m, 2]`.
fn costs(points: Tensor<3>, targets: Tensor<3>) -> Tensor<3> {
    let n = points.dims()[1];
    let apart = points.reshape([n, 1, 2]) - targets.reshape([1, POINTS, 2]);
    apart.square().sum_dim(2).reshape([1, n, POINTS])
}

/// The potentials h_j = -ε log Σ_i exp((f_i - M_ij) / ε) of the targets, up to their constant.
fn opposite(f: Tensor<2>, costs: Tensor<3>) -> Tensor<3> {
    let exponents = (f.reshape([1, POINTS, 1]) - costs) / SMOOTHING;
    exponents.exp().sum_dim(1).log() * -SMOOTHING
}

/// One step of the potentials f of the points; T_ij = exp((f_i + h_j - M_ij) / ε) / n has the right sums at its fixed point.
fn step((f, points, targets): (Tensor<2>, Tensor<3>, Tensor<3>)) -> Tensor<2> {
    let costs = costs(points, targets);
    let exponents = (opposite(f, costs.clone()) - costs) / SMOOTHING;
    let f: Tensor<2> = exponents.exp().sum_dim(2).squeeze_dim::<2>(2).log() * -SMOOTHING;
    // A constant added to f is taken off h: the mean is kept at 0, so that the fixed point is one.
    f.clone() - f.mean_dim(1)
}
// ANCHOR_END: update

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let ring: Vec<f64> = (0..POINTS)
        .map(|at| at as f64 / POINTS as f64 * std::f64::consts::TAU)
        .flat_map(|angle| [angle.cos(), angle.sin()])
        .collect();
    let targets = Tensor::<3>::from_data(TensorData::new(ring, [1, POINTS, 2]), (&device, DType::F64));
    let start = Tensor::<3>::random([1, POINTS, 2], Distribution::Normal(0.4, 0.2), (&device, DType::F64));
    let f0 = Tensor::<2>::zeros([1, POINTS], (&device, DType::F64));

    // ANCHOR: cost
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-11)).with_max_steps(2000);
    let potentials = Function::of(&(f0.clone(), start.clone(), targets.clone()), step)?.fix(&config)?;
    // The transport cost ⟨T, M⟩ and its gradient in the points.
    let cost = |points: &Tensor<3>| -> Result<(f64, Tensor<3>), Error> {
        let points = points.clone().detach().require_grad();
        let f: Tensor<2> = potentials.call((f0.clone(), points.clone(), targets.clone()))?;
        let m = costs(points.clone(), targets.clone());
        let sums = f.clone().reshape([1, POINTS, 1]) + opposite(f, m.clone()) - m.clone();
        let plan = (sums / SMOOTHING).exp() / POINTS as f64;
        let cost = (plan * m).sum();
        let gradient = points.grad(&cost.backward()).expect("the points are on the tape").autodiff();
        Ok((cost.into_scalar(), gradient))
    };
    // ANCHOR_END: cost

    // ANCHOR: flow
    let mut points = start.clone();
    for step in 0..60 {
        let (cost, gradient) = cost(&points)?;
        points = points - gradient * (0.2 * POINTS as f64);
        if step % 20 == 0 {
            println!("after {step:2} steps the transport costs {cost:.4}");
        }
    }
    // ANCHOR_END: flow
    let (first, slope) = cost(&start)?;
    let (last, _) = cost(&points)?;
    let least: f64 = points.square().sum_dim(2).sqrt().min().into_scalar();
    println!("{first:.4} at first, {last:.4} in the end; the least radius is {least:.3}");
    assert!(last < 0.1 * first && least > 0.7);

    // The slope in a coordinate of the first point, by differences.
    let moved = |by: f64| {
        let shift = Tensor::<3>::from_data([[[by, 0.0]]], (&device, DType::F64));
        let rest = Tensor::zeros([1, POINTS - 1, 2], (&device, DType::F64));
        cost(&(start.clone() + Tensor::cat(vec![shift, rest], 1)))
    };
    let difference = (moved(1e-5)?.0 - moved(-1e-5)?.0) / 2e-5;
    let slope: f64 = slope.slice([0..1, 0..1, 0..1]).into_scalar();
    println!("slope in a coordinate: {slope:+.9}, by differences {difference:+.9}");
    assert!((slope - difference).abs() < 1e-7);
    assert_eq!(potentials.statistics().unconverged_rows, 0);
    Ok(())
}
