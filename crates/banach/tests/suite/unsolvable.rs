//! Layers without a fixed point, and with one that only Newton's method finds.

use crate::reference::{double, numbers};
use crate::update;
use banach::solve::{
    Anderson, Auto, Broyden, FixedPointSolver, Newton, NewtonInner, Picard, Squarem, Tolerance,
};
use banach::{Engine, FixedPointConfig, Precision};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

/// `x = x + (z - x A) / 4` with the Laplacian `A` of a path: there is a fixed point where the sum of `z` is zero alone.
#[derive(Module, Debug)]
struct Path {
    nodes: usize,
}

update!(Path, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| {
    let n = this.nodes;
    let entry = |k: usize| match (k / n).abs_diff(k % n) {
        0 if k == 0 || k + 1 == n * n => 1.0,
        0 => 2.0,
        1 => -1.0,
        _ => 0.0,
    };
    let a: Vec<f64> = (0..n * n).map(entry).collect();
    let a = Tensor::<2>::from_data(TensorData::new(a, [n, n]), (&x.device(), x.dtype()));
    x.clone() + (z - x.matmul(a)) * 0.25
});

fn row(numbers: &[f64]) -> Tensor<2> {
    let (device, dtype) = double();
    Tensor::from_data(TensorData::new(numbers.to_vec(), [1, numbers.len()]), (&device, dtype))
}

fn solvers() -> [FixedPointSolver; 7] {
    let dense = Newton { inner: NewtonInner::Dense { limit: 256 }, ..Newton::default() };
    [
        FixedPointSolver::Picard(Picard::default()),
        FixedPointSolver::Anderson(Anderson::default()),
        FixedPointSolver::Broyden(Broyden::default()),
        FixedPointSolver::Squarem(Squarem::default()),
        FixedPointSolver::Auto(Auto::default()),
        FixedPointSolver::Newton(Newton::default()),
        FixedPointSolver::Newton(dense),
    ]
}

#[test]
fn a_map_without_a_fixed_point_is_never_said_to_have_one() {
    for nodes in [2, 5, 9] {
        for place in 0..nodes {
            let mut z = vec![0.0; nodes];
            z[place] = 1.0;
            for solver in solvers() {
                for precision in [Precision::Stated, Precision::Mixed] {
                    let config =
                        FixedPointConfig::new().with_solver(solver.clone()).with_precision(precision);
                    let layer = config.init(Path { nodes }).unwrap();
                    let solution = layer.solve(row(&z)).unwrap();
                    let story = solution.report().explain();
                    assert!(
                        !solution.report().converged(),
                        "{solver} {precision:?} {nodes} {place}: {story}"
                    );
                }
            }
        }
    }
}

/// A step of the nonlinear heat equation `y' = (1 - y) Δy` on `n` points, so long that plain iteration explodes.
#[derive(Module, Debug)]
struct Heat {
    n: usize,
}

update!(Heat, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner() + 1.0, |x, z| {
    let n = this.n;
    let sum = x.clone().narrow(1, 0, n - 2) + x.clone().narrow(1, 1, n - 2) + x.clone().narrow(1, 2, n - 2);
    let end = x.clone().narrow(1, 0, 1).zeros_like();
    let flow = Tensor::cat(vec![end.clone(), sum * ((n - 1) as f64 / 2.0), end], 1);
    let place = |k: usize| (2.0 * k as f64 / (n - 1) as f64 - 1.0).powi(2);
    let initial = TensorData::new((0..n).map(place).collect::<Vec<_>>(), [1, n]);
    let initial = Tensor::<2>::from_data(initial, (&x.device(), x.dtype()));
    initial + ((-x + 1.0) * flow + 1.0) + z
});

#[test]
fn auto_goes_on_to_newton_in_a_layer_on_both_engines() {
    for engine in [Engine::Native, Engine::Device] {
        let config = FixedPointConfig::new()
            .with_solver(Auto::default())
            .with_tolerance(Tolerance::both(1e-7))
            .with_engine(engine);
        let layer = config.init(Heat { n: 100 }).unwrap();
        let solution = layer.solve(row(&[0.0; 100])).unwrap();
        let report = solution.report();
        assert!(report.converged() && report.derivative_applications > 0, "{}", report.explain());
        assert!(report.explain().contains("to newton"), "{}", report.explain());
        assert!(numbers(solution.value()).iter().all(|x| x.is_finite()));
        // Where plain steps suffice there is no derivative.
        let config = FixedPointConfig::new().with_solver(Auto::default());
        let layer = config.with_engine(engine).init(Path { nodes: 3 }).unwrap();
        let solution = layer.solve(row(&[1.0, -2.0, 1.0])).unwrap();
        assert!(solution.report().converged(), "{}", solution.report().explain());
        assert_eq!(solution.report().derivative_applications, 0);
    }
}

#[test]
fn a_cotangent_that_is_not_finite_is_not_blamed_on_the_update() {
    let layer = FixedPointConfig::new().init(Path { nodes: 3 }).unwrap();
    let z = row(&[1.0, -2.0, 1.0]).autodiff().require_grad();
    let solution = layer.solve(z).unwrap();
    let report = solution.report().clone();
    let _gradients = (solution.into_value() * f64::NAN).sum().backward();
    let error = report.adjoint().remove(0).check().unwrap_err().to_string();
    assert!(error.contains("the cotangent that comes from the loss"), "{error}");
    assert!(!error.contains("the update returned"), "{error}");
}
