//! Rows without a finite gradient, on the tape, inside programs and in an objective: reports, and the gradients of other rows.

use crate::policies::{column, slopes, tight};
use crate::reference::{assert_close, double, numbers};
use crate::update;
use banach::program::Value;
use banach::solve::Outcome;
use banach::{Engine, Error, FixedPoint, FixedPointConfig, Function, Objective, OnFailure, check};
use burn::module::{Module, Param};
use burn::tensor::activation::elu;
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// x = x / 2 + √z: the derivative 2 · 1 / (2 √z) is infinite at z = 0, where the adjoint is 2.
#[derive(Module, Debug)]
struct Root {}

update!(Root, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| x * 0.5 + z.sqrt());

#[test]
fn a_row_without_a_finite_gradient_is_reported_though_its_adjoint_converged() {
    for engine in [Engine::Native, Engine::Device] {
        let layer = tight().with_engine(engine).init(Root {}).unwrap();
        let z = column(&[0.0, 0.25, 1.0]);
        let solution = layer.solve(z.clone()).unwrap();
        let report = solution.report().clone();
        let gradients = solution.into_value().sum().backward();
        assert_close(&numbers(&z.grad(&gradients).unwrap()), &[0.0, 2.0, 1.0], 1e-9, "dz");
        let adjoint = report.adjoint().remove(0);
        assert_eq!(adjoint.outcomes, [Outcome::Converged; 3]);
        assert_eq!(adjoint.non_finite, [true, false, false]);
        let error = adjoint.check().unwrap_err();
        assert!(matches!(error, Error::NonFiniteGradient { row: 0, failed: 1, rows: 3 }), "{error}");
        let statistics = layer.take_statistics();
        assert_eq!((statistics.non_finite_gradients, statistics.adjoint_unconverged_rows), (1, 0));
        assert_eq!(statistics.skipped_rows, 0);
    }
}

#[test]
fn a_row_without_a_finite_gradient_obeys_the_policy() {
    let layer = tight().with_on_failure(OnFailure::Skip).init(Root {}).unwrap();
    assert_close(&slopes(&layer, &column(&[0.25, 0.0])), &[2.0, 0.0], 1e-9, "dz");
    assert_eq!(layer.take_statistics().skipped_rows, 1);
    let refuses = tight().with_on_failure(OnFailure::Error);
    let sum = refuses.init(Root {}).unwrap().forward(column(&[0.25, 0.0])).sum();
    let panic = catch_unwind(AssertUnwindSafe(|| sum.backward())).err().unwrap();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("gradient of 1 of 2 rows is not finite") && message.contains("row 1"),
        "{message}"
    );
    // Nothing is left of a batch without a sound row.
    assert_eq!(slopes(&tight().init(Root {}).unwrap(), &column(&[0.0])), [0.0]);
}

#[test]
fn a_certificate_and_a_check_do_not_hold_where_there_is_no_finite_gradient() {
    let layer = tight().init(Root {}).unwrap();
    let z = column(&[0.0, 0.25]).inner();
    let certificate = layer.certificate(z.clone()).unwrap();
    assert!(!certificate.holds(1e-3) && !certificate.holds(f64::INFINITY), "{certificate:?}");
    assert!(certificate.explain().contains("Row 0: there is no finite gradient"), "{certificate}");
    assert!(layer.certificate(column(&[1.0, 0.25]).inner()).unwrap().holds(1e-3));
    assert!(!check::gradients(&layer, z).unwrap().agrees(1e9));
}

/// x = elu(x) / 2 + z w, whose untaken branch overflows where x is large.
#[derive(Module, Debug)]
struct Elu {
    w: Param<Tensor<2>>,
}

update!(Elu, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| elu(x, 1.0) * 0.5
    + z.matmul(this.w.val()));

