//! Roots of equations and stationary points of energies: closed forms, differences, dot products, and
//! equations without a root.

use crate::reference::{assert_close, double, numbers};
use banach::program::Value;
use banach::solve::{Anderson, Dense, Newton, NewtonInner, Outcome, Picard, Tolerance};
use banach::{
    Engine, Equation, EquationFn, Error, FixedPoint, FixedPointConfig, Function, GradientDescentConfig,
    Objective, Projection, Root, check,
};
use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};

fn tensor<const D: usize>(numbers: &[f64], shape: [usize; D]) -> Tensor<D> {
    let (device, dtype) = double();
    Tensor::from_data(TensorData::new(numbers.to_vec(), shape), (&device, dtype))
}

fn parameter<const D: usize>(numbers: &[f64], shape: [usize; D]) -> Param<Tensor<D>> {
    Param::from_tensor(tensor(numbers, shape).autodiff().require_grad())
}

fn tight() -> FixedPointConfig {
    FixedPointConfig::for_roots().with_tolerance(Tolerance::both(1e-13))
}

/// A module without parameters.
#[derive(Module, Debug)]
struct Nothing {}

/// c x³ + x = z, whose root falls where c grows: x - F(x) leaves the root where 3 c x² > 1.
fn cubic(c: &Param<Tensor<1>>, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
    x.clone().powi_scalar(3) * c.val().unsqueeze() + x - z
}

#[test]
fn a_root_and_its_derivatives_are_those_of_the_closed_form() {
    for engine in [Engine::Native, Engine::Device] {
        let layer = FixedPoint::from_equation(parameter(&[1.0], [1]), [1], cubic).unwrap();
        let layer = layer.with_config(tight().with_engine(engine)).unwrap();
        let z = tensor(&[2.0, 10.0, -30.0, 0.0], [4, 1]).autodiff().require_grad();
        let solution = layer.solve(z.clone()).unwrap();
        assert!(solution.report().converged(), "{}", solution.report().explain());
        let roots = [1.0, 2.0, -3.0, 0.0];
        assert_close(&numbers(solution.value()), &roots, 1e-12, "x̂");
        let gradients = solution.into_value().sum().backward();
        // dx/dz = 1 / (3 c x² + 1) and dx/dc = -x³ / (3 c x² + 1).
        let slopes = roots.map(|x| 1.0 / (3.0 * x * x + 1.0));
        assert_close(&numbers(&z.grad(&gradients).unwrap()), &slopes, 1e-11, "dx̂/dz");
        let by_c: f64 = roots.iter().zip(slopes).map(|(x, slope)| -x.powi(3) * slope).sum();
        let found = layer.update().equation().module().grad(&gradients).unwrap();
        assert_close(&numbers(&found), &[by_c], 1e-11, "dΣx̂/dc");
        let found = check::gradients(&layer.valid(), z.inner()).unwrap();
        assert!(found.agrees(1e-7) && found.residual < 1e-11, "{found:?}");
    }
}

/// x W + sin(x) = z, one system of three equations for every row, with W so large that x - F(x) expands.
fn system(w: &Param<Tensor<2>>, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
    x.clone().matmul(w.val()) + x.sin() - z
}

const W: [f64; 9] = [4.0, 1.0, -0.5, 0.3, -5.0, 1.2, 0.7, -1.1, 6.0];
const Z: [f64; 12] = [1.0, -2.0, 0.5, 0.0, 3.0, -1.0, 8.0, 2.0, 2.0, -4.0, 0.1, 0.2];

#[test]
fn systems_are_solved_where_the_fixed_point_iteration_diverges() {
    let z = tensor(&Z, [4, 3]);
    let layer = FixedPoint::from_equation(parameter(&W, [3, 3]), [3], system).unwrap().valid();
    let plain = layer.clone().with_config(FixedPointConfig::new().with_solver(Picard::default())).unwrap();
    assert!(plain.solve(z.clone()).unwrap().report().outcomes.iter().all(|outcome| outcome.is_failure()));
    for engine in [Engine::Native, Engine::Device] {
        for inner in [NewtonInner::default(), NewtonInner::Dense { limit: 8 }] {
            let config = tight().with_solver(Newton { inner, ..Newton::default() }).with_engine(engine);
            let layer = layer.clone().with_config(config).unwrap();
            let solution = layer.solve(z.clone()).unwrap();
            assert!(solution.report().converged(), "{}", solution.report().explain());
            let w = Param::from_tensor(tensor(&W, [3, 3]));
            let residual = numbers(&system(&w, solution.into_value(), z.clone()));
            assert!(residual.iter().all(|number| number.abs() < 1e-11), "{residual:?}");
            let found = check::gradients(&layer, z.clone()).unwrap();
            assert!(found.agrees(1e-7), "{engine:?}: {found:?}");
            assert!(found.unrolled.is_none(), "plain iteration does not converge");
        }
    }
}

