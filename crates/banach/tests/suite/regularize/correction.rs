//! Iterates on the way to the solution, and their gradients.

use crate::corners::config;
use crate::reference::{assert_close, numbers};
use crate::regularize::{Cell, cell, noise};
use crate::update;
use banach::regularize::{FixedPointCorrection, StateGradient, discounted};
use banach::{Error, FixedPoint, Update};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

fn layer() -> FixedPoint<Cell> {
    config().init(cell(0.5)).unwrap()
}

/// The state after some steps, all but the last ones off the tape.
fn walked(cell: &Cell, z: &Tensor<2>, steps: usize, on_tape: usize) -> Tensor<2> {
    (0..steps).fold(z.zeros_like().inner(), |x, step| {
        let next = cell.update(x.autodiff(), z.clone());
        if step + on_tape < steps { next.inner() } else { next }
    })
}

fn gradients(layer: &FixedPoint<Cell>, x: Tensor<2>, z: &Tensor<2>) -> (Vec<f64>, Vec<f64>) {
    let gradients = x.powi_scalar(3).sum().backward();
    let w = layer.update().state.weight.val();
    (numbers(&w.grad(&gradients).unwrap()), numbers(&z.grad(&gradients).unwrap()))
}

#[test]
fn states_are_those_of_plain_iteration_with_the_gradient_of_their_last_steps() {
    let layer = layer();
    let z = noise([4, 3], 3).autodiff().require_grad();
    for steps in [1, 2, 100] {
        let settings = FixedPointCorrection::new(vec![1, 3, 4, 7]).with_gradient(StateGradient::Steps(steps));
        let states = settings.states(&layer, z.clone()).unwrap();
        assert_eq!(states.len(), 4);
        for (state, at) in states.into_iter().zip([1, 3, 4, 7]) {
            let expected = match steps {
                100 => (0..at).fold(z.zeros_like(), |x, _| layer.update().update(x, z.clone())),
                steps => walked(layer.update(), &z, at, steps),
            };
            assert_close(&numbers(&state), &numbers(&expected), 1e-12, "the state");
            let [found, expected] = [state, expected].map(|x| gradients(&layer, x, &z));
            assert_close(&found.0, &expected.0, 1e-10, "W");
            assert_close(&found.1, &expected.1, 1e-10, "z");
        }
    }
}

#[test]
fn the_implicit_gradient_at_the_solution_is_that_of_the_layer() {
    let layer = layer();
    let z = noise([4, 3], 3).autodiff().require_grad();
    let settings = FixedPointCorrection::new(vec![2, 300]).with_gradient(StateGradient::Implicit);
    let mut states = settings.states(&layer, z.clone()).unwrap();
    let last = states.pop().unwrap();
    let [found, expected] = [last, layer.forward(z.clone())].map(|x| gradients(&layer, x, &z));
    assert_close(&found.0, &expected.0, 1e-8, "W");
    assert_close(&found.1, &expected.1, 1e-8, "z");
    let early = gradients(&layer, states.pop().unwrap(), &z);
    assert!(early.0.iter().zip(&expected.0).any(|(a, b)| (a - b).abs() > 1e-6));
}

/// x = x W / 2 + sqrt(z - x): a row leaves the numbers when x passes z.
#[derive(Module, Debug)]
struct Root {
    w: Param<Tensor<2>>,
}

update!(Root, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| x.clone().matmul(this.w.val())
    * 0.1
    + (z - x).sqrt());

#[test]
fn a_row_that_leaves_the_numbers_stays_where_it_was_and_spoils_nothing() {
    let w = Param::from_tensor(noise([1, 1], 1).autodiff().require_grad());
    let layer = config().init(Root { w }).unwrap();
    let w = layer.update().w.val();
    let column = |numbers: &[f64]| {
        let rows: Vec<Tensor<2>> = numbers.iter().map(|z| noise([1, 1], 0) * 0.0 + *z).collect();
        Tensor::cat(rows, 0)
    };
    for gradient in [StateGradient::Steps(2), StateGradient::Implicit] {
        let settings = FixedPointCorrection::new(vec![1, 5]).with_gradient(gradient);
        let states = |z: &[f64]| settings.states(&layer, column(z)).unwrap();
        // At 0.3 the first step gives √0.3 > 0.3, and the second no number.
        let (three, two) = (states(&[3.0, 0.3, 4.0]), states(&[3.0, 4.0]));
        let stayed = numbers(&three[1])[1];
        assert_close(&[stayed], &[0.3f64.sqrt()], 1e-12, "the last number it was");
        assert_eq!([numbers(&three[1])[0], numbers(&three[1])[2]], numbers(&two[1])[..]);
        let [found, expected] =
            [&three, &two].map(|states| numbers(&w.grad(&states[1].clone().sum().backward()).unwrap()));
        assert_close(&found, &expected, 1e-9, "W");
        let lost = states(&[0.3]).pop().unwrap();
        assert!(w.grad(&lost.sum().backward()).is_none_or(|gradient| numbers(&gradient) == [0.0]));
    }
}

#[test]
fn off_the_tape_states_are_plain() {
    let layer = layer().valid();
    let states = FixedPointCorrection::new(vec![2]).states(&layer, noise([2, 3], 1)).unwrap();
    assert!(!states[0].is_autodiff());
}

#[test]
fn steps_are_spread_evenly_or_drawn() {
    assert_eq!(FixedPointCorrection::evenly(12, 3).at, [4, 8, 12]);
    assert_eq!(FixedPointCorrection::evenly(2, 5).at, [1, 2]);
    let mut counts = [0; 10];
    for seed in 0..2000 {
        let at = FixedPointCorrection::sampled(10, 3, seed).at;
        assert_eq!(at.len(), 3);
        assert!(at.windows(2).all(|pair| pair[0] < pair[1]) && at[0] >= 1 && at[2] <= 10);
        assert_eq!(at, FixedPointCorrection::sampled(10, 3, seed).at);
        at.iter().for_each(|step| counts[step - 1] += 1);
    }
    assert!(counts.iter().all(|count| (500..700).contains(count)), "{counts:?}");
    assert_eq!(FixedPointCorrection::sampled(2, 9, 1).at, [1, 2]);
}

#[test]
fn losses_are_discounted_from_the_last() {
    let states = [noise([1], 1) * 0.0 + 1.0, noise([1], 1) * 0.0 + 10.0, noise([1], 1) * 0.0 + 100.0];
    let sum = discounted(&states, 0.5, |x: &Tensor<1>| x.clone()).unwrap();
    assert_close(&numbers(&sum), &[100.0 + 5.0 + 0.25], 1e-12, "γ² ℓ₁ + γ ℓ₂ + ℓ₃");
    assert!(discounted(&[] as &[Tensor<1>], 0.5, Tensor::clone).is_err());
}

#[test]
fn settings_with_no_meaning_are_refused() {
    let layer = layer();
    let wrong = [
        FixedPointCorrection::new(vec![]),
        FixedPointCorrection::new(vec![0, 1]),
        FixedPointCorrection::new(vec![3, 3]),
        FixedPointCorrection::new(vec![1]).with_gradient(StateGradient::Steps(0)),
    ];
    for settings in wrong {
        let error = settings.states(&layer, noise([1, 3], 1)).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{error}");
    }
    let settings = FixedPointCorrection::new(vec![1, 4]).with_gradient(StateGradient::Implicit);
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<FixedPointCorrection>(&text).unwrap(), settings);
}
