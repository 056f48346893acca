//! Code that a trace does not record: detached tensors, random numbers, the mode. Refused, or correct.

use crate::corners::{config, some, weight};
use crate::reference::{assert_close, numbers};
use crate::update;
use banach::{
    Energy, Error, FixedPoint, FixedPointConfig, Function, GradientDescentConfig, Objective, detached,
};
use burn::module::{Module, Param};
use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What an update does that leaves no operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hidden {
    Nothing,
    DetachedWeight,
    DetachedState,
    DetachedInput,
    NoGradient,
    Noise,
    Mode,
    Held,
}

#[derive(Module, Debug)]
struct Cell {
    w: Param<Tensor<2>>,
    #[module(skip)]
    hidden: Hidden,
}

update!(Cell, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| {
    let w = this.w.val();
    let training = x.device().is_autodiff();
    match this.hidden {
        Hidden::Nothing => (x.matmul(w) * 0.4 + z).tanh(),
        Hidden::DetachedWeight => (x.matmul(w.detach()) * 0.4 + z).tanh(),
        Hidden::DetachedState => (x.detach().matmul(w) * 0.4 + z).tanh(),
        Hidden::DetachedInput => (x.matmul(w) * 0.4 + z.detach()).tanh(),
        Hidden::NoGradient => (x.matmul(w.set_require_grad(false)) * 0.4 + z).tanh(),
        Hidden::Noise => {
            let noise = if training { x.random_like(Distribution::Default) } else { x.zeros_like() };
            (x.matmul(w) * 0.4 + z + noise * 0.1).tanh()
        }
        Hidden::Mode => (x.matmul(w) * if training { 0.2 } else { 0.4 } + z).tanh(),
        Hidden::Held => (x.matmul(detached(w)) * 0.4 + z).tanh(),
    }
});

fn cell(hidden: Hidden) -> FixedPoint<Cell> {
    config().init(Cell { w: weight([3, 3]), hidden }).unwrap()
}

fn tracked() -> Tensor<2> {
    some([2, 3], 0.1).autodiff().require_grad()
}

#[test]
fn what_leaves_no_trace_is_refused_with_its_cause() {
    let cases = [
        (Hidden::DetachedWeight, "the gradient for the parameter `w`", "banach::detached"),
        (Hidden::DetachedState, "the gradient for state 0", "`detach`"),
        (Hidden::DetachedInput, "the gradient for input 0", "`detach`"),
        (Hidden::NoGradient, "the gradient for the parameter `w`", "`set_require_grad(false)`"),
        (Hidden::Noise, "the value of output 0", "random numbers"),
        (Hidden::Mode, "the value of output 0", "on a training device"),
    ];
    for (hidden, quantity, cause) in cases {
        for _ in 0..2 {
            let error = cell(hidden).solve(tracked()).unwrap_err();
            assert!(matches!(&error, Error::Untraced { .. }), "{hidden:?}: {error}");
            let text = error.to_string();
            let all = [quantity, cause, "the update differs", "with_check_trace(false)"];
            assert!(all.iter().all(|part| text.contains(part)), "{hidden:?}: {text}");
        }
        let config = config().with_check_trace(false);
        let unchecked = config.init(cell(hidden).into_update()).unwrap();
        assert!(unchecked.solve(tracked()).unwrap().report().converged(), "{hidden:?}");
    }
    assert!(cell(Hidden::Nothing).solve(tracked()).unwrap().report().converged());
}

#[test]
fn off_the_tape_the_value_is_compared_and_on_it_later_the_gradient_too() {
    let layer = cell(Hidden::DetachedInput).valid();
    assert!(layer.solve(some([2, 3], 0.1)).is_ok());
    assert!(matches!(layer.solve(tracked()), Err(Error::Untraced { .. })), "a trace known from inference");
    assert!(
        cell(Hidden::DetachedWeight).valid().solve(tracked()).is_ok(),
        "a weight off the tape has no gradient"
    );
}

#[test]
fn detached_holds_a_tensor_fixed_and_says_nothing_of_others() {
    let layer = cell(Hidden::Held);
    let (z, w) = (tracked(), layer.update().w.val());
    let found = layer.forward(z.clone()).sum().backward();
    assert!(w.grad(&found).is_none_or(|slope| numbers(&slope).iter().all(|slope| *slope == 0.0)));
    let expected = cell(Hidden::Nothing).forward(z.clone()).sum().backward();
    assert_close(&numbers(&z.grad(&found).unwrap()), &numbers(&z.grad(&expected).unwrap()), 1e-9, "dz");
}