#[test]
fn forward_mode_and_reverse_mode_agree_and_both_have_higher_orders() {
    let layer = FixedPoint::from_equation(parameter(&W, [3, 3]), [3], system).unwrap().valid();
    let layer = layer.with_config(tight()).unwrap();
    let z = tensor(&Z, [4, 3]);
    let (f, w) = Function::of_module(&layer, &z, |layer, z| layer.forward(z)).unwrap();
    let point = [vec![z.clone().into()], w].concat();
    let along: Vec<Value> =
        vec![tensor(&Z.map(f64::cos), [4, 3]).into(), tensor(&W.map(f64::sin), [3, 3]).into()];
    let v = tensor(&Z.map(|z| (2.0 * z).sin()), [4, 3]);
    let pushed: Tensor<2> = f.jvp().call([point.clone(), along.clone()].concat()).unwrap();
    let pulled = f.vjp().call_values([point.clone(), vec![v.clone().into()]].concat()).unwrap();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let flat = |value: &Value| value.clone().into_data().iter::<f64>().collect::<Vec<f64>>();
    let forward = dot(&numbers(&pushed), &numbers(&v));
    let reverse: f64 = pulled.iter().zip(&along).map(|(a, b)| dot(&flat(a), &flat(b))).sum();
    assert!((forward - reverse).abs() < 1e-10 * (1.0 + forward.abs()), "{forward}, {reverse}");

    // The root of x² = z: its derivatives are 1 / (2 √z) and -1 / (4 z √z).
    let [x0, z] = [[1.0, 1.0], [4.0, 2.25]].map(|numbers| tensor(&numbers, [2, 1]));
    let square = |(x, z): (Tensor<2>, Tensor<2>)| x.square() - z;
    let root = Function::of(&(x0.clone(), z.clone()), square).unwrap().root(&tight()).unwrap();
    let x: Tensor<2> = root.call((x0.clone(), z.clone())).unwrap();
    assert_close(&numbers(&x), &[2.0, 1.5], 1e-12, "√z");
    let sum = Function::of(&z, |z: Tensor<2>| root.call::<Tensor<2>>((z.ones_like(), z)).unwrap().sum());
    let sum = sum.unwrap();
    let slope: Tensor<2> = sum.gradient(0).unwrap().call(z.clone()).unwrap();
    assert_close(&numbers(&slope), &[0.25, 1.0 / 3.0], 1e-11, "the first derivative");
    let bend: Tensor<2> = sum.hessian_product(0).unwrap().call((z.clone(), z.ones_like())).unwrap();
    let expected = [4.0_f64, 2.25].map(|z| -0.25 / (z * z.sqrt()));
    assert_close(&numbers(&bend), &expected, 1e-9, "the second derivative");
}

/// The eigenvector x of length 1 and the eigenvalue λ of a symmetric matrix near a start: A x = λ x, xᵀx = 1.
#[derive(Module, Debug)]
struct Eigenpair {}

impl Equation for Eigenpair {
    type State = (Tensor<2>, Tensor<2>);
    type Input = Tensor<3>;

    fn start(&self, a: &Tensor<3>) -> Self::State {
        let [rows, n, _] = a.dims();
        let place = (&a.device().inner(), a.dtype());
        let x = Tensor::cat(vec![Tensor::ones([rows, 1], place), Tensor::zeros([rows, n - 1], place)], 1);
        (x, Tensor::ones([rows, 1], place))
    }

    fn residual(&self, (x, value): Self::State, a: Tensor<3>) -> Self::State {
        let image = a.matmul(x.clone().unsqueeze_dim(2)).squeeze_dim::<2>(2);
        (image - x.clone() * value, (x.square().sum_dim(1) - 1.0) * 0.5)
    }
}

