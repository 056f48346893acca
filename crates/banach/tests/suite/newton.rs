//! Newton's method on the native engine: results of the device, in less work.

use crate::engine::rows;
use crate::reference::{assert_close, numbers, steadied};
use crate::update;
use banach::solve::{FixedPointSolver, Newton, NewtonInner, Tolerance};
use banach::{Energy, Engine, FixedPointConfig, GradientDescentConfig};
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, activation};

fn newton(inner: NewtonInner, engine: Engine) -> FixedPointConfig {
    let solver = FixedPointSolver::Newton(Newton { inner, ..Newton::default() });
    FixedPointConfig::new().with_tolerance(Tolerance::both(1e-6)).with_solver(solver).with_engine(engine)
}

/// A well with a slope that depends on where it stands.
#[derive(Module, Debug)]
struct Well {
    w: Param<Tensor<2>>,
}

impl Energy for Well {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        Tensor::zeros([z.dims()[0], 6], &z.device().inner())
    }

    fn energy(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
        let hidden = Tensor::cat(vec![x.clone(), z], 1).matmul(self.w.val());
        (activation::softplus(hidden, 1.0).sum_dim(1) + x.powi_scalar(2).sum_dim(1) * 0.2).squeeze_dim(1)
    }
}

#[test]
fn energies_are_descended_with_every_inner_solve() {
    let device = Device::flex();
    let w: Vec<f32> = (0..45).map(|at| (1.3 * at as f32).sin()).collect();
    let w = Tensor::<1>::from_data(w.as_slice(), &device).reshape([9, 5]);
    let well = GradientDescentConfig::new(0.5).init(Well { w: Param::from_tensor(w) }).unwrap();
    for inner in [NewtonInner::default(), NewtonInner::Dense { limit: 6 }] {
        let [found, expected] = [Engine::Native, Engine::Device].map(|engine| {
            newton(inner, engine).init(well.clone()).unwrap().solve(rows(37, &device)).unwrap()
        });
        let (report, other) = (found.report().clone(), expected.report().clone());
        assert!(report.converged() && report.steps.iter().all(|steps| *steps < 12), "{}", report.explain());
        assert_eq!(report.outcomes, other.outcomes);
        assert!(report.row_evaluations <= other.row_evaluations, "rows leave on the engine alone");
        assert_close(&numbers(&found.into_value()), &numbers(&expected.into_value()), 2e-5, "a minimiser");
    }
}

#[test]
fn a_derivative_that_depends_on_no_state_and_a_map_that_couples_rows_are_solved_too() {
    /// `x = x W + z` where `W` is small, and the same with the mean of the rows added to every row.
    #[derive(Module, Debug)]
    struct Affine {
        w: Linear,
        coupled: bool,
    }
    update!(
        Affine,
        Tensor<2>,
        Tensor<2>,
        |this, z| Tensor::zeros([z.dims()[0], 3], &z.device().inner()),
        |x, z| {
            let mean = x.clone().mean_dim(0) * if this.coupled { 0.2 } else { 0.0 };
            this.w.forward(x) * 0.3 + z + mean
        }
    );
    let device = Device::flex();
    for coupled in [false, true] {
        let [found, expected] = [Engine::Native, Engine::Device].map(|engine| {
            let w = steadied(LinearConfig::new(3, 3).with_bias(false).init(&device));
            newton(NewtonInner::default(), engine)
                .init(Affine { w, coupled })
                .unwrap()
                .solve(rows(9, &device))
                .unwrap()
        });
        assert!(found.report().converged(), "{}", found.report().explain());
        assert_eq!(found.report().outcomes, expected.report().outcomes);
        assert_close(&numbers(&found.into_value()), &numbers(&expected.into_value()), 2e-5, "affine");
    }
}

#[test]
fn what_all_rows_share_may_have_as_many_rows_as_the_batch() {
    /// `x = P W tanh(x) + z` in every row, with a permutation P.
    #[derive(Module, Debug)]
    struct Turned {
        w: Param<Tensor<2>>,
    }
    update!(Turned, Tensor<2>, (Tensor<2>, Tensor<1, Int>), |this, z| z.0.zeros_like().inner(), |x,
                                                                                                 (
        z,
        order,
    )| {
        let hidden = this.w.val().matmul(x.tanh().transpose()).transpose();
        hidden.select(1, order) * 0.8 + z
    });
    let device = Device::flex();
    let w: Vec<f32> = (0..36).map(|at| (1.3 * at as f32).sin()).collect();
    let w = Tensor::<1>::from_data(w.as_slice(), &device).reshape([6, 6]);
    let order = Tensor::<1, Int>::from_data([1, 3, 5, 0, 2, 4], &device);
    // Rows of zeros are solved at the start and leave the batch.
    let sizes = Tensor::<2>::from_data([[0.0f32], [0.9], [0.1], [0.0], [0.5], [0.02]], &device);
    let z = rows(12, &device).reshape([6, 6]) * sizes;
    for inner in [NewtonInner::default(), NewtonInner::Dense { limit: 6 }] {
        let solve = |engine: Engine, count: usize| {
            let layer = newton(inner, engine).init(Turned { w: Param::from_tensor(w.clone()) }).unwrap();
            layer.solve((z.clone().narrow(0, 0, count), order.clone())).unwrap()
        };
        let [found, expected] = [Engine::Native, Engine::Device].map(|engine| solve(engine, 6));
        assert_eq!(found.report().steps, expected.report().steps, "the same derivative");
        assert_close(&numbers(found.value()), &numbers(expected.value()), 2e-5, "turned");
        let few = numbers(solve(Engine::Native, 3).value());
        assert_eq!(few, numbers(found.value())[..18], "beside fewer rows");
    }
}
