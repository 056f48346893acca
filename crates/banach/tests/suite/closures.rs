//! Layers from a module and a closure, and functions called for tensors: the short forms.

use crate::reference::numbers;
use banach::program::Value;
use banach::solve::{Anderson, Gmres, Norm, Outcome, Patience, Picard, Tolerance};
use banach::{FixedPoint, FixedPointConfig, Function, UpdateFn};
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};

type Cell = UpdateFn<Linear, 2, Tensor<2>>;

#[derive(Module, Debug)]
struct Network {
    layer: FixedPoint<Cell>,
    head: Linear,
}

fn network(device: &Device) -> Network {
    let linear: Linear = LinearConfig::new(4, 4).with_bias(false).init(device);
    let layer = FixedPoint::from_fn(linear, [4], |linear, x: Tensor<2>, z: Tensor<2>| {
        (linear.forward(x) * 0.3 + z).tanh()
    });
    Network { layer: layer.unwrap(), head: LinearConfig::new(4, 1).init(device) }
}

#[test]
fn the_start_has_the_batch_of_z_and_the_precision_of_the_floats() {
    let slope = |device: &Device, dtype| Param::from_tensor(Tensor::<1>::from_data([0.5], (device, dtype)));
    let affine = |c: &Param<Tensor<1>>, x: Tensor<3>, z: Tensor<3>| c.val().reshape([1, 1, 1]) * x + z;
    let device = Device::flex();
    let layer = FixedPoint::from_fn(slope(&device, DType::F64), [2, 1], affine).unwrap();
    let x = layer.forward(Tensor::ones([5, 2, 1], (&device, DType::F64)));
    assert_eq!((x.dims(), x.dtype()), ([5, 2, 1], DType::F64));
    assert!(numbers(&x.flatten::<2>(1, 2)).iter().all(|x| (x - 2.0).abs() < 1e-3));

    // Without an input there is one row, in the precision of the parameters.
    let affine = |c: &Param<Tensor<1>>, x: Tensor<2>, (): ()| c.val().reshape([1, 1]) * x + 1.0;
    let layer = FixedPoint::from_fn(slope(&device, DType::F64), [3], affine).unwrap();
    assert_eq!((layer.forward(()).dims(), layer.forward(()).dtype()), ([1, 3], DType::F64));
}

#[test]
fn gradients_reach_the_module_and_the_input() {
    let device = Device::flex().autodiff();
    let c = Param::from_tensor(Tensor::<1>::from_data([0.5], (&device, DType::F64)));
    let affine = |c: &Param<Tensor<1>>, x: Tensor<2>, z: Tensor<2>| c.val().reshape([1, 1]) * x + z;
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12));
    let layer = FixedPoint::from_fn(c, [1], affine).unwrap().with_config(config).unwrap();
    let z = Tensor::<2>::from_data([[1.0], [3.0]], (&device, DType::F64)).require_grad();
    let gradients = layer.forward(z.clone()).sum().backward();
    // x̂ = z / (1 - c), so dx̂/dz = 2 and Σ dx̂/dc = Σ z / (1 - c)² = 16.
    assert!(numbers(&z.grad(&gradients).unwrap()).iter().all(|slope| (slope - 2.0).abs() < 1e-9));
    let slope: f64 = layer.update().module().grad(&gradients).unwrap().into_scalar();
    assert!((slope - 16.0).abs() < 1e-9, "{slope}");
}

#[test]
fn a_layer_from_a_closure_is_part_of_a_network() {
    let device = Device::flex().autodiff();
    let network = network(&device);
    assert_eq!(network.num_params(), 16 + 5);
    let printed = format!("{network}");
    assert!(printed.contains("UpdateFn") && printed.contains("Linear"), "{printed}");

    let z = Tensor::<2>::ones([3, 4], &device);
    let loss = network.head.forward(network.layer.forward(z.clone())).sum();
    assert!(network.layer.update().module().weight.grad(&loss.backward()).is_some());

    // Its parameters are saved and loaded under the module's own names.
    let other = self::network(&device);
    let loaded = other.load_record(network.clone().into_record());
    let outputs = |network: &Network| numbers(&network.head.forward(network.layer.forward(z.clone())));
    assert_eq!(outputs(&loaded), outputs(&network));
    assert_eq!(numbers(&network.valid().layer.forward(z.clone().inner())).len(), 12);
}

