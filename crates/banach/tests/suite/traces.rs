//! Traces of a layer: cache, printed form, modules and numbers.

use crate::corners::{config, some, weight};
use crate::reference::{assert_close, numbers};
use crate::update;
use banach::program::Value;
use banach::{Error, FixedPoint, FixedPointConfig, Function, Objective, Update, WarmStarts};
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};

/// x = tanh(0.4 x W + z) for sequences of any length.
#[derive(Module, Debug)]
struct Sequence {
    w: Param<Tensor<2>>,
}

update!(Sequence, Tensor<3>, Tensor<3>, |this, z| z.zeros_like().inner(), |x, z| (x
    .matmul(this.w.val().unsqueeze())
    * 0.4
    + z)
    .tanh());

#[test]
fn a_printed_layer_shows_its_update_and_settings_and_no_program() {
    let layer = config().init(Sequence { w: weight([3, 3]) }).unwrap();
    let (text, debug) = (layer.to_string(), format!("{layer:?}"));
    let gradients = layer.forward(some([2, 5, 3], 0.1).autodiff()).sum().backward();
    assert!(layer.update().w.val().grad(&gradients).is_some());
    assert_eq!(layer.to_string(), text);
    for printed in [&text, &format!("{layer:?}")] {
        assert!(printed.len() < 3000, "{} characters", printed.len());
        for part in ["FixedPoint", "update", "Sequence", "config", "on_failure"] {
            assert!(printed.contains(part), "{part} in {printed}");
        }
    }
    assert!(debug.len() < 3000);
    let warm = WarmStarts::new(1000).unwrap();
    let ids: Vec<u64> = (0..100).collect();
    let _ = layer.solve_warm(some([100, 5, 3], 0.1), &ids, &warm).unwrap();
    assert_eq!(format!("{warm:?}"), "WarmStarts of 100 samples");
}

#[test]
fn many_shapes_are_traced_once_each_and_old_ones_go_where_memory_is_short() {
    let layer = config().init(Sequence { w: weight([3, 3]) }).unwrap();
    let lengths = 1..60;
    let found: Vec<_> =
        lengths.clone().map(|length| numbers(&layer.forward(some([2, length, 3], 0.1)))).collect();
    let bytes = layer.trace_bytes();
    assert!(bytes > 0);
    for (length, first) in lengths.zip(&found) {
        assert_eq!(&numbers(&layer.forward(some([2, length, 3], 0.1))), first);
    }
    assert_eq!(layer.trace_bytes(), bytes, "nothing was traced again");
    layer.forget_traces();
    assert_eq!(layer.trace_bytes(), 0);

    let small = config().with_trace_memory(bytes / 10).init(Sequence { w: weight([3, 3]) }).unwrap();
    for length in 1..60 {
        let _ = small.forward(some([2, length, 3], 0.1));
        assert!(small.trace_bytes() < bytes / 5, "{} of {bytes}", small.trace_bytes());
    }
    // The most recently used stay, and what was dropped is right again.
    assert_eq!(numbers(&small.forward(some([2, 1, 3], 0.1))), found[0]);
}

#[test]
fn a_solution_comes_apart_and_explains_itself() {
    let layer = config().init(Sequence { w: weight([3, 3]) }).unwrap();
    let (value, report) = layer.solve(some([2, 5, 3], 0.1)).unwrap().into_parts();
    let text: String = report.explain();
    assert!(value.dims() == [2, 5, 3] && text.contains("2 of 2 rows"), "{text}");
}

#[test]
fn what_is_wrong_with_a_module_is_known_when_the_layer_is_made() {
    use burn::module::Quantizer;
    use burn::tensor::quantization::{Calibration, QuantScheme};
    #[derive(Module, Debug)]
    struct Linears {
        state: Linear,
    }
    update!(Linears, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (this.state.forward(x)
        * 0.2
        + z)
        .tanh());
    let module = Linears { state: LinearConfig::new(32, 32).init(&Device::flex()) };
    let _ = module.state.weight.val();
    let mut quantizer = Quantizer::new(Calibration::MinMax, QuantScheme::default());
    let error = FixedPointConfig::new().init(module.quantize_weights(&mut quantizer)).unwrap_err();
    assert_eq!(error, Error::Quantized);
}

/// x = cos(step x) with the step as a plain number.
#[derive(Module, Debug)]
struct Cosine {
    c: Param<Tensor<1>>,
}

update!(Cosine, Tensor<2>, (f64, Tensor<2>), |this, z| z.1.zeros_like().inner(), |x, (step, z)| (x
    * step
    * this.c.val().unsqueeze())
.cos()
    + z);

