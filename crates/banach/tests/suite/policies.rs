//! Failure policies, and settings that contradict each other.

use crate::approximate::shine;
use crate::logging::heard;
use crate::reference::{assert_close, double, numbers};
use crate::update;
use crate::zoo::Named;
use banach::program::Value;
use banach::solve::{Anderson, FixedPointSolver, LinearSolver, Neumann, Picard, Tolerance, Truncated};
use banach::{Error, FixedPoint, FixedPointConfig, Function, Gradient, OnFailure, Precision};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// x = z x + b: x̂ = b / (1 - z) and dx̂/dz = b / (1 - z)².
#[derive(Module, Debug)]
pub(crate) struct Slope {
    pub(crate) b: f64,
}

update!(Slope, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| x * z + this.b);

pub(crate) fn column(numbers: &[f64]) -> Tensor<2> {
    let (device, dtype) = double();
    let data = TensorData::new(numbers.to_vec(), [numbers.len(), 1]);
    Tensor::from_data(data, (&device, dtype)).autodiff().require_grad()
}

pub(crate) fn tight() -> FixedPointConfig {
    FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12))
}

/// The derivative of the sum of all rows.
pub(crate) fn slopes<M: Module + banach::Update<State = Tensor<2>, Input = Tensor<2>>>(
    layer: &FixedPoint<M>,
    z: &Tensor<2>,
) -> Vec<f64> {
    let gradients = layer.solve(z.clone()).unwrap().into_value().sum().backward();
    numbers(&z.grad(&gradients).unwrap())
}

#[test]
fn rows_that_fail_forward_may_be_left_out_of_the_gradient() {
    let picard = FixedPointConfig::new()
        .with_solver(Picard::default())
        .with_tolerance(Tolerance::both(1e-9))
        .with_max_steps(100);
    let z = column(&[0.1, 0.999, -0.2]);
    let kept = slopes(&picard.init(Slope { b: 1.0 }).unwrap(), &z);
    assert!(kept[1].abs() > 1.0, "the best point has a gradient: {kept:?}");
    let layer = picard.clone().with_on_failure(OnFailure::Skip).init(Slope { b: 1.0 }).unwrap();
    let found = slopes(&layer, &z);
    assert_close(&found, &[1.0 / 0.81, 0.0, 1.0 / 1.44], 1e-7, "dx̂/dz");
    let statistics = layer.take_statistics();
    assert_eq!((statistics.unconverged_rows, statistics.skipped_rows), (1, 1));
    let unrolled = picard.with_on_failure(OnFailure::Skip).with_gradient(Gradient::Unrolled { steps: 40 });
    let layer = unrolled.init(Slope { b: 1.0 }).unwrap();
    assert_close(&slopes(&layer, &z), &[1.0 / 0.81, 0.0, 1.0 / 1.44], 1e-7, "dx̂/dz, unrolled");
    assert_eq!(layer.take_statistics().skipped_rows, 1);
}

/// Of x = z x the answer is 0, where the second row has I - J = 0: its adjoint has no solution.
fn singular() -> Tensor<2> {
    column(&[0.5, 1.0, -0.5])
}

#[test]
fn an_adjoint_without_a_solution_names_its_row() {
    let layer = tight().init(Slope { b: 0.0 }).unwrap();
    let z = singular();
    let solution = layer.solve(z.clone()).unwrap();
    assert!(solution.report().converged());
    let report = solution.report().clone();
    let _gradients = solution.into_value().sum().backward();
    let adjoint = report.adjoint().remove(0);
    assert!(adjoint.outcomes[0].is_converged() && adjoint.outcomes[1].is_failure(), "{adjoint:?}");
    let error = adjoint.check().unwrap_err();
    assert!(matches!(error, Error::Adjoint { row: 1, failed: 1, rows: 3, .. }), "{error}");
    assert!(error.to_string().contains("row 1"), "{error}");
}

/// x = s x + z with slopes s of 0.5, 1 and -0.5: where z is 0 the second row is solved by x = 0, but has no derivative.
#[derive(Module, Debug)]
struct Slopes {
    rows: usize,
}

update!(Slopes, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| {
    let slopes = TensorData::new(vec![0.5, 1.0, -0.5][..this.rows].to_vec(), [this.rows, 1]);
    x.clone() * Tensor::from_data(slopes, (&x.device(), x.dtype())) + z
});

#[test]
fn rows_that_fail_backward_may_be_left_out_of_the_gradient() {
    let layer = tight().with_on_failure(OnFailure::Skip).init(Slopes { rows: 3 }).unwrap();
    let found = slopes(&layer, &column(&[0.3, 0.0, 0.2]));
    assert_close(&found, &[2.0, 0.0, 1.0 / 1.5], 1e-9, "dx̂/dz");
    assert_eq!(layer.take_statistics().skipped_rows, 1);
}

