//! Dropout with one mask for each solve.

use crate::corners::right;
use crate::reference::{assert_close, numbers};
use crate::regularize::{noise, noisy};
use crate::update;
use banach::regularize::{Mask, VariationalDropout, VariationalDropoutConfig};
use banach::{Error, Update};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

#[derive(Module, Debug)]
struct Masked {
    state: Linear,
}

update!(Masked, Tensor<2>, (Tensor<2>, Mask<2>), |this, z| z.0.zeros_like().inner(), |x, (z, mask)| (this
    .state
    .forward(mask.apply(x))
    + z)
    .tanh());

fn masked() -> Masked {
    noisy(Masked { state: LinearConfig::new(6, 6).init(&Device::flex().autodiff()) }, 0.2)
}

fn dropout(probability: f64) -> VariationalDropout {
    VariationalDropoutConfig::new(probability).init().unwrap()
}

#[test]
fn every_iteration_and_the_backward_pass_see_the_same_mask() {
    let z = noise([5, 6], 3);
    let mask = dropout(0.5).draw(&z.clone().autodiff());
    let layer = right("masked", masked(), (z.clone(), mask.clone()));
    let x = layer.forward((z.clone(), mask.clone())).inner();
    let once = layer.update().clone().valid().update(x.clone(), (z.clone(), mask.clone()));
    assert_close(&numbers(&once), &numbers(&x), 1e-10, "a fixed point");
    assert_eq!(numbers(&layer.forward((z.clone(), mask))), numbers(&x));
    let plain = numbers(&layer.forward((z, Mask::none())));
    assert!(plain.iter().zip(numbers(&x)).any(|(a, b)| (a - b).abs() > 1e-3));
}

#[test]
fn a_mask_holds_zeros_and_scaled_ones_and_keeps_the_mean() {
    let like = noise([200, 20], 1).autodiff();
    let mask = dropout(0.25).draw(&like);
    let factors = numbers(mask.factors().unwrap());
    assert!(factors.iter().all(|factor| *factor == 0.0 || *factor == 1.0 / 0.75));
    let mean = factors.iter().sum::<f64>() / 4000.0;
    assert!((mean - 1.0).abs() < 0.1, "{mean}");
    assert_ne!(factors[..20], factors[20..40]);
    assert_ne!(numbers(dropout(0.25).draw(&like).factors().unwrap()), factors);
}

#[test]
fn nothing_is_dropped_in_eval_mode_frozen_off_the_tape_or_with_probability_zero() {
    let (plain, taped) = (noise([4, 6], 1), noise([4, 6], 1).autodiff());
    assert!(dropout(0.5).draw(&plain).factors().is_none());
    assert!(dropout(0.5).valid().draw(&taped).factors().is_none());
    assert!(dropout(0.5).freeze().draw(&taped).factors().is_none());
    assert!(dropout(0.0).draw(&taped).factors().is_none());
    let trained = dropout(0.5).valid().train();
    assert!(trained.draw(&taped).factors().is_some());
    assert_eq!(numbers(&Mask::none().apply(plain.clone())), numbers(&plain));
}

#[test]
fn probabilities_outside_their_range_are_refused_and_settings_saved() {
    for probability in [-0.1, 1.0, f64::NAN] {
        let error = VariationalDropoutConfig::new(probability).init().unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{error}");
    }
    let text = serde_json::to_string(&VariationalDropoutConfig::new(0.3)).unwrap();
    assert_eq!(serde_json::from_str::<VariationalDropoutConfig>(&text).unwrap().probability, 0.3);
    let loaded = dropout(0.5).load_record(dropout(0.5).into_record());
    assert!(loaded.draw(&noise([4, 6], 1).autodiff()).factors().is_some());
}