#[test]
fn an_equation_may_have_several_unknown_tensors() {
    let a = tensor(&[2.0, 0.3, 0.1, 0.3, -1.0, 0.2, 0.1, 0.2, 5.0], [1, 3, 3]).autodiff().require_grad();
    let layer = tight().init(Root::new(Eigenpair {})).unwrap();
    let (x, value) = layer.forward(a.clone());
    // The derivative of an eigenvalue is x xᵀ.
    let slope = numbers(&a.grad(&value.backward()).unwrap());
    let x = numbers(&x);
    let outer: Vec<f64> = x.iter().flat_map(|a| x.iter().map(move |b| a * b)).collect();
    assert_close(&slope, &outer, 1e-10, "dλ/dA");
    let found = check::gradients(&layer, a.inner()).unwrap();
    assert!(found.agrees(1e-6), "{found:?}");
}

#[test]
fn a_singular_jacobian_is_an_outcome_with_a_name_and_advice() {
    // The equations are equal up to a factor: a line of roots for z₂ = 2 z₁, none elsewhere.
    let same = |_: &Nothing, x: Tensor<2>, z: Tensor<2>| {
        let sum = x.sum_dim(1);
        Tensor::cat(vec![sum.clone(), sum * 2.0], 1) - z
    };
    let layer = FixedPoint::from_equation(Nothing {}, [2], same).unwrap();
    let none = tensor(&[1.0, 0.0], [1, 2]);
    for engine in [Engine::Native, Engine::Device] {
        let solved = |config: FixedPointConfig, z: &Tensor<2>| {
            layer.clone().with_config(config.with_engine(engine)).unwrap().solve(z.clone()).unwrap()
        };
        let dense = Newton { inner: NewtonInner::Dense { limit: 8 }, ..Newton::default() };
        let report = solved(tight().with_solver(dense), &none).report().clone();
        assert_eq!(report.outcomes, [Outcome::Singular], "{}", report.explain());
        assert!(report.explain().contains("I - J is singular"), "{}", report.explain());
        let report = solved(tight(), &none).report().clone();
        assert!(report.outcomes[0].is_failure(), "{}", report.explain());
        assert!(report.explain().contains("singular"), "{}", report.explain());

        // A root on the line has no derivative, which the adjoint says.
        let z = tensor(&[1.0, 2.0], [1, 2]).autodiff().require_grad();
        let solution = solved(tight().with_adjoint(Dense::default()).with_escalate(false), &z);
        let report = solution.report().clone();
        assert!(report.converged(), "{}", report.explain());
        let _gradients = solution.into_value().slice([0..1, 0..1]).sum().backward();
        let adjoint = report.adjoint().remove(0);
        assert_eq!(adjoint.outcomes, [Outcome::Singular]);
        assert!(adjoint.check().unwrap_err().to_string().contains("singular"));
    }
}

#[test]
fn an_equation_without_a_root_fails_and_leaves_its_neighbours_alone() {
    let square = |_: &Nothing, x: Tensor<2>, z: Tensor<2>| (x + 1.0).square() - z;
    for engine in [Engine::Native, Engine::Device] {
        let layer = FixedPoint::from_equation(Nothing {}, [1], square).unwrap();
        let layer = layer.with_config(tight().with_engine(engine)).unwrap();
        let z = tensor(&[4.0, -1.0, 2.25, f64::NAN], [4, 1]).autodiff().require_grad();
        let solution = layer.solve(z.clone()).unwrap();
        let report = solution.report().clone();
        let failed: Vec<bool> = report.outcomes.iter().map(|outcome| outcome.is_failure()).collect();
        assert_eq!(failed, [false, true, false, true], "{}", report.explain());
        assert_eq!(report.outcomes[3], Outcome::NonFinite);
        let x = solution.into_value();
        assert_close(&[numbers(&x)[0], numbers(&x)[2]], &[1.0, 0.5], 1e-12, "x̂");
        let slope = numbers(&z.grad(&x.sum().backward()).unwrap());
        assert_close(&[slope[0], slope[2]], &[0.25, 1.0 / 3.0], 1e-10, "dx̂/dz");
    }
}