#[test]
fn functions_are_called_for_the_tensors_they_return() {
    let device = Device::flex();
    let x = Tensor::<2>::from_data([[1.0, 2.0]], &device);
    let both = Function::of(&x, |x: Tensor<2>| (x.clone() * 2.0, x.sum())).unwrap();
    let (doubled, sum): (Tensor<2>, Tensor<1>) = both.call(x.clone()).unwrap();
    assert_eq!(numbers(&doubled), [2.0, 4.0]);
    assert!((sum.into_scalar::<f32>() - 3.0).abs() < 1e-6);
    let values: Vec<Value> = both.call(x.clone()).unwrap();
    assert_eq!(values.len(), 2);
    let [first, second]: [Value; 2] = both.call(x.clone()).unwrap();
    assert_eq!((first.ty().shape, second.ty().shape), (vec![1, 2], vec![1]));

    let error = both.call::<Tensor<2>>(x.clone()).unwrap_err().to_string();
    assert!(error.contains('2') && error.contains('1') && error.contains("outputs"), "{error}");
    let error = both.call::<(Tensor<2>, Tensor<1>, Value)>(x.clone()).unwrap_err().to_string();
    assert!(error.contains("outputs"), "{error}");
    let error = both.call::<(Tensor<3>, Tensor<1>)>(x).unwrap_err().to_string();
    assert!(error.contains("rank 3"), "{error}");
}

#[test]
fn every_setting_has_a_builder() {
    let tolerance = Tolerance { absolute: 1e-3, relative: 1e-5, norm: Norm::Maximum };
    let patience = Patience { steps: 7, improvement: 0.1 };
    let config = FixedPointConfig::new()
        .with_solver(Anderson::new(3))
        .with_adjoint(Gmres::new(9))
        .with_tolerance(tolerance)
        .with_max_steps(40)
        .with_patience(Some(patience))
        .with_divergence(Some(50.0))
        .with_time_limit(Some(2.0))
        .with_trace(true);
    assert_eq!(config.forward.solver, Anderson::new(3).into());
    assert_eq!(config.adjoint.solver, Gmres::new(9).into());
    assert_eq!(config.forward.tolerance, tolerance);
    let against_cotangent = Tolerance { absolute: 0.0, relative: 1e-5, norm: Norm::Euclidean };
    assert_eq!(config.adjoint.tolerance, against_cotangent);
    for (budget, waits, divergence, trace) in [
        (config.forward.budget, config.forward.patience, config.forward.divergence, config.forward.trace),
        (config.adjoint.budget, config.adjoint.patience, config.adjoint.divergence, config.adjoint.trace),
    ] {
        assert_eq!((budget.steps, budget.seconds), (40, Some(2.0)));
        assert_eq!((waits, divergence, trace), (Some(patience), Some(50.0), true));
    }
    let other = config.clone().with_forward_tolerance(Tolerance::both(1e-2)).with_norm(Norm::RootMeanSquare);
    assert_eq!(other.adjoint.tolerance, against_cotangent);
    assert_eq!(other.forward.tolerance.norm, Norm::RootMeanSquare);
    assert_eq!(config.with_adjoint_tolerance(Tolerance::both(1e-2)).forward.tolerance, tolerance);
}

#[test]
fn a_time_limit_ends_a_solve() {
    let c = Param::from_tensor(Tensor::<1>::from_data([0.999999], &Device::flex()));
    let slow = |c: &Param<Tensor<1>>, x: Tensor<2>, (): ()| c.val().reshape([1, 1]) * x + 1.0;
    let config = FixedPointConfig::new()
        .with_solver(Picard::default())
        .with_max_steps(usize::MAX)
        .with_patience(None)
        .with_time_limit(Some(0.05));
    let layer = FixedPoint::from_fn(c, [1], slow).unwrap().with_config(config).unwrap();
    assert_eq!(layer.solve(()).unwrap().report().outcomes, [Outcome::TimeLimit]);
}