#[test]
fn a_frozen_parameter_may_be_detached_and_gets_no_gradient() {
    for hidden in [Hidden::Nothing, Hidden::DetachedWeight, Hidden::NoGradient] {
        let layer = cell(hidden).no_grad();
        let w = layer.update().w.val();
        assert!(!w.is_require_grad());
        let z = tracked();
        let gradients = layer.solve(z.clone()).unwrap().into_value().sum().backward();
        assert!(w.grad(&gradients).is_none() && z.grad(&gradients).is_some(), "{hidden:?}");
    }
}

#[test]
fn unfreezing_compares_again() {
    let module = Cell { w: weight([3, 3]), hidden: Hidden::DetachedWeight };
    let layer = config().init(module.no_grad()).unwrap();
    assert!(layer.solve(tracked()).is_ok());
    assert!(matches!(layer.set_require_grad(true).solve(tracked()), Err(Error::Untraced { .. })));
}

/// An outer layer around one whose update detaches.
#[derive(Module, Debug)]
struct Around {
    inner: FixedPoint<Cell>,
}

update!(Around, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| this.inner.forward(x * 0.5)
    * 0.2
    + z);

#[test]
fn an_update_inside_an_update_is_compared_too() {
    let layer = config().init(Around { inner: cell(Hidden::DetachedWeight) }).unwrap();
    let error = layer.solve(tracked()).unwrap_err();
    assert!(matches!(&error, Error::Untraced { .. }), "{error}");
    let layer = config().init(Around { inner: cell(Hidden::Nothing) }).unwrap();
    let solution = layer.solve(tracked()).unwrap();
    assert!(solution.report().converged());
    assert_eq!(layer.statistics().solves, 1, "trial solves are not counted");
}

#[derive(Module, Debug)]
struct Well {
    w: Param<Tensor<2>>,
    dropout: Dropout,
    #[module(skip)]
    hidden: Hidden,
}

impl Energy for Well {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like().inner()
    }

    fn energy(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
        let w = self.w.val();
        let w = if self.hidden == Hidden::DetachedWeight { w.detach() } else { w };
        let y = x.clone().matmul(w);
        let y = if self.hidden == Hidden::Noise { self.dropout.forward(y) } else { y };
        (y.square() * 0.1 + (x - z).square()).sum_dim(1).squeeze_dim(1)
    }
}

#[test]
fn the_energy_of_a_gradient_step_is_compared_itself() {
    let solve = |hidden| {
        let dropout = DropoutConfig::new(0.5).init();
        let energy = Well { w: weight([3, 3]), dropout, hidden };
        let update = GradientDescentConfig::new(0.2).init(energy).unwrap();
        config().init(update).unwrap().solve(tracked())
    };
    assert!(solve(Hidden::Nothing).unwrap().report().converged(), "an unused dropout");
    let text = solve(Hidden::DetachedWeight).unwrap_err().to_string();
    assert!(text.contains("the trace of the energy") && text.contains("parameter `w`"), "{text}");
    let error = solve(Hidden::Noise).unwrap_err();
    assert!(matches!(&error, Error::NoFunction { place, .. } if place == "energy"), "{error}");
}

#[test]
fn an_objective_is_compared_with_the_fixed_points_in_it() {
    #[derive(Module, Debug)]
    struct Network {
        layer: FixedPoint<Cell>,
        dropout: Dropout,
        norm: BatchNorm,
    }
    let device = Device::flex().autodiff();
    let network = |hidden| Network {
        layer: cell(hidden),
        dropout: DropoutConfig::new(0.5).init(),
        norm: BatchNormConfig::new(3).init(&device),
    };
    let loss = |network: &Network, z: Tensor<2>| network.layer.forward(z).square().mean();
    let objective = Objective::new(loss);
    assert!(objective.value_and_gradient(&network(Hidden::Nothing), tracked()).is_ok(), "unused layers");
    assert_eq!(network(Hidden::Nothing).layer.statistics().solves, 0);
    let error = Objective::new(loss).value_and_gradient(&network(Hidden::DetachedWeight), tracked());
    assert!(matches!(error, Err(Error::Untraced { .. })), "{error:?}");
    let dropping = Objective::new(|network: &Network, z: Tensor<2>| {
        network.dropout.forward(network.layer.forward(z)).square().mean()
    });
    let error = dropping.value_and_gradient(&network(Hidden::Nothing), tracked()).unwrap_err();
    assert!(error.to_string().starts_with("the loss uses Dropout or BatchNorm in training mode"), "{error}");
    let detaching =
        Objective::new(|network: &Network, z: Tensor<2>| network.layer.forward(z).detach().square().mean());
    let error = detaching.value_and_gradient(&network(Hidden::Nothing), tracked()).unwrap_err();
    assert!(error.to_string().contains("the trace of the loss"), "{error}");
}

