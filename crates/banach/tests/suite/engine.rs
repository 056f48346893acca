//! The native engine against the device: values, outcomes and gradients of layers, and compiled training steps.

use crate::reference::{assert_close, numbers, steadied};
use crate::update;
use banach::solve::{Anderson, Dense, Gmres, Neumann, Newton, Picard, Tolerance};
use banach::{Compiled, Convolution, Engine, Error, FixedPoint, FixedPointConfig, Function, Objective};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor, activation};

#[derive(Module, Debug)]
struct Cell {
    state: Linear,
    input: Linear,
}

update!(
    Cell,
    Tensor<2>,
    Tensor<2>,
    |this, z| Tensor::zeros([z.dims()[0], 6], &z.device().inner()),
    |x, z| (this.state.forward(x) * 0.3 + this.input.forward(z)).tanh()
);

#[derive(Module, Debug)]
struct Images {
    inject: Conv2d,
    first: Conv2d,
    second: Conv2d,
}

update!(
    Images,
    Tensor<4>,
    Tensor<4>,
    |this, z| this.inject.forward(z.clone()).zeros_like().inner(),
    |x, z| {
        let u = this.inject.forward(z);
        this.second.forward(activation::relu(this.first.forward(x) + u)) * 0.2
    }
);

fn cell(device: &Device) -> Cell {
    steadied(Cell {
        state: LinearConfig::new(6, 6).with_bias(false).init(device),
        input: LinearConfig::new(3, 6).init(device),
    })
}

fn images(device: &Device) -> Images {
    images_of(4, device)
}

fn images_of(channels: usize, device: &Device) -> Images {
    let conv = |from: usize| {
        Conv2dConfig::new([from, channels], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .init(device)
    };
    steadied(Images { inject: conv(1), first: conv(channels), second: conv(channels) })
}

pub(crate) fn rows(count: usize, device: &Device) -> Tensor<2> {
    let data: Vec<f32> = (0..3 * count).map(|at| (1.7 * at as f32).sin()).collect();
    Tensor::<1>::from_data(data.as_slice(), device).reshape([count, 3])
}

fn pictures(count: usize, device: &Device) -> Tensor<4> {
    let data: Vec<f32> = (0..30 * count).map(|at| (0.7 * at as f32).cos()).collect();
    Tensor::<1>::from_data(data.as_slice(), device).reshape([count, 1, 5, 6])
}

fn configs() -> Vec<FixedPointConfig> {
    let tight = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-6));
    vec![
        tight.clone(),
        tight.clone().with_solver(Picard::default()).with_adjoint(Neumann::default()),
        tight.clone().with_solver(Newton::default()).with_adjoint(Dense::default()),
        tight.with_solver(Anderson::new(2)).with_adjoint(Gmres { restart: 3 }),
    ]
}

/// The value and all gradients of `Σ x̂²` on one engine, with the outcomes.
macro_rules! on_engine {
    ($engine:expr, $config:expr, $module:expr, $z:expr, $($field:ident)*) => {{
        let layer = $config.clone().with_engine($engine).init($module).unwrap();
        let z = $z.require_grad();
        let solution = layer.solve(z.clone()).unwrap();
        let outcomes = solution.report().outcomes.clone();
        let x = solution.into_value();
        let gradients = x.clone().powi_scalar(2).sum().backward();
        let mut all = vec![numbers(&x), numbers(&z.grad(&gradients).unwrap())];
        $(all.push(numbers(&layer.update().$field.weight.grad(&gradients).unwrap()));)*
        (outcomes, all)
    }};
}

#[test]
fn the_engine_and_the_device_agree_on_values_outcomes_and_gradients() {
    let device = Device::flex().autodiff();
    for config in configs() {
        for count in [1, 2, 37] {
            let found = on_engine!(Engine::Native, config, cell(&device), rows(count, &device), state input);
            let expected =
                on_engine!(Engine::Device, config, cell(&device), rows(count, &device), state input);
            assert_eq!(found.0, expected.0);
            for (found, expected) in found.1.iter().zip(&expected.1) {
                assert_close(found, expected, 2e-5, "a dense cell");
            }
            let found = on_engine!(Engine::Native, config, images(&device), pictures(count, &device), inject first second);
            let expected = on_engine!(Engine::Device, config, images(&device), pictures(count, &device), inject first second);
            assert_eq!(found.0, expected.0);
            for (found, expected) in found.1.iter().zip(&expected.1) {
                assert_close(found, expected, 2e-5, "a convolutional cell");
            }
        }
    }
}