#[test]
fn a_plain_number_is_an_input_and_every_value_of_it_is_right() {
    let c = Tensor::<1>::from_data([1.0], (&Device::flex(), DType::F64)).autodiff().require_grad();
    let layer = config().init(Cosine { c: Param::from_tensor(c) }).unwrap();
    let z = some([2, 1], 0.0) * 0.0;
    for step in [0.5, 0.9, 0.5, -0.3] {
        let x = numbers(&layer.forward((step, z.clone())));
        assert!(x.iter().all(|x| (x - (step * x).cos()).abs() < 1e-10), "{step}: {x:?}");
    }
    let loss = |layer: &FixedPoint<Cosine>, batch: (f64, Tensor<2>)| layer.forward(batch).sum();
    let objective = Objective::new(loss);
    for step in [0.5, 0.9] {
        let (value, _) = objective.value_and_gradient(&layer, (step, z.clone())).unwrap();
        assert!((value / 2.0 - (step * value / 2.0).cos()).abs() < 1e-9, "{step}: {value}");
    }
    let error = Function::of(&(z.clone(), 0.5), |(z, a): (Tensor<2>, f64)| z * a).unwrap_err();
    assert!(error.to_string().contains("a tensor of shape [1]"), "{error}");
    let function = Function::of(&z, |z: Tensor<2>| z * 2.0).unwrap();
    assert!(function.call::<Value>((z, 0.7)).is_err());
}

#[test]
fn a_function_of_a_module_has_its_parameters_as_inputs() {
    let device = Device::flex().autodiff();
    let critic: Linear = LinearConfig::new(3, 1).init(&device);
    let z = Tensor::<2>::from_data([[0.3, -0.2, 0.5], [1.0, 0.1, 0.4]], &device);
    let (f, parameters) =
        Function::of_module(&critic, &z, |critic, z: Tensor<2>| critic.forward(z).tanh()).unwrap();
    assert_eq!(parameters.len(), 2);
    let inputs: Vec<_> = std::iter::once(z.clone().into()).chain(parameters).collect();
    // d/dW of Σ ‖∂f/∂z‖² on the tape, against the closed form: ∂f/∂z = (1 - y²) wᵀ.
    let slope: Tensor<2> = f.gradient(0).unwrap().call(inputs).unwrap();
    let gradients = slope.square().sum().backward();
    let found = numbers(&critic.weight.grad(&gradients).unwrap());
    let y = critic.forward(z).tanh();
    let slope = (y.square().neg() + 1.0).matmul(critic.weight.val().transpose());
    let expected = numbers(&critic.weight.grad(&slope.square().sum().backward()).unwrap());
    assert_close(&found, &expected, 1e-4, "the gradient of a gradient penalty");
    let captured = Function::of(&some([2, 3], 0.1).cast(DType::F32), |z: Tensor<2>| critic.forward(z));
    let text = captured.unwrap_err().to_string();
    assert!(text.contains("Function::of_module"), "{text}");
}

#[test]
fn an_observer_sees_every_iterate_and_may_stop() {
    use banach::solve::{Newton, Outcome, Picard};
    use std::ops::ControlFlow;
    let picard = config().with_solver(Picard::default());
    let layer = picard.init(Sequence { w: weight([3, 3]) }).unwrap();
    let z = some([2, 5, 3], 0.1).autodiff().require_grad();
    let x0 = z.zeros_like().inner();
    let mut path: Vec<Tensor<3>> = vec![];
    let solution = layer
        .solve_observed(x0.clone(), z.clone(), |step| {
            assert_eq!((step.step, step.residuals.len()), (path.len(), 2));
            path.push(step.x);
            ControlFlow::Continue(())
        })
        .unwrap();
    for pair in path.windows(2).take(10) {
        let next = layer.update().update(pair[0].clone(), z.clone().inner());
        assert_close(&numbers(&pair[1]), &numbers(&next), 1e-12, "the next iterate of plain iteration");
    }
    let plain = layer.solve(z.clone()).unwrap();
    assert_eq!(solution.report().steps, plain.report().steps);
    assert_close(&numbers(solution.value()), &numbers(plain.value()), 1e-11, "the solution");
    let slope = |x: Tensor<3>| numbers(&z.grad(&x.sum().backward()).unwrap());
    assert_close(&slope(solution.into_value()), &slope(plain.into_value()), 1e-9, "its gradient");
    let stopped = layer.solve_observed(x0.clone(), z.clone(), |_| ControlFlow::Break(())).unwrap();
    assert_eq!(stopped.report().outcomes, [Outcome::Stopped; 2]);
    let newton = config().with_solver(Newton::default());
    let newton = newton.init(Sequence { w: weight([3, 3]) }).unwrap();
    assert!(newton.solve_observed(x0, z, |_| ControlFlow::Continue(())).is_err());
}
