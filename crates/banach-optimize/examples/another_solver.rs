//! A solver of another crate in a layer: Clarabel solves quadratic programs with bounds, the fixed point of the projected
//! gradient step gives their derivatives.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::{Outcome, Tolerance};
use banach::{Error, FixedPoint, FixedPointConfig, GradientDescentConfig, Projection, check};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, SupportedConeT};

const N: usize = 3;

fn numbers(x: &Tensor<2>) -> Vec<f64> {
    x.clone().into_data().iter::<f64>().collect()
}

// ANCHOR: clarabel
/// argmin ½ xᵀQx - zᵀx with 0 <= x <= 1, for every row of z.
fn by_clarabel(q: &[f64], z: &Tensor<2>) -> Vec<f64> {
    let upper = (0..N).flat_map(|j| (0..=j).map(move |i| (i, j)));
    let (rows, columns): (Vec<usize>, Vec<usize>) = upper.unzip();
    let values = rows.iter().zip(&columns).map(|(i, j)| q[i * N + j]).collect();
    let p = CscMatrix::new_from_triplets(N, N, rows, columns, values);
    // x + s = 1 and -x + s = 0, with s >= 0.
    let signs = [vec![1.0; N], vec![-1.0; N]].concat();
    let a = CscMatrix::new_from_triplets(
        2 * N,
        N,
        (0..2 * N).collect(),
        (0..2 * N).map(|row| row % N).collect(),
        signs,
    );
    let b = [vec![1.0; N], vec![0.0; N]].concat();
    let settings = DefaultSettings {
        verbose: false,
        tol_gap_abs: 1e-12,
        tol_gap_rel: 1e-12,
        tol_feas: 1e-12,
        ..Default::default()
    };
    let solve = |z: &[f64]| {
        let linear: Vec<f64> = z.iter().map(|z| -z).collect();
        let cones = [SupportedConeT::NonnegativeConeT(2 * N)];
        let mut solver =
            DefaultSolver::new(&p, &linear, &a, &b, &cones, settings.clone()).expect("sizes that fit");
        solver.solve();
        solver.solution.x.clone()
    };
    numbers(z).chunks(N).flat_map(solve).collect()
}
// ANCHOR_END: clarabel

fn main() -> Result<(), Error> {
    let place = (&Device::flex().autodiff(), DType::F64);
    let q = [2.0, 0.5, 0.1, 0.5, 1.0, -0.2, 0.1, -0.2, 3.0];
    // ANCHOR: layer
    let energy = |q: &Param<Tensor<2>>, x: Tensor<2>, z: Tensor<2>| {
        ((x.clone().matmul(q.val()) * 0.5 - z) * x).sum_dim(1).squeeze_dim(1)
    };
    let bounds = Projection::Box { lower: vec![0.0], upper: vec![1.0] };
    let step = GradientDescentConfig::new(0.5).with_projection(bounds);
    let parameter = Param::from_tensor(Tensor::<2>::from_data(TensorData::new(q.to_vec(), [N, N]), place));
    let layer = FixedPoint::from_energy(parameter, [N], energy, &step)?;
    let layer = layer.with_config(FixedPointConfig::new().with_tolerance(Tolerance::both(1e-7)))?;

    let z = Tensor::<2>::from_data([[1.0, 0.5, 0.3], [3.0, -1.0, 1.0]], place).require_grad();
    let x = TensorData::new(by_clarabel(&q, &z), [2, N]);
    let solution = layer.solution_at(Tensor::from_data(x, place), z.clone())?;
    println!("{}", solution.report().explain());
    // ANCHOR_END: layer
    assert_eq!(solution.report().outcomes, [Outcome::Converged; 2]);
    let x = solution.into_value();
    let slope = numbers(&z.grad(&x.clone().sum().backward()).expect("z is on the tape"));
    println!("x {x}\ndΣx/dz {slope:?}");

    // The slopes by differences of Clarabel's solutions, and the layer's own derivatives checked.
    for (at, slope) in slope.iter().enumerate() {
        let moved = |step: f64| {
            let mut moved = numbers(&z);
            moved[at] += step;
            by_clarabel(&q, &Tensor::from_data(TensorData::new(moved, [2, N]), place)).iter().sum::<f64>()
        };
        let difference = (moved(1e-4) - moved(-1e-4)) / 2e-4;
        assert!((slope - difference).abs() < 1e-5, "{slope}, by differences {difference}");
    }
    let exact = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12));
    let found = check::gradients(&layer.with_config(exact)?.valid(), z.inner())?;
    assert!(found.agrees(1e-6), "{found:?}");
    Ok(())
}