#[test]
fn winograds_method_changes_rounding_only() {
    let device = Device::flex().autodiff();
    for config in configs() {
        let solved = |engine: Engine, convolution: Convolution| {
            let config = config.clone().with_convolution(convolution);
            on_engine!(engine, config, images_of(16, &device), pictures(3, &device), inject first second)
        };
        let expected = solved(Engine::Device, Convolution::Direct);
        let direct = solved(Engine::Native, Convolution::Direct);
        let winograd = solved(Engine::Native, Convolution::Winograd);
        assert_eq!(winograd.0, expected.0);
        assert_ne!(winograd.1, direct.1, "it was not used");
        for (found, expected) in winograd.1.iter().zip(&expected.1) {
            assert_close(found, expected, 2e-5, "a convolutional cell");
        }
    }
}

#[test]
fn plain_inputs_may_stand_beside_tracked_parameters_and_the_other_way_round() {
    let (plain, tracked) = (Device::flex(), Device::flex().autodiff());
    let gradient = |engine: Engine, on: &Device| {
        let layer = configs()[0].clone().with_engine(engine).init(cell(&tracked)).unwrap();
        let gradients = layer.forward(rows(4, on)).sum().backward();
        numbers(&layer.update().state.weight.grad(&gradients).unwrap())
    };
    let expected = gradient(Engine::Device, &tracked);
    for engine in [Engine::Native, Engine::Device] {
        assert_close(&gradient(engine, &plain), &expected, 2e-5, "plain input");
    }
    for engine in [Engine::Native, Engine::Device] {
        let layer = configs()[0].clone().with_engine(engine).init(cell(&plain)).unwrap();
        let z = rows(4, &tracked).require_grad();
        let gradients = layer.forward(z.clone()).sum().backward();
        assert!(numbers(&z.grad(&gradients).unwrap()).iter().any(|slope| *slope != 0.0));
    }
}

#[test]
fn nothing_depends_on_how_many_threads_there_are() {
    let device = Device::flex().autodiff();
    let config = &configs()[0];
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(
            || on_engine!(Engine::Native, config, images(&device), pictures(9, &device), inject first),
        )
    };
    let one = run(1);
    for threads in [2, 3, 5] {
        assert_eq!(run(threads).1, one.1, "{threads} threads");
    }
}

#[test]
fn rows_that_have_ended_leave_the_batch() {
    let device = Device::flex();
    let z = rows(32, &device);
    let [plain, newton] = [1, 2].map(|config| {
        let layer = configs()[config].clone().init(cell(&device)).unwrap();
        let known = layer.solve(z.clone()).unwrap().into_value();
        let x0 = Tensor::cat(vec![known.clone().narrow(0, 0, 30), known.narrow(0, 30, 2) + 1.0], 0);
        layer.solve_from(x0, z.clone()).unwrap().report().clone()
    });
    assert!(newton.converged() && newton.evaluations > 2, "{}", newton.explain());
    assert_eq!(
        newton.row_evaluations,
        32 + 2 * (newton.evaluations - 1),
        "two rows are left after the first look"
    );
    let report = plain;
    let own: usize = report.steps.iter().map(|steps| steps + 1).sum();
    assert!(
        report.steps[..30].iter().all(|steps| *steps < 2) && report.evaluations > 5,
        "{:?}",
        report.steps
    );
    assert!(report.row_evaluations >= own, "{} rows, {own} of their own", report.row_evaluations);
    assert!(
        3 * report.row_evaluations <= 4 * own + 3 * 32,
        "{} rows, {own} of their own",
        report.row_evaluations
    );
    assert!(2 * report.row_evaluations < 32 * report.evaluations, "{} rows", report.row_evaluations);
}

#[derive(Module, Debug)]
struct Network {
    layer: FixedPoint<Cell>,
    head: Linear,
}

fn network(device: &Device) -> Network {
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-7));
    Network {
        layer: config.init(cell(device)).unwrap(),
        head: steadied(LinearConfig::new(6, 2).init(device)),
    }
}

fn loss(network: &Network, (z, y): (Tensor<2>, Tensor<2>)) -> Tensor<1> {
    (network.head.forward(network.layer.forward(z)) - y).powi_scalar(2).mean()
}

