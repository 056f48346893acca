//! Auxiliary outputs at the solution: values, derivatives, compiled steps, rows that fail.

use crate::reference::{assert_close, numbers};
use crate::update;
use banach::solve::{Outcome, Tolerance};
use banach::{
    Auxiliary, Energy, Engine, FixedPoint, FixedPointConfig, Function, GradientDescentConfig, Objective,
    OnFailure,
};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData, activation};

/// x = tanh(x W) + z, with a map of its elements, their sizes, and the mean over the batch.
#[derive(Module, Debug)]
struct Cell {
    w: Param<Tensor<2>>,
}

update!(Cell, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| x.matmul(this.w.val()).tanh()
    + z);

impl Auxiliary for Cell {
    type Outputs = (Tensor<3>, Tensor<1>, Tensor<1>);

    fn outputs(&self, x: Tensor<2>, z: Tensor<2>) -> Self::Outputs {
        let keys = x.clone().matmul(self.w.val());
        let scores = keys.unsqueeze_dim::<3>(2).matmul((x.clone() - z.clone()).unsqueeze_dim::<3>(1));
        let map = activation::softmax(scores, 2);
        let size = (x.clone() * z).sum_dim(1).squeeze_dim::<1>(1);
        (map, size, x.square().mean())
    }
}

const W: [f64; 9] = [0.3, -0.5, 0.2, 0.4, 0.2, -0.3, -0.4, 0.1, 0.3];
const ROWS: usize = 4;