#[test]
fn an_equation_of_another_shape_than_its_unknowns_is_refused() {
    let layer = FixedPoint::from_equation(Nothing {}, [2], |_: &Nothing, x: Tensor<2>, z: Tensor<2>| {
        x.sum_dim(1) - z
    });
    let error = layer.unwrap().solve(tensor(&[1.0], [1, 1])).unwrap_err();
    assert!(matches!(error, Error::Equation { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("f64[1, 1]") && text.contains("f64[1, 2]") && text.contains("one equation"),
        "{text}"
    );
    let pair = tensor(&[1.0, 2.0], [1, 2]);
    let sum = Function::of(&pair, |x: Tensor<2>| x.sum_dim(1)).unwrap();
    assert!(matches!(sum.root(&tight()), Err(Error::Equation { .. })));
}

#[test]
fn a_compiled_step_trains_a_root_as_the_tape_does() {
    type Layer = FixedPoint<Root<EquationFn<Param<Tensor<2>>, 2, Tensor<2>>>>;
    let layer = FixedPoint::from_equation(parameter(&W, [3, 3]), [3], system).unwrap();
    let layer = layer.with_config(tight()).unwrap();
    let z = tensor(&Z, [4, 3]).autodiff();
    let loss = |layer: &Layer, z: Tensor<2>| layer.forward(z).square().sum();
    let gradients = loss(&layer, z.clone()).backward();
    let w = &layer.update().equation().module().clone();
    let expected = numbers(&w.grad(&gradients).unwrap());
    let (_, gradients) = Objective::new(loss).value_and_gradient(&layer, z).unwrap();
    assert_close(&numbers(&gradients.get::<2>(w.id).unwrap()), &expected, 1e-10, "dL/dW");
}

#[test]
fn an_energy_is_stationary_on_its_set() {
    // f = ¼ Σ c x⁴ - xᵀz: x = (z / c)^⅓ where nothing holds it.
    let quartic = |c: &Param<Tensor<1>>, x: Tensor<2>, z: Tensor<2>| {
        let bent = x.clone().powi_scalar(4).sum_dim(1).squeeze_dim::<1>(1) * c.val() * 0.25;
        bent - (x * z).sum_dim(1).squeeze_dim(1)
    };
    let half = Projection::Box { lower: vec![-0.5], upper: vec![0.5] };
    let z = tensor(&[1.0, 8.0, -0.125, 0.016], [2, 2]);
    for engine in [Engine::Native, Engine::Device] {
        for (set, expected) in [
            (Projection::None, [0.5_f64.cbrt(), 4.0_f64.cbrt(), -0.0625_f64.cbrt(), 0.008_f64.cbrt()]),
            (half.clone(), [0.5, 0.5, -0.0625_f64.cbrt(), 0.2]),
        ] {
            let step = GradientDescentConfig::new(0.1).with_projection(set);
            let layer = FixedPoint::from_energy(parameter(&[2.0], [1]), [2], quartic, &step).unwrap();
            let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-13)).with_max_steps(4000);
            let config = config.with_solver(Anderson::new(3)).with_engine(engine);
            let layer = layer.with_config(config).unwrap();
            let given = z.clone().autodiff().require_grad();
            let solution = layer.solve(given.clone()).unwrap();
            assert!(solution.report().converged(), "{}", solution.report().explain());
            assert_close(&numbers(solution.value()), &expected, 1e-9, "x̂");
            // 3 c x² dx = dz where x is free.
            let slopes = numbers(&given.grad(&solution.into_value().sum().backward()).unwrap());
            for (slope, x) in slopes.iter().zip(expected) {
                let held = x == 0.5;
                let expected = if held { 0.0 } else { 1.0 / (6.0 * x * x) };
                assert!((slope - expected).abs() < 1e-6 * (1.0 + expected), "{slope}, not {expected}");
            }
            let found = check::gradients(&layer.valid(), z.clone()).unwrap();
            assert!(found.agrees(1e-5), "{found:?}");
        }
    }
    let layer =
        FixedPoint::from_energy(parameter(&[2.0], [1]), [2], quartic, &GradientDescentConfig::new(-1.0));
    assert!(matches!(layer, Err(Error::Rate { .. })));
}
