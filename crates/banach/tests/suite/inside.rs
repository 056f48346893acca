//! Contents of an update: fields, choices, panics, random numbers, other layers; and solves in several threads.

use crate::corners::{AnyRank, Mixed, config, mixed_input, right, some, weight};
use crate::reference::{assert_close, numbers, steadied};
use crate::update;
use banach::solve::{FixedPointSolver, Newton, Tolerance};
use banach::{Engine, Error, FixedPoint, FixedPointConfig, OnFailure, Update};
use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, GaussianNoise, GaussianNoiseConfig, Linear, LinearConfig};
use burn::tensor::{Bool, DType, Device, Int, Tensor};

/// Tensors that are no parameters.
#[derive(Module, Debug)]
struct Fields {
    w: Param<Tensor<2>>,
    shift: Tensor<1>,
    at: Tensor<1, Int>,
    mask: Tensor<2, Bool>,
}

update!(Fields, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| {
    let y = (x.matmul(this.w.val()) * 0.4 + z + this.shift.clone().unsqueeze()).tanh();
    y.clone().mask_where(this.mask.clone(), y.select(1, this.at.clone()))
});

#[test]
fn tensors_in_plain_fields_are_constants() {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let fields = Fields {
            w: weight([3, 3]),
            shift: some([3], 2.0).to_device(&device),
            at: Tensor::from_data([2, 0, 1], &device),
            mask: Tensor::from_data([[true, false, true], [true, false, true]], &device),
        };
        right("fields", fields, some([2, 3], 0.1));
    }
}

/// A fixed point inside the update of another.
#[derive(Module, Debug)]
pub(crate) struct Nested {
    pub(crate) inner: FixedPoint<AnyRank<2>>,
}

update!(Nested, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| this.inner.forward(x * 0.5)
    * 0.2
    + z);

#[test]
fn a_layer_inside_an_update_is_a_line_of_its_program() {
    let layer = config().init(Nested { inner: config().init(AnyRank::<2> {}).unwrap() }).unwrap();
    let program = layer.program(some([2, 3], 0.1)).unwrap().to_string();
    assert!(program.contains("= fix of"), "{program}");
    right("nested", layer.into_update(), some([2, 3], 0.1));
}

/// x = tanh(0.4 x W + z)
#[derive(Module, Debug)]
struct Weighted {
    w: Param<Tensor<2>>,
}

update!(Weighted, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (x.matmul(this.w.val())
    * 0.4
    + z)
    .tanh());

/// A layer with parameters inside another.
#[derive(Module, Debug)]
struct Around {
    inner: FixedPoint<Weighted>,
}

update!(Around, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| this.inner.forward(x * 0.5)
    * 0.2
    + z);

#[test]
fn a_layer_with_parameters_inside_another_keeps_the_rows_apart() {
    let around = || Around { inner: config().init(Weighted { w: weight([3, 3]) }).unwrap() };
    let layer = right("around", around(), some([4, 3], 0.1));
    let z = some([4, 3], 0.1);
    let solution = layer.solve(z.clone()).unwrap();
    assert_eq!(solution.report().outcomes.len(), 4, "{}", solution.report().explain());
    let spoilt = z.clone().slice_assign([1..2, 0..1], some([1, 1], 0.0) * f64::NAN);
    let spoilt = layer.solve(spoilt).unwrap();
    let failed: Vec<bool> = spoilt.report().outcomes.iter().map(|outcome| outcome.is_failure()).collect();
    assert_eq!(failed, [false, true, false, false]);
    let rows = |solution: banach::Solution<Tensor<2>>| numbers(&solution.into_value());
    let (found, expected) = (rows(spoilt), rows(solution));
    assert_close(&found[6..], &expected[6..], 1e-12, "rows beside one that is lost");
}

#[test]
fn an_inner_layer_that_refuses_is_an_error_of_the_outer_solve() {
    let inner = config().with_max_steps(1).with_on_failure(OnFailure::Error);
    let newton = FixedPointSolver::Newton(Newton::default());
    for engine in [Engine::Native, Engine::Device] {
        for solver in [FixedPointSolver::default(), newton.clone()] {
            let around = Around { inner: inner.init(Weighted { w: weight([3, 3]) }).unwrap() };
            let layer = config().with_engine(engine).with_solver(solver).init(around).unwrap();
            let text = layer.solve(some([4, 3], 0.1)).unwrap_err().to_string();
            assert!(text.contains("4 of 4 rows"), "{engine:?}: {text}");
        }
    }
}

/// Panics for seven columns.
#[derive(Module, Debug)]
struct Fragile {
    norm: BatchNorm,
}

update!(Fragile, Tensor<3>, Tensor<3>, |this, z| z.zeros_like().inner(), |x, z| {
    let y = this.norm.forward(x * 0.2 + z);
    assert_ne!(y.dims()[2], 7, "seven columns");
    y * 0.5
});

