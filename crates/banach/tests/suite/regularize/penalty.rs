//! Penalties on the Jacobian: values against closed forms, gradients against differences.

use crate::corners::config;
use crate::reference::{assert_close, numbers};
use crate::regularize::{Cell, cell, largest_singular_value, noise, noisy};
use crate::update;
use banach::regularize::{frobenius_penalty, random_signs, spectral_penalty};
use banach::{Engine, FixedPoint, Objective};
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, TensorData};

/// x = x W + z.
#[derive(Module, Debug)]
struct Affine {
    state: Linear,
}

update!(Affine, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| this.state.forward(x) + z);

fn affine() -> FixedPoint<Affine> {
    let state = LinearConfig::new(3, 3).with_bias(false).init(&Device::flex().autodiff());
    config().init(noisy(Affine { state }, 0.4)).unwrap()
}

fn every_sign() -> Vec<Tensor<2>> {
    let sign = |bits: usize, at: usize| if bits >> at & 1 == 1 { 1.0 } else { -1.0 };
    let probe = |bits: usize| TensorData::new((0..3).map(|at| sign(bits, at)).collect::<Vec<f64>>(), [1, 3]);
    let options = (&Device::flex(), burn::tensor::DType::F64);
    (0..8).map(|bits| Tensor::from_data(probe(bits), options)).collect()
}

#[test]
fn over_every_sign_the_mean_is_the_frobenius_norm_and_its_gradient() {
    let layer = affine();
    let z = noise([1, 3], 1);
    let w = layer.update().state.weight.val();
    let all = every_sign().into_iter();
    let all = all.map(|probe| frobenius_penalty(&layer, z.clone(), z.clone(), probe).unwrap() / 8.0);
    let mean = all.reduce(|a, b| a + b).unwrap();
    let exact = numbers(&w.clone().square().sum())[0] / 3.0;
    assert_close(&numbers(&mean), &[exact], 1e-12, "‖W‖² / 3");
    let found = numbers(&w.grad(&mean.backward()).unwrap());
    assert_close(&found, &numbers(&(w * (2.0 / 3.0))), 1e-12, "2 W / 3");
}

#[test]
fn signs_are_signs() {
    let signs = random_signs(&(noise([30, 10], 1), noise([2, 2, 2], 1))).unwrap();
    let numbers = [numbers(&signs.0), numbers(&signs.1)].concat();
    assert!(numbers.iter().all(|number| number.abs() == 1.0));
    let sum: f64 = numbers.iter().sum();
    assert!(sum.abs() < 150.0, "{sum}");
}

type Penalty = fn(&FixedPoint<Cell>, Tensor<2>, Tensor<2>) -> Tensor<1>;

fn frobenius(layer: &FixedPoint<Cell>, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
    frobenius_penalty(layer, x, z, noise([4, 3], 12)).unwrap()
}

fn spectral(layer: &FixedPoint<Cell>, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
    spectral_penalty(layer, x, z, noise([4, 3], 12), 0).unwrap().0
}

/// A layer whose weight is moved along a direction.
fn moved(step: f64) -> FixedPoint<Cell> {
    let mut cell = cell(0.5);
    cell.state.weight =
        cell.state.weight.map(|w| (w.inner() + noise([3, 3], 40) * step).autodiff().require_grad());
    config().init(cell).unwrap()
}

fn difference(at: impl Fn(f64) -> Tensor<1>) -> f64 {
    let at = |step: f64| numbers(&at(step))[0];
    let simple = |step: f64| (at(step) - at(-step)) / (2.0 * step);
    (4.0 * simple(1e-3) - simple(2e-3)) / 3.0
}

fn along(gradient: Tensor<2>, direction: Tensor<2>) -> f64 {
    numbers(&(gradient * direction).sum())[0]
}

#[test]
fn gradients_to_parameters_input_and_state_equal_differences() {
    let (x, z, t) = (noise([4, 3], 2), noise([4, 3], 3), noise([4, 3], 4));
    for penalty in [frobenius as Penalty, spectral] {
        let layer = moved(0.0);
        let (tx, tz) = (x.clone().autodiff().require_grad(), z.clone().autodiff().require_grad());
        let gradients = penalty(&layer, tx.clone(), tz.clone()).backward();
        let w = layer.update().state.weight.val().grad(&gradients).unwrap();
        let found = [
            along(w, noise([3, 3], 40)),
            along(tz.grad(&gradients).unwrap(), t.clone()),
            along(tx.grad(&gradients).unwrap(), t.clone()),
        ];
        let expected = [
            difference(|step| penalty(&moved(step), x.clone(), z.clone())),
            difference(|step| penalty(&layer, x.clone(), z.clone() + t.clone() * step)),
            difference(|step| penalty(&layer, x.clone() + t.clone() * step, z.clone())),
        ];
        assert_close(&found, &expected, 1e-8, "W, z and x");
    }
}

#[test]
fn through_the_solution_the_gradient_is_the_whole_one() {
    let z = noise([4, 3], 3);
    for penalty in [frobenius as Penalty, spectral] {
        let whole = |step: f64| {
            let layer = moved(step);
            penalty(&layer, layer.forward(z.clone()), z.clone())
        };
        let layer = moved(0.0);
        let gradients = penalty(&layer, layer.forward(z.clone()), z.clone()).backward();
        let found = along(layer.update().state.weight.val().grad(&gradients).unwrap(), noise([3, 3], 40));
        assert_close(&[found], &[difference(whole)], 1e-6, "W, directly and through x̂");
    }
}