#[test]
fn an_adjoint_without_a_solution_may_be_an_error() {
    let config = tight().with_on_failure(OnFailure::Error);
    let z = singular();
    let solution = config.init(Slope { b: 0.0 }).unwrap().solve(z.clone()).unwrap();
    let sum = solution.into_value().sum();
    let panic = catch_unwind(AssertUnwindSafe(|| sum.backward())).err().unwrap();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("the adjoint of 1 of 3 rows") && message.contains("row 1"), "{message}");
    // A function says it by its result.
    let z = z.inner();
    let g = Function::of(&(z.clone(), z.clone()), |(x, z): (Tensor<2>, Tensor<2>)| x * z).unwrap();
    let back = g.fix(&config).unwrap().vjp();
    let error = back.call::<Value>((z.zeros_like(), z.clone(), z.ones_like())).unwrap_err().to_string();
    assert!(error.contains("row 1"), "{error}");
}

pub(crate) fn zoo(name: &str, config: &FixedPointConfig) -> (FixedPoint<Named>, Tensor<2>, Vec<f64>) {
    let problem = banach_zoo::named(name).unwrap();
    let (device, dtype) = double();
    let z = problem.z(&device, dtype).autodiff().require_grad();
    let expected = problem.derivative.clone().unwrap();
    (config.init(Named { problem }).unwrap(), z, expected)
}

#[test]
fn the_adjoint_need_not_be_more_exact_than_its_point() {
    let steps = |coupling| {
        let mut config = FixedPointConfig::new()
            .with_solver(Picard::default())
            .with_adjoint(Neumann::default())
            .with_coupling(coupling);
        config.forward.tolerance = Tolerance { absolute: 0.0, relative: 1e-3, ..Tolerance::default() };
        config.adjoint.tolerance = Tolerance { absolute: 0.0, relative: 1e-12, ..Tolerance::default() };
        let (layer, z, _) = zoo("affine", &config);
        let _ = slopes(&layer, &z);
        layer.take_statistics().adjoint_steps
    };
    let [uncoupled, coupled] = [None, Some(0.1)].map(steps);
    assert!(2 * coupled < uncoupled, "{coupled} of {uncoupled} steps");
}

#[test]
fn settings_that_do_not_go_together_are_refused_when_the_layer_is_made() {
    let refused = |config: FixedPointConfig| config.init(Slope { b: 1.0 }).unwrap_err().to_string();
    let anderson = FixedPointSolver::Anderson(Anderson::default());
    let text = refused(tight().with_solver(anderson).with_gradient(Gradient::shine()));
    assert!(text.contains("shine with anderson") && text.contains("Broyden"), "{text}");
    let text = refused(tight().with_gradient(Gradient::Unrolled { steps: 0 }));
    assert!(text.contains("gradient.unrolled.steps"), "{text}");
    let text = refused(shine(0, f64::NAN));
    assert!(text.contains("gradient.shine.limit"), "{text}");
    let text = refused(FixedPointConfig { precision: Precision::Mixed, ..shine(0, 1.3) });
    assert!(text.contains("mixed with gradient shine"), "{text}");
    for other in [Gradient::Unrolled { steps: 1 }, Gradient::shine()] {
        let text = refused(shine(0, 1.3).with_gradient(other).with_coupling(Some(1.0)));
        assert!(text.contains("another gradient than implicit"), "{text}");
    }
    let text = refused(tight().with_coupling(Some(-1.0)));
    assert!(text.contains("coupling"), "{text}");
    let z = column(&[0.5]).inner();
    for config in [shine(0, 1.3), tight().with_coupling(Some(1.0)), tight().with_on_failure(OnFailure::Skip)]
    {
        let g = Function::of(&(z.clone(), z.clone()), |(x, z): (Tensor<2>, Tensor<2>)| x * z).unwrap();
        let text = g.fix(&config).unwrap_err().to_string();
        assert!(text.contains("part of a traced function"), "{text}");
    }
}

