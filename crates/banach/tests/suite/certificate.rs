//! Certificates against true errors, which lie below the bounds, and not far below.

use crate::reference::{double, numbers};
use crate::update;
use banach::solve::{FixedPointSolver, Neumann, Newton, Outcome, Picard, Tolerance};
use banach::{BoundMethod, Certificate, FixedPoint, FixedPointConfig, check};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Numbers that look random, between -1 and 1.
fn some<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<D> {
    let count = shape.iter().product();
    let number =
        |k: usize| 2.0 * (((k + 31 * seed) as f64 * 12.9898).sin() * 43_758.547).rem_euclid(1.0) - 1.0;
    let data = TensorData::new((0..count).map(number).collect::<Vec<f64>>(), shape);
    let (device, dtype) = double();
    Tensor::from_data(data, (&device, dtype))
}

fn column(values: &[f64]) -> Tensor<2> {
    let (device, dtype) = double();
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len(), 1]), (&device, dtype))
}

/// x = tanh(x W + z)
#[derive(Module, Debug)]
struct Cell {
    w: Param<Tensor<2>>,
}

update!(Cell, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (x.matmul(this.w.val()) + z)
    .tanh());

const STATES: usize = 8;

fn cell(scale: f64) -> Cell {
    Cell { w: Param::from_tensor((some([STATES; 2], 1) * scale).autodiff().require_grad()) }
}

fn layer(config: FixedPointConfig, scale: f64) -> FixedPoint<Cell> {
    config.init(cell(scale)).unwrap()
}

fn picard() -> FixedPointConfig {
    FixedPointConfig::new().with_solver(Picard::default())
}

