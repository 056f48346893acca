//! Input-convex energies, and their minimisers by the bundle entropy method, by entropic descent and by unrolled steps.

use crate::reference::{assert_close, double, numbers};
use banach::solve::{Newton, Outcome, Tolerance};
use banach::{
    Bend, BundleEntropy, BundleEntropyConfig, Energy, EntropicDescent, Error, FixedPoint, FixedPointConfig,
    InputConvex, InputConvexConfig, Projection, Unrolled, UnrolledConfig, check,
};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Gradients, Tensor, TensorData, activation};

const STATE: usize = 4;
const INPUT: usize = 3;

/// Adds a part of a fixed direction to every parameter, in double precision.
struct Shift {
    step: f64,
    at: f64,
}

impl ModuleMapper for Shift {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, value, _) = param.consume();
        let given: Vec<f64> = value.clone().into_data().iter::<f64>().collect();
        let numbers: Vec<f64> = given.into_iter().map(|number| number + self.step * self.next()).collect();
        let data = TensorData::new(numbers, value.shape());
        let value = Tensor::from_data(data, (&Device::flex().autodiff(), DType::F64));
        Param::initialized(id, value.require_grad())
    }
}

impl Shift {
    fn next(&mut self) -> f64 {
        self.at += 0.7;
        self.at.cos()
    }
}

fn shifted<M: Module>(module: M, step: f64) -> M {
    module.map(&mut Shift { step, at: 0.0 })
}

/// The derivative along the direction of [`Shift`].
struct Along<'a> {
    gradients: &'a Gradients,
    shift: Shift,
    sum: f64,
}

impl ModuleVisitor for Along<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let slope = value.grad(self.gradients).map(|slope| numbers(&slope));
        for at in 0..value.shape().num_elements() {
            let direction = self.shift.next();
            self.sum += slope.as_ref().map_or(0.0, |slope| slope[at] * direction);
        }
    }
}

/// A network that is convex in its state.
fn network(bend: Bend) -> InputConvex {
    drawn(bend, vec![6, 5]).projected()
}

/// A network with the same numbers in every run, whatever Burn drew for it.
fn drawn(bend: Bend, hidden: Vec<usize>) -> InputConvex {
    struct Steady(f64);
    impl ModuleMapper for Steady {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (id, value, _) = param.consume();
            let next = |_| {
                self.0 += 1.3;
                0.9 * (0.37 * self.0 * self.0).sin()
            };
            let numbers: Vec<f64> = (0..value.shape().num_elements()).map(next).collect();
            let data = TensorData::new(numbers, value.shape());
            let value = Tensor::from_data(data, (&Device::flex().autodiff(), DType::F64));
            Param::initialized(id, value.require_grad())
        }
    }
    let config = InputConvexConfig::new(STATE, INPUT).with_hidden(hidden).with_bend(bend);
    config.init(&Device::flex().autodiff()).unwrap().map(&mut Steady(0.0))
}

fn input(rows: usize) -> Tensor<2> {
    let numbers: Vec<f64> = (0..rows * INPUT).map(|at| (1.7 * at as f64).sin()).collect();
    let (device, dtype) = double();
    Tensor::from_data(TensorData::new(numbers, [rows, INPUT]), (&device.autodiff(), dtype))
}

fn weights(rows: usize) -> Tensor<2> {
    let numbers: Vec<f64> = (0..rows * STATE).map(|at| (2.9 * at as f64 + 1.0).cos()).collect();
    let (device, dtype) = double();
    Tensor::from_data(TensorData::new(numbers, [rows, STATE]), (&device.autodiff(), dtype))
}