#[test]
fn a_function_is_compared_though_its_inputs_are_off_the_tape() {
    let x = some([3], 0.2);
    let error = Function::of(&x, |x: Tensor<1>| (x.clone() * x.detach()).sum()).unwrap_err();
    assert!(error.to_string().contains("the gradient for input 0"), "{error}");
    let right = Function::of(&x, |x: Tensor<1>| (x.clone() * detached(x)).sum()).unwrap();
    let slope: Tensor<1> = right.gradient(0).unwrap().call(x.clone()).unwrap();
    assert_close(&numbers(&slope), &numbers(&x), 1e-12, "half of the slope of a square");
    let calls = AtomicUsize::new(0);
    let counting = Function::of(&x, |x: Tensor<1>| x * calls.fetch_add(1, Ordering::Relaxed) as f64);
    assert!(matches!(counting, Err(Error::Untraced { .. })), "{counting:?}");
}

#[derive(Module, Debug)]
struct Sequences {
    attention: MultiHeadAttention,
}

update!(Sequences, Tensor<3>, Tensor<3>, |this, z| z.zeros_like().inner(), |x, z| {
    this.attention.forward(MhaInput::self_attn(x * 0.2 + z.clone())).context.tanh() * 0.3 + z
});

#[derive(Module, Debug)]
struct Spare {
    linear: Linear,
    norm: BatchNorm,
}

update!(Spare, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (this.linear.forward(x) * 0.2
    + z)
    .tanh());

#[test]
fn random_layers_that_are_not_used_are_not_refused() {
    let device = Device::flex().autodiff();
    for (dropout, refused) in [(0.0, false), (0.3, true)] {
        let attention = MultiHeadAttentionConfig::new(4, 2).with_dropout(dropout).init(&device);
        let layer = FixedPointConfig::new().init(Sequences { attention }).unwrap();
        let solved = layer.solve(Tensor::<3>::random([2, 3, 4], Distribution::Default, &device));
        match solved {
            Ok(solution) => assert!(!refused && solution.report().converged()),
            Err(error) => assert!(
                refused && matches!(&error, Error::NoFunction { found, .. } if found == "Dropout"),
                "{error}"
            ),
        }
    }
    let linear = || LinearConfig::new(3, 3).init(&device);
    let spare = || Spare { linear: linear(), norm: BatchNormConfig::new(3).init(&device) };
    let layer = FixedPointConfig::new().init(spare()).unwrap();
    let z = Tensor::<2>::ones([2, 3], &device);
    let before = numbers(&layer.update().norm.running_mean.value());
    assert!(layer.solve(z.clone()).unwrap().report().converged());
    assert_eq!(numbers(&layer.update().norm.running_mean.value()), before);
    let unchecked = FixedPointConfig::new().with_check_trace(false).init(spare()).unwrap();
    assert!(matches!(unchecked.solve(z), Err(Error::NoFunction { .. })));
}

/// Updates with kinks, ties, jumps and derivatives of zero at the start, which are functions all the same.
#[derive(Module, Debug)]
struct Kinked {
    #[module(skip)]
    which: usize,
}

update!(Kinked, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| match this.which {
    0 => (x.clone() - z.clone()).abs() * 0.3 + z,
    1 => x.clone().max_pair(z.clone()) * 0.3 + z.clamp(0.0, 1.0),
    2 => (x * 7.0).floor() * 0.05 + z,
    3 => x.clone().max_dim(1).repeat_dim(1, 4) * 0.3 + z.min_dim(1).repeat_dim(1, 4),
    4 => x.sign() * 0.1 + z.round(),
    5 =>
        burn::tensor::activation::relu(x) * 0.3
            + (z.clone() - z.clone().mean_dim(1)) / (z.var(1) + 1e-6).sqrt(),
    6 => (x * 1e-3 + z.clone() * 1e3 - z.clone() * 1e3) * 0.3 + z,
    7 => burn::tensor::activation::softmax(x * 30.0 + z.clone(), 1) + z.sqrt(),
    _ => x.powf_scalar(1.5) * 0.1 + (z + 1.0).log(),
});

#[test]
fn functions_with_kinks_jumps_and_cancellation_are_not_refused() {
    let device = Device::flex();
    let constant = Tensor::<2>::ones([3, 4], &device);
    let ties =
        Tensor::<2>::from_data([[0.0, 1.0, 1.0, 0.0], [0.5, 0.5, 0.5, 0.5], [-1.0, 2.0, 0.0, -0.0]], &device);
    let spoilt = ties.clone().slice_assign([0..1, 0..1], Tensor::full([1, 1], f64::NAN, &device));
    for which in 0..9 {
        for z in [constant.clone() * 0.0, constant.clone(), ties.clone(), spoilt.clone(), ties.clone() * 1e20]
        {
            let layer = FixedPointConfig::new().init(Kinked { which }).unwrap();
            if let Err(error) = layer.solve(z.clone().autodiff().require_grad()) {
                panic!("{which}: {error} at {z}");
            }
        }
    }
}