#[test]
fn rows_whose_adjoint_fails_have_no_part_in_the_gradient_of_parameters() {
    for on_failure in [OnFailure::Best, OnFailure::Warn, OnFailure::Skip] {
        for engine in [Engine::Native, Engine::Device] {
            let device = Device::flex().autodiff();
            let w = Param::from_tensor(Tensor::<2>::ones([1, 1], &device).require_grad());
            let config = FixedPointConfig::new().with_on_failure(on_failure).with_engine(engine);
            let layer = config.init(Elu { w }).unwrap();
            let z = Tensor::<2>::from_floats([[60.0], [1.0]], &device).require_grad();
            let gradients = layer.forward(z.clone()).sum().backward();
            let dz = numbers(&z.grad(&gradients).unwrap());
            let dw = numbers(&layer.update().w.val().grad(&gradients).unwrap())[0];
            let statistics = layer.take_statistics();
            // Every row is right, or it is left out, and that is said.
            assert!((dz[1] - 2.0).abs() < 1e-3, "{on_failure:?} {engine:?}: {dz:?}");
            let left_out = dz[0] == 0.0;
            assert!(left_out || (dz[0] - 2.0).abs() < 1e-3, "{on_failure:?} {engine:?}: {dz:?}");
            let expected = if left_out { 2.0 } else { 122.0 };
            assert!((dw / expected - 1.0).abs() < 1e-3, "{on_failure:?} {engine:?}: {dw}");
            let failed = statistics.non_finite_gradients.max(statistics.adjoint_unconverged_rows);
            assert_eq!(failed, usize::from(left_out));
            let skipped = left_out && on_failure == OnFailure::Skip;
            assert_eq!(statistics.skipped_rows, usize::from(skipped));
        }
    }
}

/// x = x tanh(w) / 2 + log(z u + 1/2) + √(z u): lost where z u < 0 or z is not a number, without a gradient where z u = 0.
#[derive(Module, Debug)]
struct Fragile {
    w: Param<Tensor<2>>,
    u: Param<Tensor<2>>,
}

update!(Fragile, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| {
    let y = z.matmul(this.u.val());
    x.matmul(this.w.val().tanh()) * 0.5 + (y.clone() + 0.5).log() + y.sqrt()
});

fn fragile(engine: Engine) -> FixedPoint<Fragile> {
    let parameter = |numbers: [[f64; 2]; 2]| {
        let (device, dtype) = double();
        Param::from_tensor(Tensor::<2>::from_data(numbers, (&device, dtype)).autodiff().require_grad())
    };
    let update =
        Fragile { w: parameter([[0.5, -0.3], [0.2, 0.4]]), u: parameter([[0.5, 0.25], [0.25, 0.0]]) };
    tight().with_engine(engine).init(update).unwrap()
}

fn rows(numbers: &[[f64; 2]]) -> Tensor<2> {
    let (device, dtype) = double();
    Tensor::from_data(TensorData::new(numbers.concat(), [numbers.len(), 2]), (&device, dtype))
}

/// The gradient of the sum of squares on the tape: of w, of u, and of z.
fn on_the_tape(layer: &FixedPoint<Fragile>, z: &[[f64; 2]]) -> [Vec<f64>; 3] {
    let z = rows(z).autodiff().require_grad();
    let gradients = layer.forward(z.clone()).square().sum().backward();
    let of = |tensor: &Tensor<2>| numbers(&tensor.grad(&gradients).unwrap());
    [of(&layer.update().w.val()), of(&layer.update().u.val()), of(&z)]
}

/// The gradients of w and u, by a compiled step.
fn compiled(layer: &FixedPoint<Fragile>, z: &[[f64; 2]], engine: Engine) -> [Vec<f64>; 2] {
    let loss = |layer: &FixedPoint<Fragile>, z: Tensor<2>| layer.forward(z).square().sum();
    let objective = Objective::new(loss).with_engine(engine);
    let (_, gradients) = objective.value_and_gradient(layer, rows(z)).unwrap();
    let of = |id| numbers(&gradients.get::<2>(id).unwrap());
    [of(layer.update().w.id), of(layer.update().u.id)]
}

/// A row of ordinary numbers, or of one of three kinds that have no gradient.
fn row(kind: usize, seed: usize) -> [f64; 2] {
    let number = |k: usize| 0.3 + 0.5 * (seed as f64 * 1.7 + k as f64).sin().abs();
    match kind {
        0 => [number(0), number(1)],
        1 => [f64::NAN, number(1)],
        2 => [-40.0, number(1)],
        _ => [1.0, -2.0],
    }
}

