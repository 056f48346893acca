//! Outcomes of impossible work: rows that fail, updates that are no functions, settings outside their range.

use crate::reference::{assert_close, double, numbers};
use crate::update;
use banach::solve::{Outcome, Tolerance};
use banach::{Error, FixedPointConfig, OnFailure};
use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor, TensorData};

fn column(numbers: Vec<f64>) -> Tensor<2> {
    let (device, dtype) = double();
    let rows = numbers.len();
    Tensor::from_data(TensorData::new(numbers, [rows, 1]), (&device, dtype))
}

/// x = sqrt(x + z): not a number where x + z < 0.
#[derive(Module, Debug)]
struct Root {
    scale: f64,
}

update!(Root, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (x + z).sqrt() * this.scale);

#[test]
fn a_row_that_is_no_number_is_reported_and_leaves_the_others_alone() {
    let layer =
        FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).init(Root { scale: 1.0 }).unwrap();
    let z = column(vec![2.0, -1.0, 6.0]).autodiff().require_grad();
    let solution = layer.solve(z.clone()).unwrap();
    let outcomes = solution.report().outcomes.clone();
    assert_eq!(outcomes, [Outcome::Converged, Outcome::NonFinite, Outcome::Converged]);
    assert!(solution.report().explain().contains("row 1"), "{}", solution.report().explain());
    assert_close(&numbers(solution.value()), &[2.0, 0.0, 3.0], 1e-9, "x̂, and the start of the lost row");
    let gradients = z.grad(&solution.into_value().sum().backward()).unwrap();
    assert_close(
        &numbers(&gradients),
        &[1.0 / 3.0, 0.0, 0.2],
        1e-9,
        "1 / (2 x̂ - 1), and none for the lost row",
    );
    let statistics = layer.take_statistics();
    assert_eq!((statistics.unconverged_rows, statistics.non_finite_rows), (1, 1));
}

#[test]
fn failure_can_be_an_error_that_names_the_row() {
    let config = FixedPointConfig::new().with_on_failure(OnFailure::Error);
    let error = config.init(Root { scale: 1.0 }).unwrap().solve(column(vec![2.0, -1.0])).unwrap_err();
    assert!(error.to_string().contains("row 1"), "{error}");
}

#[test]
fn impossible_settings_are_refused_at_once() {
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(-1.0));
    let error = config.init(Root { scale: 1.0 }).unwrap_err().to_string();
    assert!(error.contains("tolerance") && error.contains("-1"), "{error}");
    assert!(FixedPointConfig::new().with_max_steps(0).init(Root { scale: 1.0 }).is_err());
}

/// A mean over the batch: rows are coupled and solved as one problem.
#[derive(Module, Debug)]
struct Coupled {
    scale: f64,
}

update!(Coupled, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (x.clone() * 0.2
    + x.mean_dim(0))
.sin()
    * this.scale
    + z);

#[test]
fn rows_that_depend_on_one_another_are_one_problem() {
    let layer =
        FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).init(Coupled { scale: 0.6 }).unwrap();
    let z = column(vec![0.1, 0.5, -0.9]).autodiff().require_grad();
    let solution = layer.solve(z.clone()).unwrap();
    assert_eq!(solution.report().outcomes, [Outcome::Converged]);
    let x = solution.value().clone().inner();
    let again = (x.clone() * 0.2 + x.clone().mean_dim(0)).sin() * 0.6 + z.clone().inner();
    assert_close(&numbers(&again), &numbers(&x), 1e-11, "x̂ = g(x̂)");
    let gradients = numbers(&z.grad(&solution.into_value().sum().backward()).unwrap());
    let mut unrolled = z.zeros_like();
    for _ in 0..200 {
        unrolled = (unrolled.clone() * 0.2 + unrolled.mean_dim(0)).sin() * 0.6 + z.clone();
    }
    let expected = numbers(&z.grad(&unrolled.sum().backward()).unwrap());
    assert_close(&gradients, &expected, 1e-9, "the gradient through the coupling");
}

/// A state that changes its shape.
#[derive(Module, Debug)]
struct Growing {
    by: usize,
}

update!(Growing, Tensor<2>, (), |this, _z| Tensor::zeros([2, 3], &Device::flex()), |x, _z| Tensor::cat(
    vec![x; this.by],
    1
));

#[test]
fn a_state_that_changes_its_shape_is_refused() {
    let error = FixedPointConfig::new().init(Growing { by: 2 }).unwrap().solve(()).unwrap_err();
    assert!(matches!(error, Error::State { position: 0, .. }), "{error}");
    assert!(error.to_string().contains("f32[2, 6]"), "{error}");
}

#[derive(Module, Debug)]
struct Dropping {
    w: Param<Tensor<1>>,
    dropout: Dropout,
}

update!(Dropping, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| this
    .dropout
    .forward(x * this.w.val().unsqueeze())
    + z);

#[test]
fn dropout_inside_an_update_is_refused_in_training_and_nothing_in_eval() {
    let device = Device::flex().autodiff();
    let w = Param::from_tensor(Tensor::from_data([0.5], &device).require_grad());
    let update = Dropping { w, dropout: DropoutConfig::new(0.5).init() };
    let layer = FixedPointConfig::new().init(update).unwrap();
    let z = Tensor::<2>::ones([1, 1], &device);
    let error = layer.solve(z.clone()).unwrap_err();
    assert!(error.to_string().contains("Dropout"), "{error}");
    let x = numbers(&layer.valid().forward(z.inner()));
    assert!((x[0] - 2.0).abs() < 1e-3, "{x:?}");
}

#[derive(Module, Debug)]
struct Normed {
    norm: BatchNorm,
}

update!(Normed, Tensor<3>, Tensor<3>, |this, z| z.zeros_like().inner(), |x, z| this.norm.forward(x * 0.5)
    + z);

#[test]
fn batch_statistics_are_refused_in_training_and_frozen_in_eval() {
    let device = Device::flex().autodiff();
    let layer = FixedPointConfig::new().init(Normed { norm: BatchNormConfig::new(2).init(&device) }).unwrap();
    let z = Tensor::<3>::ones([3, 2, 4], &device);
    assert!(matches!(layer.solve(z.clone()), Err(Error::NoFunction { .. })));
    let layer = layer.valid();
    let first = numbers(&layer.forward(z.clone().inner()));
    assert_eq!(numbers(&layer.forward(z.inner())), first, "running statistics survive the trace");
    assert!((first[0] - 2.0).abs() < 1e-3, "{}", first[0]);
}

#[test]
fn reports_carry_rates_and_traces_where_they_are_asked_for() {
    let mut config = FixedPointConfig::new();
    let z = column(vec![2.0, 3.0]).autodiff().require_grad();
    let quiet = config.init(Root { scale: 1.0 }).unwrap().solve(z.clone()).unwrap();
    assert!(quiet.report().trace.is_none() && quiet.report().rates.iter().all(|rate| *rate < 1.0));
    (config.forward.trace, config.adjoint.trace) = (true, true);
    let solution = config.init(Root { scale: 1.0 }).unwrap().solve(z).unwrap();
    let report = solution.report().clone();
    let trace = report.trace.clone().unwrap();
    assert_eq!(trace.len(), report.steps.iter().max().unwrap() + 1);
    assert_eq!(trace[trace.len() - 1].residuals, report.residuals);
    solution.into_value().sum().backward();
    let adjoint = &report.adjoint()[0];
    let last = adjoint.trace.as_ref().and_then(|trace| trace.last()).unwrap();
    assert!(last.residuals.iter().all(|residual| *residual < 1e-6), "{adjoint:?}");
}
