//! Corner cases of a layer: every kind of input and state, empty batches, failed rows, unusual starts.

use crate::reference::{assert_close, numbers};
use crate::update;
use banach::solve::{Outcome, Tolerance};
use banach::{Error, FixedPoint, FixedPointConfig, Update, check};
use burn::module::{Module, Param};
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};

pub(crate) fn config() -> FixedPointConfig {
    FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).with_max_steps(400)
}

/// Small numbers in double precision.
pub(crate) fn some<const D: usize>(shape: [usize; D], seed: f64) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let numbers: Vec<f64> = (0..count).map(|at| (seed + 1.3 * at as f64).sin() * 0.5).collect();
    Tensor::from_data(TensorData::new(numbers, shape), (&Device::flex(), DType::F64))
}

/// The layer, after its gradients were checked in every way.
pub(crate) fn right<M: Module + Update>(name: &str, update: M, z: M::Input) -> FixedPoint<M> {
    let layer = config().init(update).unwrap();
    let found = check::gradients(&layer, z).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(found.agrees(1e-5) && found.unrolled.is_some(), "{name}: {found:?}");
    layer
}

pub(crate) fn weight(shape: [usize; 2]) -> Param<Tensor<2>> {
    Param::from_tensor(some(shape, 1.0).autodiff().require_grad())
}

#[derive(Module, Debug)]
pub(crate) struct Mixed {
    pub(crate) w: Param<Tensor<2>>,
}

update!(
    Mixed,
    Tensor<2>,
    (Tensor<1, Int>, Tensor<2, Bool>, Tensor<2>, Tensor<1>),
    |this, z| z.2.zeros_like().inner(),
    |x, (at, mask, z, _unused)| {
        let x = (x.matmul(this.w.val()) * 0.4 + z.sqrt() + this.w.val().select(0, at)).tanh();
        x.clone().mask_where(mask, x * 0.5)
    }
);

pub(crate) fn mixed_input(
    dtype: DType,
    second: f64,
) -> (Tensor<1, Int>, Tensor<2, Bool>, Tensor<2>, Tensor<1>) {
    let device = Device::flex();
    let at = Tensor::from_data(TensorData::from([0i64, 2, 1]), (&device, dtype));
    let mask = Tensor::from_data([[true, false, false], [false, true, false], [true, true, false]], &device);
    let z = Tensor::from_data([[0.3, 0.4, 0.5], [0.1, second, 0.2], [0.7, 0.2, 0.1]], (&device, DType::F64));
    (at, mask, z, some([7], 0.0))
}

#[test]
fn integers_masks_and_unused_tensors_can_be_inputs() {
    for dtype in [DType::I64, DType::I32] {
        let layer = right("mixed", Mixed { w: weight([3, 3]) }, mixed_input(dtype, 0.3));
        assert_eq!(layer.solve(mixed_input(dtype, 0.3)).unwrap().report().outcomes.len(), 3);
    }
}

#[test]
fn a_mask_that_was_selected_is_still_a_mask() {
    let layer = config().init(Mixed { w: weight([3, 3]) }).unwrap();
    let (at, mask, z, unused) = mixed_input(DType::I64, 0.3);
    let expected = numbers(&layer.forward((at.clone(), mask.clone(), z.clone(), unused.clone())));
    let rows = Tensor::from_data([0, 1, 2], &Device::flex());
    assert_eq!(numbers(&layer.forward((at, mask.select(0, rows), z, unused))), expected);
}

#[test]
fn a_lost_row_beside_integers_and_masks_leaves_the_gradients_of_parameters_alone() {
    let layer = config().init(Mixed { w: weight([3, 3]) }).unwrap();
    let w = layer.update().w.val();
    let solution = layer.solve(mixed_input(DType::I64, -1.0)).unwrap();
    assert_eq!(solution.report().outcomes[1], Outcome::NonFinite);
    let gradients = solution.into_value().sum().backward();
    let found = numbers(&w.grad(&gradients).unwrap());
    assert!(found.iter().all(|number| number.is_finite()), "{found:?}");
    let (at, mask, z, unused) = mixed_input(DType::I64, 0.3);
    let two = |x: Tensor<2>| Tensor::cat(vec![x.clone().narrow(0, 0, 1), x.narrow(0, 2, 1)], 0);
    let mask = Tensor::cat(vec![mask.clone().narrow(0, 0, 1), mask.narrow(0, 2, 1)], 0);
    let at = Tensor::cat(vec![at.clone().narrow(0, 0, 1), at.narrow(0, 2, 1)], 0);
    let gradients = layer.forward((at, mask, two(z), unused)).sum().backward();
    assert_close(&found, &numbers(&w.grad(&gradients).unwrap()), 1e-9, "the two sound rows");
}

/// x = sqrt(x + z)
#[derive(Module, Debug)]
struct Root {}

update!(Root, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (x + z).sqrt());

