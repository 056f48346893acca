//! Fixed points of gradient steps: minimisers, with and without constraints, and their derivatives.

use crate::reference::{assert_close, double, numbers};
use crate::update;
use banach::solve::{Newton, Picard, Tolerance};
use banach::{
    Energy, Error, FixedPoint, FixedPointConfig, GradientDescent, GradientDescentConfig, Projection, check,
};
use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData, activation};

fn tensor<const D: usize>(numbers: Vec<f64>, shape: [usize; D]) -> Tensor<D> {
    let (device, dtype) = double();
    Tensor::from_data(TensorData::new(numbers, shape), (&device, dtype))
}

/// f(x, z) = ½ xᵀ Q x - zᵀ x with Q = [[2, 0.5], [0.5, 1]].
#[derive(Module, Debug)]
struct Quadratic {
    q: Param<Tensor<2>>,
}

impl Quadratic {
    fn new() -> Self {
        Quadratic {
            q: Param::from_tensor(tensor(vec![2.0, 0.5, 0.5, 1.0], [2, 2]).autodiff().require_grad()),
        }
    }
}

impl Energy for Quadratic {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like().inner()
    }

    fn energy(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
        let bent = (x.clone().matmul(self.q.val()) * x.clone()).sum_dim(1) * 0.5;
        (bent - (x * z).sum_dim(1)).squeeze_dim(1)
    }
}

fn descent(projection: Projection) -> FixedPoint<GradientDescent<Quadratic>> {
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).with_max_steps(2000);
    config
        .init(GradientDescentConfig::new(0.3).with_projection(projection).init(Quadratic::new()).unwrap())
        .unwrap()
}

#[test]
fn a_quadratic_is_minimised_and_its_derivative_is_the_inverse() {
    let layer = descent(Projection::None);
    let z = tensor(vec![1.0, 0.0, 0.0, 1.0], [2, 2]).autodiff().require_grad();
    let x = layer.forward(z.clone());
    let inverse = [1.0 / 1.75, -0.5 / 1.75, -0.5 / 1.75, 2.0 / 1.75];
    assert_close(&numbers(&x), &inverse, 1e-10, "x̂ = Q⁻¹ z");
    let gradient = z.grad(&x.sum().backward()).unwrap();
    let column = [0.5 / 1.75, 1.5 / 1.75];
    assert_close(&numbers(&gradient), &[column, column].concat(), 1e-10, "Q⁻¹ 1");
    let found = check::gradients(&layer, tensor(vec![0.4, -0.7], [1, 2])).unwrap();
    assert!(found.agrees(1e-6), "{found:?}");
}

#[test]
fn a_box_holds_and_blocks_the_gradient_where_it_is_active() {
    let layer = descent(Projection::Box { lower: vec![-0.5, -1.0], upper: vec![0.25, 1.0] });
    let z = tensor(vec![2.0, 0.0], [1, 2]).autodiff().require_grad();
    let x = layer.forward(z.clone());
    // x₁ is held at 0.25, x₂ = -0.5 x₁ is free.
    assert_close(&numbers(&x), &[0.25, -0.125], 1e-10, "x̂");
    let gradient = z.grad(&x.sum().backward()).unwrap();
    assert_close(&numbers(&gradient), &[0.0, 1.0], 1e-10, "only x₂ moves");
}

#[test]
fn the_simplex_and_the_non_negative_numbers() {
    let layer = descent(Projection::Simplex);
    // Minimise over x₁ + x₂ = 1: x₁ = (z₁ - z₂ + 0.5) / 2.
    let z = tensor(vec![0.3, -0.1, 5.0, 0.0], [2, 2]).autodiff().require_grad();
    let x = layer.forward(z.clone());
    assert_close(&numbers(&x), &[0.45, 0.55, 1.0, 0.0], 1e-10, "x̂ on the simplex");
    let gradient = z.grad(&x.narrow(1, 0, 1).sum().backward()).unwrap();
    assert_close(&numbers(&gradient), &[0.5, -0.5, 0.0, 0.0], 1e-9, "the derivative along the simplex");
    let x = descent(Projection::NonNegative).forward(tensor(vec![1.0, -1.0], [1, 2]));
    assert_close(&numbers(&x), &[0.5, 0.0], 1e-10, "x̂ >= 0");
}