fn tensor(numbers: &[f64], rows: usize) -> Tensor<2> {
    let data = TensorData::new(numbers.to_vec(), [rows, numbers.len() / rows]);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

fn layer(config: FixedPointConfig) -> FixedPoint<Cell> {
    config.init(Cell { w: Param::from_tensor(tensor(&W, 3).autodiff().require_grad()) }).unwrap()
}

fn tight() -> FixedPointConfig {
    FixedPointConfig::new().with_tolerance(Tolerance::both(1e-13))
}

fn wave(count: usize, pace: f64) -> Vec<f64> {
    (0..count).map(|at| (pace * at as f64 + 0.3).sin()).collect()
}

fn input() -> Tensor<2> {
    tensor(&wave(3 * ROWS, 1.7), ROWS).autodiff().require_grad()
}

/// A number that depends on the solution and on every output, with a weight of its own for each element.
fn paired(x: Tensor<2>, (map, size, mean): (Tensor<3>, Tensor<1>, Tensor<1>)) -> Tensor<1> {
    let rows = x.dims()[0];
    let device = x.device();
    let weights = |count: usize, pace: f64| {
        let data = TensorData::new(wave(count, pace), [count]);
        Tensor::<1>::from_data(data, (&device, DType::F64))
    };
    let of_map = (map * weights(9 * rows, 0.7).reshape([rows, 3, 3])).sum();
    let of_size = (size * weights(rows, 1.1)).sum();
    (x * weights(3 * rows, 0.9).reshape([rows, 3])).sum() * 0.1 + of_map + of_size + mean * 0.5
}

fn loss(layer: &FixedPoint<Cell>, z: Tensor<2>) -> Tensor<1> {
    let (x, outputs) = layer.forward_with_outputs(z);
    paired(x, outputs)
}

fn gradients(layer: &FixedPoint<Cell>, z: &Tensor<2>) -> (Vec<f64>, Vec<f64>) {
    let gradients = loss(layer, z.clone()).backward();
    (numbers(&z.grad(&gradients).unwrap()), numbers(&layer.update().w.val().grad(&gradients).unwrap()))
}

fn moved(values: &[f64], along: &[f64], step: f64) -> Vec<f64> {
    values.iter().zip(along).map(|(value, along)| value + step * along).collect()
}

#[test]
fn derivatives_through_outputs_are_those_of_differences() {
    for engine in [Engine::Native, Engine::Device] {
        let layer = layer(tight().with_engine(engine));
        let z = input();
        let (dz, dw) = gradients(&layer, &z);
        let (along_z, along_w) = (wave(3 * ROWS, 0.4), wave(9, 2.3));
        let at = |step: f64| {
            let w = Param::from_tensor(tensor(&moved(&W, &along_w, step), 3));
            let layer = tight().with_engine(engine).init(Cell { w }).unwrap();
            let z = tensor(&moved(&numbers(&z), &along_z, step), ROWS);
            loss(&layer, z).into_scalar::<f64>()
        };
        let difference = |step: f64| (at(step) - at(-step)) / (2.0 * step);
        let expected = (4.0 * difference(1e-4) - difference(2e-4)) / 3.0;
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let found = dot(&dz, &along_z) + dot(&dw, &along_w);
        assert!(
            (found - expected).abs() < 1e-9 * (1.0 + expected.abs()),
            "{engine:?}: {found}, not {expected}"
        );
    }
}

#[test]
fn outputs_are_values_of_the_update_at_the_solution_in_every_mode() {
    let layer = layer(tight());
    let z = input();
    let solution = layer.solve(z.clone()).unwrap();
    let (map, size, mean) = layer.outputs(&solution, z.clone()).unwrap();
    let (other_map, other_size, other_mean) = layer.update().outputs(solution.value().clone(), z.clone());
    assert_close(&numbers(&map), &numbers(&other_map), 1e-12, "the map");
    assert_close(&numbers(&size), &numbers(&other_size), 1e-12, "the sizes");
    assert_close(&numbers(&mean), &numbers(&other_mean), 1e-12, "the mean");
    // The transpose of the forward derivative is the reverse one.
    let z = z.inner();
    let valid = layer.valid();
    let (f, w) = Function::of_module(&valid, &z, |layer, z| layer.forward_with_outputs(z).1).unwrap();
    let along = tensor(&wave(3 * ROWS, 0.4), ROWS);
    let cotangents = (map.cos().inner(), size.cos().inner(), mean.inner());
    let pushed: (Tensor<3>, Tensor<1>, Tensor<1>) =
        f.jvp_of(&[0]).call((z.clone(), w.clone(), along.clone())).unwrap();
    let pulled: Tensor<2> = f.vjp_of(&[0]).call((z, w, cotangents.clone())).unwrap();
    let forward =
        (pushed.0 * cotangents.0).sum() + (pushed.1 * cotangents.1).sum() + (pushed.2 * cotangents.2).sum();
    let reverse = (pulled * along).sum();
    let (forward, reverse) = (forward.into_scalar::<f64>(), reverse.into_scalar::<f64>());
    assert!((forward - reverse).abs() < 1e-11 * (1.0 + forward.abs()), "{forward}, {reverse}");
}

#[test]
fn a_compiled_step_has_the_gradient_of_the_tape() {
    for engine in [Engine::Native, Engine::Device] {
        let layer = layer(tight().with_engine(engine));
        let z = input();
        let (_, expected) = gradients(&layer, &z);
        let value = loss(&layer, z.clone()).into_scalar::<f64>();
        let objective = Objective::new(loss);
        let (found, gradients) = objective.value_and_gradient(&layer, z.inner().autodiff()).unwrap();
        assert!((found - value).abs() < 1e-12, "{found}, not {value}");
        assert_close(&numbers(&gradients.get::<2>(layer.update().w.id).unwrap()), &expected, 1e-10, "dW");
    }
}

/// The sum of the outputs of some rows.
fn of_rows(layer: &FixedPoint<Cell>, z: Tensor<2>, rows: &[i64]) -> Tensor<1> {
    let (_, (map, size, _)) = layer.forward_with_outputs(z);
    let rows = Tensor::<1, burn::tensor::Int>::from_data(rows, &size.device());
    map.select(0, rows.clone()).square().sum() + size.select(0, rows).sin().sum()
}

#[test]
fn rows_that_fail_keep_their_values_and_do_not_affect_other_rows() {
    let spoilt = |z: &Tensor<2>| {
        let nan = tensor(&[f64::NAN; 3], 1);
        z.clone().inner().slice_assign([1..2, 0..3], nan)
    };
    for engine in [Engine::Native, Engine::Device] {
        let sound = layer(tight().with_engine(engine));
        let z = input();
        let kept = z.clone().inner().select(0, Tensor::from_data([0, 2, 3], &Device::flex()));
        let kept = kept.autodiff().require_grad();
        let expected = of_rows(&sound, kept.clone(), &[0, 1, 2]).backward();
        let dw = numbers(&sound.update().w.val().grad(&expected).unwrap());
        let dz = numbers(&kept.grad(&expected).unwrap());

        let layer = layer(tight().with_engine(engine));
        let bad = spoilt(&z).autodiff().require_grad();
        let solution = layer.solve(bad.clone()).unwrap();
        assert_eq!(solution.report().outcomes[1], Outcome::NonFinite);
        let (map, size, _) = layer.outputs(&solution, bad.clone()).unwrap();
        assert!(numbers(&size)[1].is_nan() && numbers(&size)[0].is_finite());
        assert!(numbers(&map)[..9].iter().all(|number| number.is_finite()));
        let found = of_rows(&layer, bad.clone(), &[0, 2, 3]).backward();
        assert_close(&numbers(&layer.update().w.val().grad(&found).unwrap()), &dw, 1e-10, "dW");
        let slopes = numbers(&bad.grad(&found).unwrap());
        assert_close(&[&slopes[..3], &slopes[6..]].concat(), &dz, 1e-10, "dz");
        assert_eq!(slopes[3..6], [0.0; 3]);

        let objective =
            Objective::new(|layer: &FixedPoint<Cell>, z: Tensor<2>| of_rows(layer, z, &[0, 2, 3]));
        let (_, compiled) = objective.value_and_gradient(&layer, bad.inner()).unwrap();
        let found = compiled.get::<2>(layer.update().w.id).unwrap();
        assert_close(&numbers(&found), &dw, 1e-10, "dW of a compiled step");
    }
}

#[test]
fn rows_that_are_skipped_have_no_gradient_through_outputs() {
    for engine in [Engine::Native, Engine::Device] {
        let z = input();
        // Rows of zeros are solved at the start; the others are given one step.
        let still =
            z.clone().inner().slice_assign([1..2, 0..3], tensor(&[0.0; 3], 1)).autodiff().require_grad();
        let mut config = tight().with_engine(engine);
        config.forward.budget.steps = 1;
        let layer = layer(config.clone().with_on_failure(OnFailure::Skip));
        let solution = layer.solve(still.clone()).unwrap();
        let failed: Vec<bool> =
            solution.report().outcomes.iter().map(|outcome| outcome.is_failure()).collect();
        assert_eq!(failed, [true, false, true, true]);
        let found = of_rows(&layer, still.clone(), &[0, 1, 2, 3]).backward();
        let slopes = numbers(&still.grad(&found).unwrap());
        assert!(slopes[..3].iter().chain(&slopes[6..]).all(|slope| *slope == 0.0), "{slopes:?}");

        // Without skipping, the best iterates are taken for the solution.
        let best = layer.clone().with_config(config).unwrap();
        let found = of_rows(&best, still.clone(), &[0, 2, 3]).backward();
        let slopes = numbers(&still.grad(&found).unwrap());
        assert!(slopes[..3].iter().all(|slope| slope.is_finite() && *slope != 0.0), "{slopes:?}");
        let objective =
            Objective::new(|layer: &FixedPoint<Cell>, z: Tensor<2>| of_rows(layer, z, &[0, 2, 3]));
        let (_, compiled) = objective.value_and_gradient(&best, still.clone().inner().autodiff()).unwrap();
        let expected = numbers(&best.update().w.val().grad(&found).unwrap());
        assert_close(&numbers(&compiled.get::<2>(best.update().w.id).unwrap()), &expected, 1e-10, "dW");
    }
}

#[test]
fn a_batch_without_a_sound_row_has_no_gradient() {
    let layer = layer(tight());
    let z = tensor(&[f64::NAN; 6], 2).autodiff().require_grad();
    let found = of_rows(&layer, z.clone(), &[0, 1]).backward();
    assert!(z.grad(&found).is_none_or(|slope| numbers(&slope).iter().all(|slope| *slope == 0.0)));
    let dw = layer.update().w.val().grad(&found);
    assert!(dw.is_none_or(|slope| numbers(&slope).iter().all(|slope| *slope == 0.0)));
}

#[test]
fn the_solution_of_another_batch_is_refused() {
    let layer = layer(tight());
    let z = input().inner();
    let solution = layer.solve(z.clone()).unwrap();
    assert!(layer.outputs(&solution, z.slice([0..2, 0..3])).is_err());
}

/// f = ½ c ‖x - z‖².
#[derive(Module, Debug)]
struct Distance {
    c: Param<Tensor<1>>,
}

impl Energy for Distance {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like().inner()
    }

    fn energy(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
        (x - z).square().sum_dim(1).squeeze_dim::<1>(1) * self.c.val() * 0.5
    }
}