#[test]
fn power_iteration_finds_the_spectral_norm_and_carries_its_direction() {
    let layer = affine();
    let z = noise([2, 3], 1);
    let w = layer.update().state.weight.val();
    let rows = numbers(&w);
    let exact = largest_singular_value(&rows.chunks(3).map(<[f64]>::to_vec).collect::<Vec<_>>());
    let (early, u) = spectral_penalty(&layer, z.clone(), z.clone(), noise([2, 3], 5), 3).unwrap();
    let (late, _) = spectral_penalty(&layer, z.clone(), z.clone(), u, 300).unwrap();
    assert!(numbers(&early)[0] <= numbers(&late)[0]);
    assert_close(&numbers(&late), &[exact * exact], 1e-9, "σ²");
    // At the singular vectors the gradient is that of σ²: ⟨∂σ²/∂W, W⟩ = 2 σ².
    let gradient = w.grad(&late.backward()).unwrap();
    assert_close(&[along(gradient, w.inner())], &[2.0 * exact * exact], 1e-9, "homogeneous");
}

/// x = W sqrt(x) + z.
#[derive(Module, Debug)]
struct Root {
    w: Param<Tensor<2>>,
}

update!(Root, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| x.sqrt().matmul(this.w.val())
    + z);

#[test]
fn a_row_without_a_derivative_is_left_out_and_spoils_nothing() {
    let w = Param::from_tensor((noise([3, 3], 1) * 0.3).autodiff().require_grad());
    let layer = config().init(Root { w }).unwrap();
    let sound = noise([2, 3], 2).abs() + 0.5;
    let bad = Tensor::cat(vec![sound.clone().narrow(0, 0, 1), sound.clone().narrow(0, 0, 1) * -1.0], 0);
    let bad = Tensor::cat(vec![bad, sound.clone().narrow(0, 1, 1)], 0);
    let probe = |rows: usize| noise([1, 3], 9).expand([rows, 3]);
    let w = layer.update().w.val();
    let found = frobenius_penalty(&layer, bad.clone(), bad.clone(), probe(3)).unwrap();
    let expected = frobenius_penalty(&layer, sound.clone(), sound, probe(2)).unwrap();
    assert_close(&numbers(&found), &numbers(&expected), 1e-12, "value");
    let [found, expected] = [found, expected].map(|penalty| numbers(&w.grad(&penalty.backward()).unwrap()));
    assert_close(&found, &expected, 1e-12, "gradient");
    let lost = bad.narrow(0, 1, 1);
    let found = frobenius_penalty(&layer, lost.clone(), lost, probe(1)).unwrap();
    assert!(numbers(&found)[0].is_nan());
}

#[test]
fn inside_a_compiled_objective_the_penalty_is_the_same() {
    for engine in [Engine::Native, Engine::Device] {
        let layer = config().with_engine(engine).init(cell(0.5)).unwrap();
        let (z, probe) = (noise([4, 3], 3), noise([4, 3], 12));
        let loss = |layer: &FixedPoint<Cell>, (z, probe): (Tensor<2>, Tensor<2>)| {
            frobenius_penalty(layer, layer.forward(z.clone()), z, probe).unwrap()
        };
        let expected = loss(&layer, (z.clone(), probe.clone()));
        let (value, gradients) = Objective::new(loss).value_and_gradient(&layer, (z, probe)).unwrap();
        assert_close(&[value], &numbers(&expected), 1e-10, "value");
        let w = &layer.update().state.weight;
        let found = gradients.get::<2>(w.id).unwrap();
        let expected = w.val().grad(&expected.backward()).unwrap();
        assert_close(&numbers(&found), &numbers(&expected), 1e-8, "gradient");
    }
}

/// Images, whose states the engine holds with their channels last.
#[derive(Module, Debug)]
struct Images {
    state: Conv2d,
}

update!(Images, Tensor<4>, Tensor<4>, |this, z| z.zeros_like().inner(), |x, z| (this.state.forward(x) + z)
    .tanh());

#[test]
fn probes_lie_as_the_states_do() {
    let conv = Conv2dConfig::new([2, 2], [3, 3]).with_padding(PaddingConfig2d::Same);
    let module = noisy(Images { state: conv.init(&Device::flex().autodiff()) }, 0.2);
    let (x, z, probe) = (noise([2, 2, 3, 4], 1), noise([2, 2, 3, 4], 2), noise([2, 2, 3, 4], 3));
    let penalty = |engine| {
        let layer = config().with_engine(engine).init(module.clone()).unwrap();
        numbers(&frobenius_penalty(&layer, x.clone(), z.clone(), probe.clone()).unwrap())
    };
    // By hand: Jᵀ ε is the gradient of ⟨g, ε⟩.
    let leaf = x.clone().autodiff().require_grad();
    let paired = ((module.state.forward(leaf.clone()) + z.clone()).tanh() * probe.clone()).sum().backward();
    let expected = numbers(&(leaf.grad(&paired).unwrap().square().sum() / 48.0));
    for engine in [Engine::Native, Engine::Device] {
        assert_close(&penalty(engine), &expected, 1e-10, "‖Jᵀ ε‖² / n");
    }
}
