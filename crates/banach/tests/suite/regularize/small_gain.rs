//! Updates initialised as contractions.

use crate::reference::{assert_close, numbers};
use crate::regularize::{cell, largest_singular_value, noise, noisy};
use crate::update;
use banach::regularize::SmallGain;
use banach::{Error, Update};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

#[test]
fn the_jacobian_of_a_cell_gets_the_gain_that_was_asked_for() {
    let drawn = cell(2.0);
    let bias = numbers(&drawn.state.bias.as_ref().unwrap().val());
    let before = drawn.state.weight.val();
    let z = noise([1, 3], 3);
    let settings = SmallGain::new().with_gain(0.6).with_steps(200);
    let (small, report) = settings.init(drawn, z.clone()).unwrap();
    let weight = small.state.weight.val();
    assert_close(&numbers(&weight), &numbers(&(before * report.scale)), 1e-12, "one scale for all");
    assert_eq!(numbers(&small.state.bias.as_ref().unwrap().val()), bias);
    assert!(weight.is_require_grad());
    // J = W diag(1 - tanh²), transposed.
    let y = small.update(z.zeros_like(), z);
    let slopes = numbers(&(y.square() * -1.0 + 1.0));
    let weight = numbers(&weight);
    let matrix: Vec<Vec<f64>> =
        (0..3).map(|row| (0..3).map(|column| weight[row * 3 + column] * slopes[column]).collect()).collect();
    let exact = largest_singular_value(&matrix);
    assert_close(&[report.after], &[exact], 1e-6, "the report");
    assert!(report.after <= 0.6 && report.after > 0.598 && report.before > 1.0, "{report:?}");
}

#[test]
fn an_update_that_contracts_already_stays_as_it_is() {
    let drawn = cell(0.1);
    let before = numbers(&drawn.state.weight.val());
    let (same, report) = SmallGain::new().init(drawn, noise([2, 3], 3)).unwrap();
    assert_eq!(numbers(&same.state.weight.val()), before);
    assert_eq!((report.scale, report.before), (1.0, report.after));
}

#[derive(Module, Debug)]
struct Images {
    first: Conv2d,
    second: Conv2d,
}

update!(Images, Tensor<4>, Tensor<4>, |this, z| z.zeros_like().inner(), |x, z| this
    .second
    .forward(this.first.forward(x + z.clone()).tanh())
    + z);

#[test]
fn convolutions_are_scaled_too_and_the_row_that_magnifies_most_counts() {
    let config = Conv2dConfig::new([2, 2], [3, 3]).with_padding(PaddingConfig2d::Same);
    let module = || Images { first: config.init(&Device::flex()), second: config.init(&Device::flex()) };
    let module = noisy(module(), 1.0).valid();
    let z = noise([3, 2, 4, 4], 7);
    let (small, report) = SmallGain::new().with_steps(100).init(module.clone(), z.clone()).unwrap();
    assert!(report.after <= 0.9 && report.after > 0.89 && report.scale < 0.9, "{report:?}");
    let gains = (0..3).map(|row| {
        let one = SmallGain::new().with_gain(1e6).with_steps(100);
        one.init(small.clone(), z.clone().narrow(0, row, 1)).unwrap().1.after
    });
    let most = gains.fold(0.0, f64::max);
    assert_close(&[report.after], &[most], 1e-3, "the most of all rows");
}

#[derive(Module, Debug)]
struct Around {
    state: Linear,
}

update!(Around, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| this.state.forward(x.clone())
    + x
    + z);

#[test]
fn what_passes_around_the_weights_is_refused_with_its_size() {
    let around = noisy(Around { state: LinearConfig::new(3, 3).init(&Device::flex()) }, 1.0).valid();
    let error = SmallGain::new().init(around, noise([2, 3], 1)).unwrap_err();
    assert!(error.to_string().contains("weights of almost zero"), "{error}");
    for settings in [SmallGain::new().with_gain(0.0), SmallGain::new().with_steps(0)] {
        let error = settings.init(cell(1.0), noise([2, 3], 1)).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{error}");
    }
    let text = serde_json::to_string(&SmallGain::new().with_gain(0.3)).unwrap();
    assert_eq!(serde_json::from_str::<SmallGain>(&text).unwrap().gain, 0.3);
}