#[test]
fn where_every_row_is_lost_backward_still_runs() {
    let z = Tensor::<2>::from_data([[-1.0f32], [-2.0]], &Device::flex()).autodiff().require_grad();
    let x = FixedPointConfig::new().init(Root {}).unwrap().forward(z.clone());
    let gradients = (x.sum() + z.clone().sum()).backward();
    assert_eq!(numbers(&z.grad(&gradients).unwrap()), [1.0, 1.0]);
    let x = FixedPointConfig::new().init(Root {}).unwrap().forward(z.clone());
    assert!(z.grad(&x.sum().backward()).is_none());
}

/// x = z, x = x and x = 0.5 as maps of x.
#[derive(Module, Debug)]
struct Degenerate {
    which: usize,
}

update!(Degenerate, Tensor<2>, Tensor<2>, |this, z| z.ones_like().inner(), |x, z| match this.which {
    0 => z,
    1 => x,
    _ => Tensor::full(x.dims(), 0.5, (&x.device(), DType::F64)),
});

#[test]
fn maps_that_ignore_x_or_z_or_both_are_solved() {
    for (which, value, slope) in [(0, 0.7, Some(1.0)), (1, 1.0, None), (2, 0.5, None)] {
        let layer = config().init(Degenerate { which }).unwrap();
        let z =
            Tensor::<2>::from_data([[0.7], [0.7]], (&Device::flex(), DType::F64)).autodiff().require_grad();
        let solution = layer.solve(z.clone()).unwrap();
        assert!(solution.report().converged(), "{which}");
        assert_eq!(numbers(solution.value()), [value, value], "{which}");
        let gradients = (solution.into_value() + z.clone() * 0.0).sum().backward();
        let slope = slope.unwrap_or(0.0);
        assert_eq!(numbers(&z.grad(&gradients).unwrap()), [slope, slope], "{which}");
    }
}

/// One tensor given back as two states.
#[derive(Module, Debug)]
struct Twins {}

update!(
    Twins,
    (Tensor<2>, Tensor<2>),
    Tensor<2>,
    |this, z| (z.zeros_like().inner(), z.zeros_like().inner()),
    |x, z| {
        let y = (x.0 * 0.3 - x.1 * 0.2 + z).tanh();
        (y.clone(), y)
    }
);

#[test]
fn one_tensor_can_be_two_states() {
    let layer = right("twins", Twins {}, some([2, 3], 0.1));
    let (a, b) = layer.forward(some([2, 3], 0.1));
    assert_eq!(numbers(&a), numbers(&b));
}

/// x = tanh(x / 2 + z) for a state of any rank.
#[derive(Module, Debug)]
pub(crate) struct AnyRank<const D: usize> {}

impl<const D: usize> Update for AnyRank<D> {
    type State = Tensor<D>;
    type Input = Tensor<D>;

    fn start(&self, z: &Tensor<D>) -> Tensor<D> {
        z.zeros_like().inner()
    }

    fn update(&self, x: Tensor<D>, z: Tensor<D>) -> Tensor<D> {
        (x * 0.5 + z).tanh()
    }
}

#[test]
fn states_have_any_rank() {
    right("1", AnyRank::<1> {}, some([4], 0.1));
    right("3", AnyRank::<3> {}, some([2, 3, 2], 0.1));
    right("4", AnyRank::<4> {}, some([2, 1, 3, 2], 0.1));
    right("5", AnyRank::<5> {}, some([2, 2, 1, 2, 2], 0.1));
    right("6", AnyRank::<6> {}, some([1, 2, 2, 1, 2, 2], 0.1));
}

#[test]
fn empty_batches_and_empty_rows_are_solved_and_differentiated() {
    let layer = config().init(AnyRank::<2> {}).unwrap();
    for shape in [[0, 3], [3, 0], [0, 0]] {
        let z = some(shape, 0.1).autodiff().require_grad();
        let solution = layer.solve(z.clone()).unwrap();
        assert!(solution.report().converged(), "{shape:?}");
        assert_eq!(solution.value().dims(), shape);
        let gradients = solution.into_value().sum().backward();
        assert_eq!(z.grad(&gradients).unwrap().dims(), shape);
    }
}

#[derive(Module, Debug)]
struct Cosine {}

update!(Cosine, Tensor<2>, (), |this, _z| Tensor::zeros([1, 1], (&Device::flex(), DType::F64)), |x, _z| (x
    + 0.0)
    .cos());

#[test]
fn a_layer_needs_neither_input_nor_parameters() {
    let x = numbers(&config().init(Cosine {}).unwrap().forward(()));
    assert_close(&x, &[0.739_085_133_215_160_6], 1e-11, "x = cos x");
}

#[test]
fn frozen_parameters_get_no_gradient_and_block_none() {
    let layer = config().init(Mixed { w: weight([3, 3]) }).unwrap().no_grad();
    let w = layer.update().w.val();
    let (at, mask, z, unused) = mixed_input(DType::I64, 0.3);
    let z = z.autodiff().require_grad();
    let gradients = layer.forward((at, mask, z.clone(), unused)).sum().backward();
    assert!(w.grad(&gradients).is_none());
    assert!(z.grad(&gradients).is_some());
}

