//! Values that a trace captures: numbers from elsewhere, plain fields of modules, settings of layers.

use crate::corners::{config, some};
use crate::reference::{assert_close, numbers};
use crate::update;
use banach::solve::{FixedPointSolver, Picard, Tolerance};
use banach::{FixedPoint, FixedPointConfig, Objective, Update, UpdateFn};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// x = tanh(x / temperature + z) with a temperature that lives elsewhere.
#[derive(Module, Debug)]
struct Tempered {
    #[module(skip)]
    temperature: Arc<AtomicUsize>,
}

update!(Tempered, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (x / this
    .temperature
    .load(Ordering::Relaxed)
    as f64
    + z)
    .tanh());

#[test]
fn a_captured_number_changes_with_the_traces_forgotten() {
    let temperature = Arc::new(AtomicUsize::new(2));
    let layer = config().init(Tempered { temperature: Arc::clone(&temperature) }).unwrap();
    let z = some([2, 3], 0.1);
    let before = numbers(&layer.forward(z.clone()));
    temperature.store(5, Ordering::Relaxed);
    assert_eq!(numbers(&layer.forward(z.clone())), before, "a trace holds what it read");
    layer.forget_traces();
    let after = numbers(&layer.forward(z.clone()));
    let x = layer.forward(z.clone());
    assert_close(&after, &numbers(&layer.update().update(x, z)), 1e-9, "the new temperature");
    assert_ne!(after, before);
}

/// A linear layer in an objective whose loss has a number in a plain field.
#[derive(Module, Debug)]
struct Scaled {
    linear: Linear,
    factor: f64,
}

#[test]
fn an_objective_notices_plain_fields_that_change() {
    let device = Device::flex().autodiff();
    let mut module = Scaled { linear: LinearConfig::new(2, 1).init(&device), factor: 1.0 };
    let objective = Objective::new(|module: &Scaled, z: Tensor<2>| {
        module.linear.forward(z).square().mean() * module.factor
    });
    let z = Tensor::<2>::ones([3, 2], &device);
    let (one, _) = objective.value_and_gradient(&module, z.clone()).unwrap();
    module.factor = 3.0;
    let (three, _) = objective.value_and_gradient(&module, z).unwrap();
    assert!((three - 3.0 * one).abs() < 1e-5 * one, "{three} and {one}");
}

/// A layer in an objective.
#[derive(Module, Debug)]
struct Network {
    layer: FixedPoint<Halving>,
}

/// x = x / 2 + z.
#[derive(Module, Debug)]
struct Halving {}

update!(Halving, Tensor<2>, Tensor<2>, |this, z| z.zeros_like(), |x, z| x * 0.5 + z);

#[test]
fn an_objective_notices_settings_of_a_layer_that_change() {
    let device = Device::flex().autodiff();
    let network = |tolerance: f64| {
        let config = FixedPointConfig::new().with_solver(FixedPointSolver::Picard(Picard::default()));
        Network { layer: config.with_tolerance(Tolerance::both(tolerance)).init(Halving {}).unwrap() }
    };
    let objective = Objective::new(|network: &Network, z: Tensor<2>| network.layer.forward(z).mean());
    let z = Tensor::<2>::ones([3, 2], &device);
    let value = |network: &Network| objective.value_and_gradient(network, z.clone()).unwrap().0;
    let (rough, close) = (value(&network(0.1)), value(&network(1e-6)));
    assert!((close - 2.0).abs() < 1e-5 && (rough - 2.0).abs() > 1e-2, "{rough} and {close}");
    assert_eq!(value(&network(0.1)), rough);
}

#[test]
fn an_objective_notices_another_closure_of_a_layer() {
    type Layer = FixedPoint<UpdateFn<Linear, 2, Tensor<2>>>;
    let device = Device::flex().autodiff();
    let linear: Linear = LinearConfig::new(2, 2).init(&device);
    let layer = |factor: f64| -> Layer {
        let update = move |linear: &Linear, x, z: Tensor<2>| linear.forward(x) * 0.0 + z * factor;
        FixedPoint::from_fn(linear.clone(), [2], update).unwrap()
    };
    let objective = Objective::new(|layer: &Layer, z: Tensor<2>| layer.forward(z).mean());
    let value = |layer: &Layer| objective.value_and_gradient(layer, Tensor::ones([3, 2], &device)).unwrap().0;
    let (one, three) = (layer(1.0), layer(3.0));
    assert_eq!((value(&one), value(&three), value(&one)), (1.0, 3.0, 1.0));
}