#[test]
fn settings_are_read_and_an_unknown_one_is_an_error() {
    let config = shine(3, 2.0).with_on_failure(OnFailure::Warn);
    for config in [config, tight().with_coupling(Some(0.5))] {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<FixedPointConfig>(&text).unwrap(), config);
    }
    let error = serde_json::from_str::<FixedPointConfig>(r#"{"gradient": "exact"}"#).unwrap_err().to_string();
    assert!(error.contains("implicit"), "{error}");
    assert!(serde_json::from_str::<FixedPointConfig>(r#"{"couplings": 1.0}"#).is_err());
    // What is left out of a part is as in the whole: nothing absolute for an adjoint.
    let partly = r#"{"adjoint": {"budget": {"steps": 200}}}"#;
    assert_eq!(serde_json::from_str::<FixedPointConfig>(partly).unwrap(), FixedPointConfig::new());
}

#[test]
fn failures_may_be_told_to_the_log() {
    let told = || heard(log::Level::Warn);
    told();
    let layer = tight().with_on_failure(OnFailure::Warn).init(Slope { b: 0.0 }).unwrap();
    let solution = layer.solve(singular()).unwrap();
    assert_eq!(told().len(), 0, "nothing has failed yet");
    let _ = solution.into_value().sum().backward();
    let heard = told().join("\n");
    assert!(heard.contains("the adjoint of 1 of 3 rows") && heard.contains("row 1"), "{heard}");
    let picard = tight().with_solver(Picard::default()).with_max_steps(2);
    let layer = picard.with_on_failure(OnFailure::Warn).init(Slope { b: 1.0 }).unwrap();
    let _ = layer.solve(column(&[0.9]).inner()).unwrap();
    let heard = told().pop().unwrap();
    assert!(heard.contains("0 of 1 rows converged") && heard.contains("budget.steps"), "{heard}");
    // Inside a program: nothing of rows that have not failed, and of those that have, in both directions.
    let z = singular().inner();
    let g = Function::of(&(z.clone(), z.clone()), |(x, z): (Tensor<2>, Tensor<2>)| x * z).unwrap();
    let warns = |config: FixedPointConfig| g.fix(&config.with_on_failure(OnFailure::Warn)).unwrap();
    told();
    let x0 = z.zeros_like();
    let _: Tensor<2> = warns(tight()).call((x0.clone(), z.clone())).unwrap();
    assert!(told().is_empty(), "all rows converged");
    let _: [Value; 2] = warns(tight()).vjp().call((x0.clone(), z.clone(), z.ones_like())).unwrap();
    let heard = told().join("\n");
    assert!(heard.contains("the adjoint of 1 of 3 rows") && heard.contains("row 1"), "{heard}");
    let hasty = tight().with_solver(Picard::default()).with_max_steps(2);
    let _: Tensor<2> = warns(hasty).call((x0 + 1.0, z)).unwrap();
    let heard = told().join("\n");
    assert!(heard.contains("rows converged") && heard.contains("budget.steps"), "{heard}");
}

#[test]
fn a_gradient_has_the_scale_of_its_loss_however_small_that_is() {
    // x = x / 2 + z: dx̂/dz = 2. The mean over a large batch makes cotangents as small as these.
    #[derive(Module, Debug)]
    struct Half {}
    crate::update!(Half, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| x * 0.5 + z);
    for solver in [LinearSolver::default(), LinearSolver::Neumann(Neumann::default())] {
        for tolerance in [None, Some(Tolerance::default()), Some(Tolerance::both(1e-6))] {
            let config = FixedPointConfig::new().with_adjoint(solver.clone());
            let config = tolerance.map_or(config.clone(), |tolerance| config.with_tolerance(tolerance));
            let layer = config.init(Half {}).unwrap();
            for scale in [1.0, 1e-6, 1e-9] {
                let z = Tensor::<2>::ones([4, 3], &burn::tensor::Device::flex().autodiff()).require_grad();
                let loss = (layer.forward(z.clone()) * scale).sum();
                let found = numbers(&z.grad(&loss.backward()).unwrap());
                assert!(found.iter().all(|slope| (slope / scale - 2.0).abs() < 1e-3), "{scale}: {found:?}");
            }
        }
    }
}

#[test]
fn a_second_adjoint_solver_has_what_the_first_has_left() {
    let mut config = tight().with_adjoint(Neumann::default());
    config.adjoint.budget.evaluations = Some(6);
    let (layer, z, _) = zoo("affine_large", &config);
    let solution = layer.solve(z).unwrap();
    let report = solution.report().clone();
    let _ = solution.into_value().sum().backward();
    let adjoint = report.adjoint().remove(0);
    assert_eq!(adjoint.solvers.len(), 2, "{adjoint:?}");
    assert!(adjoint.evaluations <= 7, "one look is always allowed: {}", adjoint.evaluations);
    let terms = Truncated { terms: 20, damping: 1.0 };
    let config = tight().with_adjoint(LinearSolver::Truncated(terms)).with_max_steps(10);
    let text = config.validate().unwrap_err().to_string();
    assert!(text.contains("`adjoint.truncated.terms` is 20") && text.contains("which is 10"), "{text}");
}