/// Compares the gradient of `Σ v y` along the direction of [`Shift`] with central differences.
fn difference<M: Module>(module: &M, step: f64, y: impl Fn(&M) -> Tensor<2>) -> (f64, f64) {
    let loss = |module: &M| {
        let y = y(module);
        let v = weights(y.dims()[0]);
        (y * v).sum()
    };
    let module = shifted(module.clone(), 0.0);
    let gradients = loss(&module).backward();
    let mut along = Along { gradients: &gradients, shift: Shift { step: 0.0, at: 0.0 }, sum: 0.0 };
    module.visit(&mut along);
    let at = |step: f64| numbers(&loss(&shifted(module.clone(), step)))[0];
    (along.sum, (at(step) - at(-step)) / (2.0 * step))
}

fn bundle(energy: InputConvex, steps: usize) -> BundleEntropy<InputConvex> {
    BundleEntropyConfig::new().with_steps(steps).with_tolerance(1e-9).init(energy).unwrap()
}

fn descent(energy: InputConvex) -> FixedPoint<EntropicDescent<InputConvex>> {
    let config =
        FixedPointConfig::new().with_solver(Newton::default()).with_tolerance(Tolerance::both(1e-12));
    config.init(EntropicDescent::new(energy, 0.5).unwrap()).unwrap()
}

#[test]
fn the_network_is_convex_in_its_state_and_projecting_keeps_it_so() {
    for bend in [Bend::Relu, Bend::Softplus] {
        let network = drawn(bend, vec![16, 12]);
        assert!(network.least_weight() < 0.0);
        let network = network.projected();
        assert!(network.least_weight() >= 0.0);
        let (mut strict, rows) = (false, 1);
        for pair in 0..40 {
            let point = |offset: f64| {
                let numbers: Vec<f64> =
                    (0..STATE).map(|at| 5.0 * (f64::from(pair) * 0.9 + at as f64 + offset).sin()).collect();
                Tensor::<2>::from_data(
                    TensorData::new(numbers, [1, STATE]),
                    (&double().0.autodiff(), DType::F64),
                )
            };
            let (a, b, z) = (point(0.0), point(2.0), input(rows));
            let energy = |y| numbers(&network.energy(y, z.clone()))[0];
            let middle = energy((a.clone() + b.clone()) * 0.5);
            let mean = 0.5 * (energy(a) + energy(b));
            assert!(middle <= mean + 1e-12, "{bend:?}: found {middle} above the mean {mean}");
            strict |= middle < mean - 1e-3;
        }
        assert!(strict, "{bend:?}: the energy bends");
    }
}

#[test]
fn the_bundle_entropy_method_and_entropic_descent_find_one_minimiser() {
    for bend in [Bend::Relu, Bend::Softplus] {
        let (z, layer) = (input(5), bundle(network(bend), 100));
        let solution = layer.solve(z.clone()).unwrap();
        assert!(
            solution.outcomes.iter().all(|outcome| *outcome == Outcome::Converged),
            "{bend:?}: {:?} {:?}",
            solution.outcomes,
            solution.gaps
        );
        for (gap, energy) in solution.gaps.iter().zip(&solution.energies) {
            assert!(*gap >= -1e-12 && *gap <= 1e-9 * (1.0 + energy.abs()), "{bend:?}: {gap}");
        }
        let update = EntropicDescent::new(network(bend), 0.5).unwrap();
        let logits = |y: Tensor<2>| (y.clone() / (y.neg() + 1.0)).log();
        let found =
            update.regularised_energy(logits(solution.value.clone().to_device(&z.device())), z.clone());
        assert_close(&numbers(&found), &solution.energies, 1e-8, "the energy reached");
        if bend == Bend::Softplus {
            let x = descent(network(bend)).solve(z.clone()).unwrap();
            assert!(x.report().converged(), "{:?}", x.report().outcomes);
            let y = activation::sigmoid(x.into_value());
            assert_close(&numbers(&solution.value), &numbers(&y), 1e-4, "the minimiser");
        }
    }
}

#[test]
fn the_minimiser_of_an_entropic_descent_has_the_exact_derivative() {
    let layer = descent(network(Bend::Softplus));
    let found = check::gradients(&layer, input(2)).unwrap();
    assert!(found.agrees(1e-5) && found.finite_difference < 1e-6 && found.dot_product < 1e-10, "{found:?}");
    let (found, expected) = difference(&layer, 1e-5, |layer| activation::sigmoid(layer.forward(input(3))));
    assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0), "found {found}, expected {expected}");
}