/// x̂, and the gradient of its sum to W and z.
fn solved(layer: &FixedPoint<Cell>, z: &Tensor<2>) -> (Vec<f64>, Vec<f64>) {
    let z = z.clone().autodiff().require_grad();
    let x = layer.forward(z.clone());
    let gradients = x.clone().sum().backward();
    let [w, z] = [layer.update().w.val().grad(&gradients), z.grad(&gradients)].map(Option::unwrap);
    (numbers(&x), [numbers(&w), numbers(&z)].concat())
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

#[test]
fn true_errors_lie_below_what_is_certified_and_not_absurdly_far() {
    let z = some([4, STATES], 5) * 0.3;
    let ones = z.ones_like();
    for scale in [0.2, 0.4, 0.55] {
        let exact = layer(FixedPointConfig::new().with_tolerance(Tolerance::both(1e-13)), scale);
        let (x, gradient) = solved(&exact, &z);
        for tolerance in [1e-2, 1e-4, 1e-7] {
            let config = picard().with_tolerance(Tolerance {
                absolute: 0.0,
                relative: tolerance,
                ..Tolerance::default()
            });
            let neumann = config.clone().with_adjoint(Neumann::default());
            for config in [config, neumann] {
                let found = layer(config, scale);
                let (rough, rough_gradient) = solved(&found, &z);
                let certificate = found.certificate_along(z.clone(), ones.clone()).unwrap();
                let story = format!("weights of {scale} to {tolerance:e}: {certificate}");
                for (at, row) in certificate.rows.iter().enumerate() {
                    let here = at * STATES..(at + 1) * STATES;
                    let error = distance(&rough[here.clone()], &x[here]);
                    assert!(
                        error <= row.state_error && row.state_error <= 20.0 * error,
                        "{story}: {error} {row:?}"
                    );
                    assert!(row.trusted && row.outcome.is_converged(), "{story}: {row:?}");
                }
                let error =
                    distance(&rough_gradient, &gradient) / distance(&gradient, &vec![0.0; gradient.len()]);
                let certified = certificate.gradient_error();
                assert!(error <= certified && certified <= 100.0 * error, "{story}: {error}, {certified}");
                assert!(certificate.holds(certified.max(1.0)) && !certificate.holds(0.0));
            }
        }
    }
}

#[test]
fn the_numbers_of_a_certificate_are_those_of_a_closed_form() {
    // x = [0.5, 3; 0, 0.4] x + z: the radius is 0.5; (I - J)⁻¹ = [2, 10; 0, 5/3].
    #[derive(Module, Debug)]
    struct Affine {}
    update!(Affine, Tensor<2>, Tensor<2>, |this, z| z.zeros_like(), |x, z| {
        let turned = Tensor::<2>::from_data([[0.5, 0.0], [3.0, 0.4]], (&x.device(), x.dtype()));
        x.matmul(turned) + z
    });
    let norm_of = |[a, b, d]: [f64; 3]| {
        let sum = a * a + b * b + d * d;
        (0.5 * (sum + (sum * sum - 4.0 * (a * d) * (a * d)).sqrt())).sqrt()
    };
    let found = picard().init(Affine {}).unwrap().certificate(some([2, 2], 3)).unwrap();
    for row in &found.rows {
        assert!(
            (row.radius - 0.5).abs() < 1e-6 && (row.norm / norm_of([0.5, 3.0, 0.4]) - 1.0).abs() < 1e-6,
            "{row:?}"
        );
        assert_eq!(row.bound_method, BoundMethod::Measured);
        let resolvent = norm_of([2.0, 10.0, 5.0 / 3.0]);
        assert!(row.resolvent >= resolvent * (1.0 - 1e-6) && row.resolvent < 1.05 * resolvent, "{row:?}");
        assert!((row.rate - 0.5).abs() < 0.05, "{row:?}");
    }
    assert!((found.inputs - 1.0).abs() < 1e-2, "∂g/∂z is the identity: {}", found.inputs);
    assert!(found.explain().contains("far from normal"), "{found}");
    // A contraction in the norm needs no solve.
    let found = layer(picard(), 0.1).certificate(some([1, STATES], 2)).unwrap();
    let row = &found.rows[0];
    assert_eq!(row.bound_method, BoundMethod::Neumann);
    assert!((row.resolvent * (1.0 - row.norm) - 1.0).abs() < 1e-2, "{row:?}");
    assert!(found.to_string().contains("at most"), "{found}");
}

/// x = a x + b, with a and b of every row in z: a fixed point b / (1 - a).
#[derive(Module, Debug)]
struct Line {}

update!(Line, Tensor<2>, (Tensor<2>, Tensor<2>), |this, z| z.0.zeros_like(), |x, (a, b)| x * a + b);

fn line(a: &[f64], b: &[f64]) -> Certificate {
    FixedPointConfig::new().init(Line {}).unwrap().certificate((column(a), column(b))).unwrap()
}

#[test]
fn a_row_where_i_minus_j_is_singular_is_named_and_leaves_the_others_alone() {
    let found = line(&[0.5, 1.0, -0.3], &[1.0, 0.0, 2.0]);
    assert!(found.rows[1].resolvent.is_infinite() && !found.rows[1].trusted, "{found:?}");
    assert!(found.explain().contains("Row 1: I - J could not be inverted"), "{found}");
    assert!(!found.holds(1.0));
    let alone = line(&[0.5, 0.5, -0.3], &[1.0, 1.0, 2.0]);
    for row in [0, 2] {
        assert!((found.rows[row].radius - [0.5, 0.0, 0.3][row]).abs() < 1e-12, "{found:?}");
        assert!((found.rows[row].state_error - alone.rows[row].state_error).abs() < 1e-12, "{found:?}");
        assert!(found.rows[row].trusted && found.rows[row].adjoint_error < 1e-3, "{found:?}");
    }
}

#[test]
fn a_lost_row_is_named_and_leaves_the_others_alone() {
    let found = line(&[0.5, f64::NAN, -0.3], &[1.0, 1.0, 2.0]);
    assert_eq!(found.rows[1].outcome, Outcome::NonFinite);
    assert!(found.rows[1].radius.is_nan() && found.rows[1].adjoint_error.is_nan());
    assert!((found.rows[0].radius - 0.5).abs() < 1e-12 && (found.rows[2].radius - 0.3).abs() < 1e-12);
    assert!(found.rows[2].trusted && found.gradient_error() < 1e-2, "{found:?}");
    let text = found.explain();
    assert!(text.contains("2 of 3 rows converged") && text.contains("Row 1: no point with"), "{text}");
    let all = line(&[f64::NAN; 2], &[1.0; 2]);
    assert!(all.explain().contains("Rows 0, 1: no point") && all.gradient_error().is_nan(), "{all}");
    assert!(!all.holds(f64::INFINITY), "an error that is not a number is none");
}

#[test]
fn an_expansion_solved_by_anderson_has_a_radius_above_one_and_says_so() {
    let found = line(&[-1.7, 0.5], &[1.0, 1.0]);
    assert!((found.rows[0].radius - 1.7).abs() < 1e-9 && found.rows[0].outcome.is_converged(), "{found:?}");
    assert!((found.rows[0].resolvent - 1.0 / 2.7).abs() < 1e-2, "{found:?}");
    let text = found.explain();
    assert!(text.contains("expansion 1.700") && text.contains("Row 0: the update expands"), "{text}");
    assert!(found.holds(1e-2), "{text}");
}

/// x = (x + z / x) / 2 from 1: Newton's method for √z.
#[derive(Module, Debug)]
struct Root {}

update!(Root, Tensor<2>, Tensor<2>, |this, z| z.ones_like(), |x, z| (x.clone() + z / x) * 0.5);

#[test]
fn a_point_too_far_from_the_fixed_point_is_not_trusted() {
    let far = picard().with_max_steps(1).init(Root {}).unwrap().certificate(column(&[100.0, 1.0])).unwrap();
    assert!(!far.rows[0].trusted && far.rows[1].trusted, "{far:?}");
    assert!(far.explain().contains("Row 0: x̂ is too far"), "{far}");
    let near = picard().init(Root {}).unwrap().certificate(column(&[100.0, 1.0])).unwrap();
    assert!(near.rows[0].trusted && near.holds(1e-3), "{near}");
}

#[test]
fn the_advice_names_the_solve_that_spoils_the_gradient() {
    let z = some([4, STATES], 5) * 0.3;
    let loose = Tolerance { absolute: 0.0, relative: 0.1, ..Tolerance::default() };
    let tight = Tolerance::both(1e-10);
    for (forward, adjoint, named) in
        [(loose, tight, "`forward.tolerance`"), (tight, loose, "`adjoint.tolerance`")]
    {
        let mut config = picard().with_tolerance(forward);
        config.adjoint.tolerance = adjoint;
        let found = layer(config, 0.5).certificate(z.clone()).unwrap();
        assert!(found.gradient_error() > 0.01 && found.explain().contains(named), "{found}");
    }
}

#[test]
fn single_precision_has_certificates_too() {
    let z = some([3, STATES], 5).cast(DType::F32) * 0.3;
    let w = (some([STATES; 2], 1) * 0.4).cast(DType::F32);
    let single = picard().init(Cell { w: Param::from_tensor(w) }).unwrap();
    let double = layer(picard(), 0.4).certificate(some([3, STATES], 5) * 0.3).unwrap();
    let found = single.certificate(z).unwrap();
    for (a, b) in found.rows.iter().zip(&double.rows) {
        assert!(
            (a.radius - b.radius).abs() < 1e-2 * b.radius && (a.norm - b.norm).abs() < 1e-2 * b.norm,
            "{a:?} {b:?}"
        );
        assert!(a.trusted && a.state_error < 2.0 * b.state_error && b.state_error < 2.0 * a.state_error);
    }
    assert!(found.holds(1e-2), "{found}");
}

/// A mean over the batch couples the rows; the state is two tensors.
#[derive(Module, Debug)]
struct Coupled {}

update!(
    Coupled,
    (Tensor<2>, Tensor<2>),
    Tensor<2>,
    |this, z| (z.zeros_like(), z.zeros_like()),
    |(x, y), z| (y.clone().mean_dim(0) * 0.5 + z.clone(), x * 0.5 + z)
);

#[test]
fn coupled_rows_are_one_and_any_solver_will_do() {
    for solver in [FixedPointSolver::default(), FixedPointSolver::Newton(Newton::default())] {
        let layer = FixedPointConfig::new().with_solver(solver).init(Coupled {}).unwrap();
        let found = layer.certificate(column(&[1.0, 2.0, 3.0])).unwrap();
        // x -> y/2 (mean) and back: the eigenvalues are ±0.5.
        assert_eq!(found.rows.len(), 1);
        assert!((found.rows[0].radius - 0.5).abs() < 1e-3, "{found:?}");
        assert!(found.holds(1e-3), "{found}");
    }
}

#[test]
fn without_inputs_there_is_no_gradient_to_be_wrong() {
    #[derive(Module, Debug)]
    struct Alone {}
    update!(
        Alone,
        Tensor<2>,
        (),
        |this, _z| Tensor::zeros([2, 1], (&Device::flex(), DType::F64)),
        |x, _z| x.cos()
    );
    let found = FixedPointConfig::new().init(Alone {}).unwrap().certificate(()).unwrap();
    assert!(found.gradient_error() == 0.0 && found.holds(1e-3), "{found}");
    assert!(!found.explain().contains("the gradient to"), "{found}");
    let none = line(&[], &[]);
    assert!(none.rows.is_empty() && none.explain().contains("0 of 0 rows"));
}

#[test]
fn a_cotangent_of_another_shape_is_refused() {
    let layer = layer(picard(), 0.4);
    let error = layer.certificate_along(some([4, STATES], 5), some([4, STATES + 1], 5)).unwrap_err();
    assert!(error.to_string().contains("expected"), "{error}");
    assert!(check::gradients(&layer, some([4, STATES], 5)).is_ok());
}