#[test]
fn the_gradient_of_parameters_is_that_of_the_sound_rows_wherever_it_is_taken() {
    let cases = std::env::var("BANACH_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12);
    for engine in [Engine::Native, Engine::Device] {
        let layer = fragile(engine);
        for case in 0..cases {
            let count = [1, 2, 5, 9][case % 4];
            let kinds: Vec<usize> =
                (0..count).map(|row| (case * 7 + row * row * 3 + case / 4) % 5 % 4).collect();
            let z: Vec<[f64; 2]> = kinds.iter().enumerate().map(|(at, kind)| row(*kind, at + case)).collect();
            let sound: Vec<[f64; 2]> =
                z.iter().zip(&kinds).filter(|(_, kind)| **kind == 0).map(|(z, _)| *z).collect();
            let (expected_w, expected_u) = match sound.as_slice() {
                [] => (vec![0.0; 4], vec![0.0; 4]),
                sound => {
                    let [w, u, _] = on_the_tape(&layer, sound);
                    (w, u)
                }
            };
            let story = format!("{engine:?}, rows of kinds {kinds:?}");
            if kinds.iter().any(|kind| [0, 3].contains(kind)) {
                let [w, u, of_z] = on_the_tape(&layer, &z);
                assert_close(&w, &expected_w, 1e-9, &format!("w on the tape, {story}"));
                assert_close(&u, &expected_u, 1e-9, &format!("u on the tape, {story}"));
                for (at, kind) in kinds.iter().enumerate() {
                    let of_z = &of_z[2 * at..2 * at + 2];
                    assert_eq!(*kind == 0, of_z.iter().all(|slope| *slope != 0.0), "{story}: {of_z:?}");
                }
            }
            let [w, u] = compiled(&layer, &z, engine);
            assert_close(&w, &expected_w, 1e-9, &format!("w in an objective, {story}"));
            assert_close(&u, &expected_u, 1e-9, &format!("u in an objective, {story}"));
        }
    }
}

#[test]
fn a_step_without_trouble_runs_once() {
    let layer = fragile(Engine::Native);
    let _ = compiled(&layer, &[row(0, 1), row(0, 2)], Engine::Native);
    assert_eq!(layer.take_statistics().solves, 1);
    let _ = compiled(&layer, &[row(0, 1), row(1, 2)], Engine::Native);
    let statistics = layer.take_statistics();
    assert_eq!((statistics.solves, statistics.non_finite_gradients), (2, 0), "lost, and said so forward");
    let _ = compiled(&layer, &[row(0, 1), row(3, 2)], Engine::Native);
    assert_eq!(layer.take_statistics().non_finite_gradients, 1);
}

/// x = x / 2 + log(z w), lost where z w < 0, where the slope is a number all the same.
#[derive(Module, Debug)]
struct Logarithm {
    w: Param<Tensor<2>>,
}

update!(Logarithm, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| x * 0.5
    + z.matmul(this.w.val()).log());

#[test]
fn a_row_that_is_lost_has_no_gradient_however_finite_it_would_be() {
    let w = Param::from_tensor(column(&[1.0]));
    let layer = tight().init(Logarithm { w }).unwrap();
    let objective = Objective::new(|layer: &FixedPoint<Logarithm>, z: Tensor<2>| layer.forward(z).sum());
    for (z, expected) in [(vec![1.0, -1.0], 2.0), (vec![-1.0], 0.0), (vec![1.0, 2.0], 4.0)] {
        let tape = layer.forward(column(&z)).sum() + layer.update().w.val().sum() * 0.0;
        let tape = numbers(&layer.update().w.val().grad(&tape.backward()).unwrap());
        let (_, gradients) = objective.value_and_gradient(&layer, column(&z).inner()).unwrap();
        let compiled = numbers(&gradients.get::<2>(layer.update().w.id).unwrap());
        assert!(
            (tape[0] - expected).abs() < 1e-9 && (compiled[0] - expected).abs() < 1e-9,
            "{tape:?} {compiled:?}"
        );
    }
}

#[test]
fn functions_leave_rows_without_a_finite_gradient_out_in_both_modes_and_every_order() {
    let z = rows(&[[0.0, 0.25], [0.25, 1.0], [f64::NAN, 1.0]]);
    let x0 = z.zeros_like();
    let g = |(x, z): (Tensor<2>, Tensor<2>)| x.clone() * 0.5 + z.sqrt() + x.square() * 0.0;
    let fix =
        |config: &FixedPointConfig| Function::of(&(x0.clone(), z.clone()), g).unwrap().fix(config).unwrap();
    for engine in [Engine::Native, Engine::Device] {
        let fix = fix(&tight().with_engine(engine));
        let ones = z.ones_like();
        let single = |values: Vec<banach::program::Value>| -> Vec<f64> {
            numbers(&values.into_iter().last().unwrap().try_into_tensor::<2>().unwrap())
        };
        let expected = [0.0, 0.0, 2.0, 1.0, 0.0, 0.0];
        let reverse = single(fix.vjp_of(&[1]).call((x0.clone(), z.clone(), ones.clone())).unwrap());
        assert_close(&reverse, &expected, 1e-9, "Jᵀ v");
        let forward = single(fix.jvp_of(&[1]).call((x0.clone(), z.clone(), ones.clone())).unwrap());
        assert_close(&forward, &expected, 1e-9, "J t");
        assert!(fix.statistics().non_finite_gradients >= 2, "{:?}", fix.statistics());
        // d²x̂/dz² = -z^(-3/2) / 2.
        let second = fix.paired().hessian_product(1).unwrap();
        let found = single(second.call((x0.clone(), z.clone(), ones.clone(), ones.clone())).unwrap());
        assert_close(&found, &[0.0, 0.0, -4.0, -0.5, 0.0, 0.0], 1e-9, "∂²f/∂z² t");
        // On the tape.
        let tracked = z.clone().autodiff().require_grad();
        let x: Tensor<2> = fix.call((x0.clone(), tracked.clone())).unwrap();
        let slopes = numbers(&tracked.grad(&x.sum().backward()).unwrap());
        assert_close(&slopes, &expected, 1e-9, "the tape");
    }
    let refuses = fix(&tight().with_on_failure(OnFailure::Error));
    let z = rows(&[[0.0, 0.25], [0.25, 1.0], [1.0, 1.0]]);
    let error =
        refuses.vjp_of(&[1]).call::<Value>((x0.clone(), z.clone(), z.ones_like())).unwrap_err().to_string();
    assert!(error.contains("the gradient of 1 of 3 rows is not finite"), "{error}");
}

#[test]
fn cotangents_of_any_scale_keep_it() {
    let adjoints = crate::book::variants::<banach::solve::LinearSolver>();
    for engine in [Engine::Native, Engine::Device] {
        for adjoint in &adjoints {
            // x = x / 2 + z, whose J is symmetric.
            let config = FixedPointConfig::new().with_engine(engine).with_adjoint(adjoint.clone());
            let layer = config.init(Half {}).unwrap();
            let exact = layer.forward(Tensor::<2>::ones([1, 3], &Device::flex().autodiff()));
            let gradient = |scale: f64| {
                let z = Tensor::<2>::ones([2, 3], &Device::flex().autodiff()).require_grad();
                let loss = (layer.forward(z.clone()) * scale).sum();
                numbers(&z.grad(&loss.backward()).unwrap())
            };
            let usual = gradient(1.0)[0];
            for scale in [1e-30, 1e-23, 1e-12, 1e12, 1e25, 1e30] {
                let found = gradient(scale);
                assert!(
                    found.iter().all(|slope| (slope / scale / usual - 1.0).abs() < 1e-3),
                    "{adjoint} {engine:?} {scale:e}: {found:?} for {usual}, x̂ = {exact}"
                );
            }
            let report = layer.take_statistics();
            assert_eq!(report.adjoint_unconverged_rows, 0, "{adjoint} {engine:?}");
        }
    }
}

/// x = x / 2 + z
#[derive(Module, Debug)]
struct Half {}

update!(Half, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| x * 0.5 + z);

#[test]
fn gradients_of_any_scale_are_clipped() {
    use burn::nn::LinearConfig;
    use burn::optim::GradientsParams;
    let device = Device::flex().autodiff();
    for (dtype, scales) in [(DType::F32, [1e-30, 1e30]), (DType::F64, [1e-200, 1e200])] {
        for scale in scales {
            let linear = LinearConfig::new(2, 1).with_bias(false).init(&device);
            let mut gradients = GradientsParams::new();
            let data = TensorData::new(vec![3.0 * scale, 4.0 * scale], [2, 1]);
            gradients.register(linear.weight.id, Tensor::<2>::from_data(data, (&Device::flex(), dtype)));
            let (_, norm) = banach::clip_gradients(&linear, gradients, f64::INFINITY).unwrap();
            assert!((norm / (5.0 * scale) - 1.0).abs() < 1e-6, "{dtype:?} {scale:e}: {norm}");
        }
    }
}