#[test]
fn the_derivative_of_the_final_bundle_is_exact_for_a_piecewise_linear_energy() {
    let layer = bundle(drawn(Bend::Relu, vec![3]).projected(), 100);
    let (found, expected) = difference(&layer, 1e-4, |layer| layer.forward(input(4)).unwrap());
    assert!(expected.abs() > 1e-3, "{expected}");
    assert!((found - expected).abs() < 1e-3 * expected.abs(), "found {found}, expected {expected}");
}

#[test]
fn a_row_of_a_bundle_that_is_not_finite_is_said_and_gets_no_gradient() {
    let layer = bundle(network(Bend::Softplus), 100);
    let mut rows: Vec<f64> = numbers(&input(3));
    rows[INPUT] = f64::NAN;
    let z = Tensor::<2>::from_data(TensorData::new(rows, [3, INPUT]), (&double().0.autodiff(), DType::F64));
    let z = z.require_grad();
    let (y, solution) = layer.forward_reported(z.clone()).unwrap();
    assert_eq!(solution.outcomes, [Outcome::Converged, Outcome::NonFinite, Outcome::Converged]);
    let gradients = (y * weights(3)).sum().backward();
    let mut along = Along { gradients: &gradients, shift: Shift { step: 0.0, at: 0.0 }, sum: 0.0 };
    layer.visit(&mut along);
    assert!(
        along.sum.is_finite() && along.sum != 0.0,
        "a failed row leaves the weights' gradient alone: {}",
        along.sum
    );
    let gradient = numbers(&z.grad(&gradients).unwrap());
    assert!(gradient[INPUT..2 * INPUT].iter().all(|slope| *slope == 0.0), "{gradient:?}");
    assert!(gradient[..INPUT].iter().all(|slope| slope.is_finite() && *slope != 0.0), "{gradient:?}");
    assert!(gradient[2 * INPUT..].iter().all(|slope| slope.is_finite() && *slope != 0.0), "{gradient:?}");
}

fn unrolled(steps: usize) -> Unrolled<InputConvex> {
    let unit = Projection::Box { lower: vec![0.0], upper: vec![1.0] };
    let config = UnrolledConfig::new(steps, 0.2).with_momentum(0.4).with_projection(unit);
    config.init(network(Bend::Softplus)).unwrap()
}

#[test]
fn unrolled_steps_are_those_of_the_formula_and_lower_the_energy() {
    let (layer, z) = (unrolled(6), input(3));
    let iterates = layer.iterates::<2>(z.clone()).unwrap().into_iter();
    let iterates: Vec<Tensor<2>> = iterates.map(|x| x.to_device(&z.device())).collect();
    assert_eq!(iterates.len(), 7);
    let energies: Vec<f64> =
        iterates.iter().map(|x| numbers(&layer.energy().energy(x.clone(), z.clone())).iter().sum()).collect();
    assert!(energies[6] < energies[0], "{energies:?}");
    // The slope by central differences, in the first coordinate of every row.
    let e1 = Tensor::<2>::from_data([[1e-5, 0.0, 0.0, 0.0]], (&double().0.autodiff(), DType::F64));
    let energy = |x: Tensor<2>| numbers(&layer.energy().energy(x, z.clone()));
    let (mut velocity, rate) = (vec![0.0; 3], numbers(&layer.rates())[0]);
    assert!((rate - 0.2).abs() < 1e-7);
    let momentum = numbers(&layer.momentum().unwrap())[0];
    for pair in iterates.windows(2) {
        let (up, down) = (energy(pair[0].clone() + e1.clone()), energy(pair[0].clone() - e1.clone()));
        for row in 0..3 {
            velocity[row] = momentum * velocity[row] + (up[row] - down[row]) / 2e-5;
            let expected = (numbers(&pair[0])[row * STATE] - rate * velocity[row]).clamp(0.0, 1.0);
            let found = numbers(&pair[1])[row * STATE];
            assert!((found - expected).abs() < 1e-7, "found {found}, expected {expected}");
        }
    }
}