#[test]
fn devices_that_recompute_give_the_same_gradients() {
    let (plain, recomputing) =
        (Device::flex().autodiff(), Device::flex().autodiff().gradient_checkpointing());
    let gradient = |device: &Device| {
        let z = Tensor::from_data(some([2, 3], 0.2).into_data(), (device, DType::F64)).require_grad();
        let layer = config().init(AnyRank::<2> {}).unwrap();
        let y = layer.forward((z.clone() * 1.5).sin());
        numbers(&z.grad(&y.powi_scalar(2).sum().backward()).unwrap())
    };
    assert_close(&gradient(&recomputing), &gradient(&plain), 1e-12, "checkpointing");
}

#[test]
fn a_start_on_the_tape_is_only_a_start() {
    let layer = config().init(AnyRank::<2> {}).unwrap();
    let z = some([2, 3], 0.2).autodiff().require_grad();
    let x0 = some([2, 3], 0.9).autodiff().require_grad();
    let gradients = layer.solve_from(x0.clone(), z.clone()).unwrap().into_value().sum().backward();
    assert!(x0.grad(&gradients).is_none() && z.grad(&gradients).is_some());
}

#[test]
fn a_start_of_another_precision_or_shape_is_an_error() {
    let layer = config().init(AnyRank::<2> {}).unwrap();
    let error = layer.solve_from(some([2, 3], 0.2).cast(DType::F32), some([2, 3], 0.2)).unwrap_err();
    assert!(error.to_string().contains("dtype"), "{error}");
    let error = layer.solve_from(some([2, 1], 0.2), some([2, 3], 0.2)).unwrap_err();
    assert!(matches!(error, Error::State { position: 0, .. }), "{error}");
    assert!(layer.solve_from(some([5, 4], 0.2), some([2, 3], 0.2)).is_err());
}

#[test]
fn two_losses_of_one_solution_can_be_summed_or_solved_for_one_after_the_other() {
    let layer = config().init(AnyRank::<2> {}).unwrap();
    let z = some([2, 3], 0.2).autodiff().require_grad();
    let solve = || layer.forward(z.clone());
    let [a, b] = [solve().sum().backward(), solve().powi_scalar(2).sum().backward()];
    let x = solve();
    let both = (x.clone().sum() + x.powi_scalar(2).sum()).backward();
    let sum = z.grad(&a).unwrap() + z.grad(&b).unwrap();
    assert_close(&numbers(&z.grad(&both).unwrap()), &numbers(&sum), 1e-10, "the sum");
}

#[test]
fn half_precision_layers_are_solved() {
    let layer = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-2)).init(AnyRank::<2> {}).unwrap();
    for dtype in [DType::F16, DType::BF16] {
        let z = some([2, 3], 0.2).cast(dtype).autodiff().require_grad();
        let solution = layer.solve(z.clone()).unwrap();
        assert!(solution.report().converged(), "{dtype:?}: {}", solution.report().explain());
        let gradients = solution.into_value().sum().backward();
        assert!(numbers(&z.grad(&gradients).unwrap()).iter().all(|number| *number > 0.5), "{dtype:?}");
    }
}

/// x = tanh(x w + z) with the batch as wide as the state.
#[derive(Module, Debug)]
struct Square {
    w: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

update!(Square, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (x.matmul(this.w.val())
    * 0.4
    + this.bias.val().unsqueeze()
    + z.sqrt())
.tanh());

#[test]
fn a_parameter_with_as_many_rows_as_the_batch_is_no_batch() {
    let bias = || Param::from_tensor(some([3], 0.4).autodiff().require_grad());
    let layer = config().init(Square { w: weight([3, 3]), bias: bias() }).unwrap();
    let (w, b) = (layer.update().w.val(), layer.update().bias.val());
    let input = |second: f64| {
        let numbers = [[0.3, 0.4, 0.5], [0.1, second, 0.2], [0.7, 0.2, 0.1]];
        Tensor::<2>::from_data(numbers, (&Device::flex(), DType::F64))
    };
    let lost = layer.solve(input(-1.0)).unwrap();
    assert_eq!(lost.report().outcomes.iter().filter(|outcome| outcome.is_converged()).count(), 2);
    let lost = lost.into_value().sum().backward();
    let sound = Tensor::cat(vec![input(0.3).narrow(0, 0, 1), input(0.3).narrow(0, 2, 1)], 0);
    let sound = layer.forward(sound).sum().backward();
    assert_close(&numbers(&w.grad(&lost).unwrap()), &numbers(&w.grad(&sound).unwrap()), 1e-9, "W");
    assert_close(&numbers(&b.grad(&lost).unwrap()), &numbers(&b.grad(&sound).unwrap()), 1e-9, "bias");
}