#[test]
fn a_compiled_step_gives_what_the_tape_gives() {
    let device = Device::flex().autodiff();
    let network = network(&device);
    let batch = (rows(5, &device), Tensor::<2>::ones([5, 2], &device) * 0.3);
    let on_tape = loss(&network, batch.clone());
    let expected = GradientsParams::from_grads(on_tape.backward(), &network);
    for engine in [Engine::Native, Engine::Device] {
        let objective = Objective::new(loss).with_engine(engine);
        let (value, found) = objective.value_and_gradient(&network, batch.clone()).unwrap();
        assert!((value - f64::from(on_tape.clone().into_scalar::<f32>())).abs() < 1e-6);
        assert_eq!(found.len(), expected.len());
        for linear in [&network.layer.update().state, &network.layer.update().input, &network.head] {
            let of = |gradients: &GradientsParams| numbers(&gradients.get::<2>(linear.weight.id).unwrap());
            assert_close(&of(&found), &of(&expected), 1e-5, "a weight");
        }
    }
}

#[test]
fn an_optimizer_takes_compiled_gradients_and_frozen_parameters_have_none() {
    let device = Device::flex().autodiff();
    let mut network = network(&device);
    network.head = network.head.no_grad();
    let (objective, mut optimizer) = (Objective::new(loss), SgdConfig::new().init());
    let batch = (rows(5, &device), Tensor::<2>::ones([5, 2], &device) * 0.3);
    let head = numbers(&network.head.weight.val());
    let mut losses = vec![];
    for _ in 0..20 {
        let (value, gradients) = objective.value_and_gradient(&network, batch.clone()).unwrap();
        assert_eq!(gradients.len(), 3);
        losses.push(value);
        network = optimizer.step(0.2, network, gradients);
    }
    assert!(losses[19] < 0.5 * losses[0], "{losses:?}");
    assert_eq!(numbers(&network.head.weight.val()), head);
    let statistics = network.layer.statistics();
    assert_eq!((statistics.solves, statistics.unconverged_rows), (20, 0));
    assert!(statistics.adjoint_steps > 0);
}

#[derive(Module, Debug)]
struct Dropping {
    dropout: Dropout,
    linear: Linear,
}

#[test]
fn what_is_no_function_or_no_number_is_refused() {
    let device = Device::flex().autodiff();
    let dropping =
        Dropping { dropout: DropoutConfig::new(0.5).init(), linear: LinearConfig::new(3, 1).init(&device) };
    let objective =
        Objective::new(|this: &Dropping, z: Tensor<2>| this.linear.forward(this.dropout.forward(z)).mean());
    let error = objective.value_and_gradient(&dropping, rows(2, &device)).unwrap_err();
    assert!(matches!(error, Error::NoFunction { .. }), "{error}");
    let objective = Objective::new(|this: &Linear, z: Tensor<2>| this.forward(z).reshape([-1]));
    let error = objective.value_and_gradient(&dropping.linear, rows(2, &device)).unwrap_err();
    assert!(matches!(error, Error::NotScalar { .. }), "{error}");
}

#[test]
fn a_function_is_compiled_with_its_derivatives() {
    let x = Tensor::<1>::from_data([1.0, 2.0, 3.0], &Device::flex());
    let cube = Function::of(&x, |x: Tensor<1>| x.powi_scalar(3).sum()).unwrap();
    let compiled = cube.value_and_gradient(&[0]).unwrap();
    let results = compiled.call(x).unwrap();
    let found: Vec<Vec<f64>> =
        results.into_iter().map(|value| value.into_data().iter::<f64>().collect()).collect();
    assert_eq!(found, [vec![36.0], vec![3.0, 12.0, 27.0]]);
}

#[test]
fn a_module_is_compiled_as_a_function_of_its_inputs_and_parameters() {
    let device = Device::flex();
    let linear: Linear = LinearConfig::new(3, 1).init(&device);
    let z = rows(4, &device);
    let run = |linear: &Linear, z: Tensor<2>| linear.forward(z).tanh();
    let (compiled, parameters) = Compiled::of_module(&linear, &z, Convolution::Winograd, run).unwrap();
    let other: Linear = LinearConfig::new(3, 1).init(&device);
    let others = vec![other.weight.val().into(), other.bias.as_ref().unwrap().val().into()];
    for (linear, parameters) in [(&linear, parameters), (&other, others)] {
        let found = compiled.call((z.clone(), parameters)).unwrap().remove(0);
        let found: Vec<f32> = found.into_data().iter().collect();
        let expected: Vec<f32> = run(linear, z.clone()).into_data().iter().collect();
        assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-6));
    }
    let training = Device::flex().autodiff();
    let dropping =
        Dropping { dropout: DropoutConfig::new(0.5).init(), linear: LinearConfig::new(3, 1).init(&training) };
    let drop = |this: &Dropping, z: Tensor<2>| this.linear.forward(this.dropout.forward(z));
    let error = Compiled::of_module(&dropping, &rows(2, &training), Convolution::Direct, drop).unwrap_err();
    assert!(matches!(error, Error::NoFunction { .. }), "{error}");
}