#[test]
fn the_rate_can_be_learned_and_moves_no_unconstrained_minimiser() {
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).with_max_steps(2000);
    let step = GradientDescentConfig::new(0.3).with_learnable_rate(true).init(Quadratic::new()).unwrap();
    let layer = config.init(step).unwrap();
    assert_eq!(layer.num_params(), 5);
    let z = tensor(vec![1.0, 2.0], [1, 2]);
    let program = layer.program(z.clone()).unwrap();
    assert_eq!(program.inputs().len(), 4);
    let expected = [0.0, 2.0];
    assert_close(&numbers(&layer.forward(z)), &expected, 1e-9, "x̂ = Q⁻¹ z");
}

#[test]
fn a_module_off_the_tape_has_a_learnable_rate_too() {
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).with_max_steps(2000);
    let step =
        GradientDescentConfig::new(0.3).with_learnable_rate(true).init(Quadratic::new().valid()).unwrap();
    let layer = config.init(step).unwrap();
    let z = tensor(vec![1.0, 2.0], [1, 2]);
    assert_close(&numbers(&layer.forward(z)), &[0.0, 2.0], 1e-9, "x̂ = Q⁻¹ z");
}

/// A learned energy: softplus of hidden units, with a quadratic that keeps it bounded below.
#[derive(Module, Debug)]
struct Learned {
    w: Param<Tensor<2>>,
}

impl Energy for Learned {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        Tensor::zeros([z.dims()[0], 2], (&z.device().inner(), z.dtype()))
    }

    fn energy(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
        let hidden = activation::softplus(Tensor::cat(vec![z, x.clone()], 1).matmul(self.w.val()), 1.0);
        (hidden.sum_dim(1) + x.powi_scalar(2).sum_dim(1) * 0.5).squeeze_dim(1)
    }
}

#[test]
fn any_energy_is_trained_through_its_second_derivatives() {
    let w = tensor((0..20).map(|at| (at as f64 * 1.3).sin()).collect(), [5, 4]).autodiff().require_grad();
    let step = GradientDescentConfig::new(0.4).init(Learned { w: Param::from_tensor(w) }).unwrap();
    let layer = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-13)).init(step).unwrap();
    let found = check::gradients(&layer, tensor(vec![0.4, -0.7, 0.2, 1.0, 0.3, -0.5], [2, 3])).unwrap();
    assert!(found.agrees(1e-6), "{found:?}");
    assert!(found.unrolled.is_some());
}

/// An energy that forgets to sum over the state.
#[derive(Module, Debug)]
struct Unsummed {
    scale: f64,
}

impl Energy for Unsummed {
    type State = Tensor<2>;
    type Input = ();

    fn start(&self, _: &()) -> Tensor<2> {
        tensor(vec![0.0; 6], [2, 3])
    }

    fn energy(&self, x: Tensor<2>, _: ()) -> Tensor<1> {
        (x.powi_scalar(2) * self.scale).reshape([6])
    }
}

#[test]
fn impossible_energies_and_sets_are_refused() {
    let step = GradientDescentConfig::new(0.1).init(Unsummed { scale: 1.0 }).unwrap();
    let error = FixedPointConfig::new().init(step).unwrap().solve(()).unwrap_err().to_string();
    assert!(error.contains("f64[6]") && error.contains("2 rows"), "{error}");
    let wrong = Projection::Box { lower: vec![1.0], upper: vec![0.0] };
    let error = GradientDescentConfig::new(0.1).with_projection(wrong).init(Quadratic::new()).unwrap_err();
    assert!(error.to_string().contains("bounds 1 to 0"), "{error}");
    let narrow = Projection::Box { lower: vec![0.0; 3], upper: vec![1.0; 3] };
    let error = descent(narrow).solve(tensor(vec![1.0, 1.0], [1, 2])).unwrap_err().to_string();
    assert!(error.contains("3 bounds"), "{error}");
    assert!(matches!(GradientDescentConfig::new(0.0).init(Quadratic::new()), Err(Error::Rate { .. })));
}