#[test]
fn a_panic_inside_an_update_is_an_error_and_leaves_the_module_as_it_was() {
    let device = Device::flex();
    let layer =
        FixedPointConfig::new().init(Fragile { norm: BatchNormConfig::new(2).init(&device) }).unwrap();
    let z = |columns| Tensor::<3>::ones([2, 2, columns], &device);
    let before = numbers(&layer.update().norm.running_var.value());
    let error = layer.solve(z(7)).unwrap_err().to_string();
    assert!(error.contains("seven columns"), "{error}");
    assert_eq!(numbers(&layer.update().norm.running_var.value()), before);
    assert!(layer.solve(z(3)).unwrap().report().converged());
}

#[test]
fn threads_may_use_clones_of_one_layer_at_once() {
    let device = Device::flex();
    let layer =
        FixedPointConfig::new().init(Fragile { norm: BatchNormConfig::new(2).init(&device) }).unwrap();
    let work = |columns: usize| {
        let (layer, device) = (layer.clone(), device.clone());
        move || numbers(&layer.forward(Tensor::<3>::ones([2, 2, columns], &device)))[0]
    };
    let alone = work(1)();
    let found: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..7).cycle().take(24).map(|columns| scope.spawn(work(columns))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.iter().all(|x| (x - alone).abs() < 1e-4), "{found:?}");
}

#[test]
fn training_may_run_in_several_threads() {
    let layer = config().init(Mixed { w: weight([3, 3]) }).unwrap();
    let w = layer.update().w.val();
    let gradient = || {
        let gradients = layer.clone().forward(mixed_input(DType::I64, 0.3)).sum().backward();
        numbers(&w.grad(&gradients).unwrap())
    };
    let alone = gradient();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(gradient)).collect();
        for thread in threads {
            assert_close(&thread.join().unwrap(), &alone, 1e-12, "a thread");
        }
    });
}

/// Options, lists and choices of modules.
#[derive(Module, Debug)]
enum Choice {
    Wide(Linear),
    Narrow(Linear),
}

#[derive(Module, Debug)]
struct Assembled {
    layers: Vec<Linear>,
    none: Option<Linear>,
    one: Option<Linear>,
    choice: Choice,
    pair: (Linear, Linear),
}

update!(Assembled, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| {
    let mut y = this.layers.iter().fold(x, |x, layer| layer.forward(x)) * 0.2;
    for layer in [&this.none, &this.one].into_iter().flatten() {
        y = y + layer.forward(z.clone());
    }
    let (Choice::Wide(last) | Choice::Narrow(last)) = &this.choice;
    last.forward(this.pair.1.forward(this.pair.0.forward(y).tanh()) * 0.5).tanh()
});

#[test]
fn modules_of_modules_are_walked_through_once_and_in_order() {
    let device = Device::flex().autodiff();
    let linear = || LinearConfig::new(3, 3).init(&device);
    let module = Assembled {
        layers: vec![linear(), linear()],
        none: None,
        one: Some(linear()),
        choice: Choice::Narrow(linear()),
        pair: (linear(), linear()),
    };
    let layer = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-6)).init(steadied(module)).unwrap();
    let z = Tensor::<2>::from_data([[0.3, -0.4, 0.6], [1.0, 0.2, -0.1]], &device);
    let gradients = layer.forward(z.clone()).sum().backward();
    let mut x = z.zeros_like();
    for _ in 0..40 {
        x = layer.update().update(x, z.clone());
    }
    let expected = x.sum().backward();
    let Choice::Narrow(last) = &layer.update().choice else { unreachable!() };
    for linear in
        layer.update().layers.iter().chain(&layer.update().one).chain([last, &layer.update().pair.0])
    {
        let of = |gradients| numbers(&linear.weight.grad(gradients).unwrap());
        assert_close(&of(&gradients), &of(&expected), 1e-3, "every weight");
    }
}

#[derive(Module, Debug)]
struct Noisy {
    noise: GaussianNoise,
}

update!(Noisy, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| this
    .noise
    .forward(x * 0.5 + z));

#[test]
fn noise_is_refused_in_training_though_nothing_has_parameters() {
    let layer = config().init(Noisy { noise: GaussianNoiseConfig::new(0.5).init() }).unwrap();
    let error = layer.solve(some([2, 3], 0.2).autodiff()).unwrap_err();
    assert!(matches!(&error, Error::NoFunction { found, .. } if found == "GaussianNoise"), "{error}");
    assert!(layer.solve(some([2, 3], 0.2)).is_ok());
    assert!(layer.freeze().solve(some([2, 3], 0.2).autodiff()).is_ok());
}

#[test]
fn quantized_weights_are_refused_in_words() {
    use burn::module::Quantizer;
    use burn::tensor::quantization::{Calibration, QuantScheme};
    let device = Device::flex();
    let module = Linears { state: LinearConfig::new(32, 32).init(&device) };
    let mut quantizer = Quantizer::new(Calibration::MinMax, QuantScheme::default());
    let layer = FixedPointConfig::new().init(module).unwrap().quantize_weights(&mut quantizer);
    let error = layer.solve(Tensor::ones([2, 32], &device)).unwrap_err().to_string();
    assert!(error.contains("quantized"), "{error}");
}

#[derive(Module, Debug)]
struct Linears {
    state: Linear,
}

update!(Linears, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (this.state.forward(x)
    * 0.2
    + z)
    .tanh());