#[test]
fn unrolled_steps_have_the_derivative_of_their_last_iterate() {
    let layer = unrolled(5);
    let (found, expected) = difference(&layer, 1e-5, |layer| layer.forward(input(3)).unwrap());
    assert!(expected.abs() > 1e-3);
    assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0), "found {found}, expected {expected}");
    let gradients = layer.forward::<2>(input(3)).unwrap().sum().backward();
    struct Count(usize, Gradients);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += usize::from(param.val().grad(&self.1).is_some());
        }
    }
    let mut count = Count(0, gradients);
    layer.visit(&mut count);
    assert!(count.0 > 2, "rates, momentum and weights are trained");
}

#[test]
fn unrolled_steps_of_mirror_descent_go_to_the_minimiser_of_entropic_descent() {
    let config = |steps: usize| UnrolledConfig::new(steps, 0.3).with_momentum(0.3).with_entropy();
    let layer = config(300).init(network(Bend::Softplus)).unwrap();
    let x = layer.forward::<2>(input(3)).unwrap();
    let expected = descent(network(Bend::Softplus)).solve(input(3)).unwrap().into_value();
    assert_close(&numbers(&x), &numbers(&expected), 1e-8, "the logits");
    let layer = config(4).init(network(Bend::Softplus)).unwrap();
    let (found, expected) = difference(&layer, 1e-5, |layer| layer.forward(input(3)).unwrap());
    assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0), "found {found}, expected {expected}");
    let unit = Projection::Box { lower: vec![0.0], upper: vec![1.0] };
    assert!(config(3).with_projection(unit).init(network(Bend::Softplus)).is_err());
}

#[test]
fn projecting_a_network_inside_another_module_changes_its_weights_alone() {
    let layer = EntropicDescent::new(network(Bend::Softplus), 0.5).unwrap();
    let moved = shifted(layer, -0.3);
    assert!(moved.energy().least_weight() < 0.0);
    let energy = moved.energy().clone();
    let projected = energy.projected_in(moved.clone());
    assert_eq!(projected.energy().least_weight(), 0.0);
    let (before, after) =
        (energy.energy(weights(2), input(2)), energy.projected().energy(weights(2), input(2)));
    assert_ne!(numbers(&before), numbers(&after));
    assert_eq!(numbers(&projected.energy().energy(weights(2), input(2))), numbers(&after));
}

#[test]
fn settings_outside_their_range_are_refused() {
    let device = Device::flex();
    let config = InputConvexConfig::new(2, 2);
    assert!(matches!(config.clone().with_hidden(vec![]).init(&device), Err(Error::Setting { .. })));
    assert!(matches!(InputConvexConfig::new(0, 2).init(&device), Err(Error::Setting { .. })));
    let energy = || config.init(&device).unwrap();
    assert!(BundleEntropyConfig::new().with_steps(0).init(energy()).is_err());
    assert!(BundleEntropyConfig::new().with_tolerance(f64::NAN).init(energy()).is_err());
    assert!(matches!(EntropicDescent::new(energy(), 0.0), Err(Error::Rate { .. })));
    assert!(UnrolledConfig::new(0, 0.1).init(energy()).is_err());
    assert!(matches!(UnrolledConfig::new(3, -0.1).init(energy()), Err(Error::Rate { .. })));
    assert!(UnrolledConfig::new(3, 0.1).with_momentum(1.0).init(energy()).is_err());
    let empty = Projection::Box { lower: vec![1.0], upper: vec![0.0] };
    assert!(matches!(
        UnrolledConfig::new(3, 0.1).with_projection(empty).init(energy()),
        Err(Error::Projection { .. })
    ));
}