/// A layer inside the update of another: u = ½ cos(u + x), x = ½ sin(u) + z.
#[derive(Module, Debug)]
struct Inner {
    scale: f64,
}

update!(Inner, Tensor<2>, Tensor<2>, |this, x| x.zeros_like().inner(), |u, x| (u + x).cos() * this.scale);

#[derive(Module, Debug)]
struct Outer {
    inner: FixedPoint<Inner>,
}

update!(Outer, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| this.inner.forward(x).sin()
    * 0.5
    + z);

#[test]
fn a_layer_inside_the_update_of_another_is_solved_and_differentiated() {
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-13));
    let inner = config.init(Inner { scale: 0.5 }).unwrap();
    let layer = config.init(Outer { inner }).unwrap();
    let z = tensor(vec![0.3, -0.4], [2, 1]).autodiff().require_grad();
    let x = layer.forward(z.clone());
    let gradient = numbers(&z.grad(&x.clone().sum().backward()).unwrap());
    let solve = |z: f64| {
        let (mut x, mut u) = (0.0f64, 0.0f64);
        for _ in 0..400 {
            u = 0.5 * (u + x).cos();
            x = 0.5 * u.sin() + z;
        }
        x
    };
    assert_close(&numbers(&x), &[solve(0.3), solve(-0.4)], 1e-10, "x̂");
    let slope = |z: f64| (solve(z + 1e-5) - solve(z - 1e-5)) / 2e-5;
    assert_close(&gradient, &[slope(0.3), slope(-0.4)], 1e-8, "dx̂/dz");
    let inner = layer.update().inner.statistics();
    assert!(inner.solves > 2 && inner.unconverged_rows == 0, "inner solves are counted: {inner:?}");
}

#[test]
fn newton_takes_few_steps_where_plain_descent_takes_hundreds() {
    // A learned energy with a flat direction: the quadratic term is small.
    #[derive(Module, Debug)]
    struct Flat {
        w: Param<Tensor<2>>,
    }

    impl Energy for Flat {
        type State = Tensor<2>;
        type Input = Tensor<2>;

        fn start(&self, z: &Tensor<2>) -> Tensor<2> {
            Tensor::zeros([z.dims()[0], 4], (&z.device().inner(), z.dtype()))
        }

        fn energy(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
            let hidden = activation::softplus(Tensor::cat(vec![z, x.clone()], 1).matmul(self.w.val()), 1.0);
            (hidden.mean_dim(1) + x.powi_scalar(2).sum_dim(1) * 1e-4).squeeze_dim(1)
        }
    }

    let w = tensor((0..30).map(|at| (at as f64 * 1.3).sin()).collect(), [6, 5]);
    let step = GradientDescentConfig::new(1.0).init(Flat { w: Param::from_tensor(w) }).unwrap();
    let config = FixedPointConfig::new().with_tolerance(Tolerance {
        absolute: 1e-12,
        relative: 0.0,
        ..Tolerance::default()
    });
    let mut plain = config.clone().with_solver(Picard::default()).with_max_steps(4000);
    plain.forward.patience = None;
    let newton = config.with_solver(Newton::default());
    let z = tensor(vec![0.4, -0.7, 0.3, 0.9], [2, 2]);
    let layer = plain.init(step).unwrap();
    let slow = layer.solve(z.clone()).unwrap();
    assert!(slow.report().steps.iter().all(|&steps| steps > 500), "{}", slow.report().explain());
    let layer = layer.with_config(newton).unwrap();
    let fast = layer.solve(z.clone()).unwrap();
    assert!(fast.report().converged(), "{}", fast.report().explain());
    assert!(fast.report().steps.iter().all(|&steps| steps < 60), "{:?}", fast.report().steps);
    let found = check::gradients(&layer, z).unwrap();
    assert!(found.finite_difference < 1e-5, "{found:?}");
}
