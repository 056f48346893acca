//! Projections of gradient steps: x̂ of ½‖x - z‖² is the nearest point of the set, and has its derivative.

use crate::reference::{assert_close, double, numbers};
use banach::solve::Tolerance;
use banach::{Energy, FixedPointConfig, GradientDescentConfig, Projection, check};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

/// f(x, z) = ½‖x - z‖²
#[derive(Module, Debug)]
struct Distance {
    half: f64,
}

impl Energy for Distance {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like().inner()
    }

    fn energy(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
        ((x - z).powi_scalar(2).sum_dim(1) * self.half).squeeze_dim(1)
    }
}

fn tensor(rows: &[[f64; 4]]) -> Tensor<2> {
    let (device, dtype) = double();
    Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), 4]), (&device, dtype))
}

/// The nearest points of rows, after a check of their derivative.
#[track_caller]
fn nearest(projection: Projection, rows: &[[f64; 4]]) -> Vec<f64> {
    let step = GradientDescentConfig::new(0.5).with_projection(projection).init(Distance { half: 0.5 });
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-13)).with_max_steps(500);
    let layer = config.init(step.unwrap()).unwrap();
    let found = check::gradients(&layer, tensor(rows)).unwrap();
    assert!(found.agrees(1e-6), "{found:?}");
    numbers(&layer.forward(tensor(rows)))
}

#[test]
fn balls_scale_or_shrink_what_lies_outside() {
    let rows = [[3.0, 0.0, -4.0, 0.0], [0.1, 0.2, -0.3, 0.4]];
    let ball = Projection::EuclideanBall { radius: 2.0 };
    assert_close(&nearest(ball, &rows), &[1.2, 0.0, -1.6, 0.0, 0.1, 0.2, -0.3, 0.4], 1e-12, "‖x‖ ≤ 2");
    let rows = [[3.0, 0.5, -4.0, 0.2], [0.1, 0.2, -0.3, 0.4]];
    let ball = Projection::SumBall { radius: 3.0 };
    assert_close(&nearest(ball, &rows), &[1.0, 0.0, -2.0, 0.0, 0.1, 0.2, -0.3, 0.4], 1e-12, "Σ|x| ≤ 3");
}

#[test]
fn half_spaces_move_along_their_normal() {
    let rows = [[1.0, 2.0, 3.0, 4.0], [-1.0, 0.5, 0.25, 9.0]];
    let set = Projection::HalfSpace { normal: vec![1.0, 1.0, 1.0, 0.0], offset: 3.0 };
    assert_close(&nearest(set, &rows), &[0.0, 1.0, 2.0, 4.0, -1.0, 0.5, 0.25, 9.0], 1e-12, "⟨a, x⟩ ≤ 3");
}

#[test]
fn the_monotone_cone_pools_what_falls() {
    let rows = [[1.0, 3.0, 2.0, 4.0], [4.0, 3.0, 2.5, 1.0]];
    let expected = [1.0, 2.5, 2.5, 4.0, 2.625, 2.625, 2.625, 2.625];
    assert_close(&nearest(Projection::Monotone, &rows), &expected, 1e-12, "x₁ ≤ … ≤ x₄");
}

#[test]
fn sets_that_hold_nothing_or_do_not_fit_are_refused() {
    let refused = |projection: Projection| {
        let step = GradientDescentConfig::new(0.5).with_projection(projection);
        step.init(Distance { half: 0.5 }).unwrap_err().to_string()
    };
    assert!(refused(Projection::SumBall { radius: 0.0 }).contains("the radius 0"));
    assert!(refused(Projection::EuclideanBall { radius: f64::NAN }).contains("the radius NaN"));
    let flat = Projection::HalfSpace { normal: vec![0.0; 4], offset: 1.0 };
    assert!(refused(flat).contains("a normal of squared length 0"));
    let narrow = Projection::HalfSpace { normal: vec![1.0; 3], offset: 1.0 };
    let step = GradientDescentConfig::new(0.5).with_projection(narrow).init(Distance { half: 0.5 }).unwrap();
    let error =
        FixedPointConfig::new().init(step).unwrap().solve(tensor(&[[0.0; 4]])).unwrap_err().to_string();
    assert!(error.contains("a normal of 3 numbers"), "{error}");
}