#[test]
fn the_energy_at_a_minimiser_is_an_output_whose_slope_is_that_of_the_envelope() {
    let c = Tensor::<1>::from_data([2.0], (&Device::flex(), DType::F64)).autodiff().require_grad();
    let step = GradientDescentConfig::new(0.3).with_projection(banach::Projection::NonNegative);
    let step = step.init(Distance { c: Param::from_tensor(c) }).unwrap();
    let layer = tight().init(step).unwrap();
    let z = tensor(&[1.0, -2.0, -0.5, -1.0], 2).autodiff().require_grad();
    let (x, energy) = layer.forward_with_outputs(z.clone());
    assert_close(&numbers(&x), &[1.0, 0.0, 0.0, 0.0], 1e-11, "x̂");
    assert_close(&numbers(&energy), &[4.0, 1.25], 1e-11, "f");
    let found = energy.sum().backward();
    // df/dz = -c (x̂ - z), and df/dc = ½ ‖x̂ - z‖².
    assert_close(&numbers(&z.grad(&found).unwrap()), &[0.0, -4.0, -1.0, -2.0], 1e-10, "df/dz");
    let dc = layer.update().energy().c.val().grad(&found).unwrap();
    assert_close(&numbers(&dc), &[2.625], 1e-10, "df/dc");
}
