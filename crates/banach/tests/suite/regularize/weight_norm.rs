//! Weights whose lengths and directions are learned apart.

use crate::corners::right;
use crate::reference::{assert_close, numbers};
use crate::regularize::{largest_singular_value, matrix_of, noise, noisy};
use crate::update;
use banach::regularize::{WeightNormConv2d, WeightNormLinear};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

fn linear() -> Linear {
    noisy(LinearConfig::new(4, 4).init(&Device::flex().autodiff()), 0.8)
}

fn conv() -> Conv2d {
    let config = Conv2dConfig::new([2, 2], [3, 3]).with_padding(PaddingConfig2d::Same);
    noisy(config.init(&Device::flex().autodiff()), 0.3)
}

#[test]
fn a_layer_starts_as_the_map_it_was_made_of() {
    let (x, image) = (noise([3, 4], 8), noise([2, 2, 4, 3], 8));
    let (found, expected) = (WeightNormLinear::new(linear()).forward(x.clone()), linear().forward(x));
    assert_close(&numbers(&found), &numbers(&expected), 1e-12, "linear");
    let (found, expected) = (WeightNormConv2d::new(conv()).forward(image.clone()), conv().forward(image));
    assert_close(&numbers(&found), &numbers(&expected), 1e-12, "convolution");
}

#[test]
fn every_output_has_the_length_that_is_learned() {
    let layer = noisy(WeightNormLinear::new(linear()), 2.0);
    let lengths = layer.weight().square().sum_dim(0).sqrt();
    assert_close(&numbers(&lengths), &numbers(&layer.length.val().abs()), 1e-12, "columns");
    let layer = noisy(WeightNormConv2d::new(conv()), 2.0);
    let lengths = layer.weight().flatten::<2>(1, 3).square().sum_dim(1).sqrt();
    assert_close(&numbers(&lengths), &numbers(&layer.length.val().abs()), 1e-12, "kernels");
}

#[test]
fn bounds_are_not_below_what_the_layers_do() {
    let layer = WeightNormLinear::new(linear()).valid();
    let exact = largest_singular_value(&matrix_of([1, 4], |x| layer.forward(x)));
    assert!(layer.bound() >= exact && layer.bound() < 1.01 * exact, "{exact}");
    let layer = WeightNormConv2d::new(conv()).valid();
    let exact = largest_singular_value(&matrix_of([1, 2, 4, 5], |x| layer.forward(x)));
    assert!(layer.bound() >= exact && layer.bound() < 2.0 * exact, "{exact}");
}

#[derive(Module, Debug)]
struct Dense {
    state: WeightNormLinear,
}

update!(Dense, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (this.state.forward(x) * 0.5
    + z)
    .tanh());

#[derive(Module, Debug)]
struct Images {
    state: WeightNormConv2d,
}

update!(Images, Tensor<4>, Tensor<4>, |this, z| z.zeros_like().inner(), |x, z| (this.state.forward(x) * 0.5
    + z)
    .tanh());

#[test]
fn gradients_reach_lengths_and_directions() {
    let layer = right("dense", Dense { state: WeightNormLinear::new(linear()) }, noise([3, 4], 5));
    let gradients = layer.forward(noise([3, 4], 5)).square().sum().backward();
    let state = &layer.update().state;
    let lengths = numbers(&state.length.val().grad(&gradients).unwrap());
    assert!(lengths.iter().all(|number| number.abs() > 1e-6), "{lengths:?}");
    // A direction has no gradient along itself.
    let directions = state.linear.weight.val();
    let along = (directions.grad(&gradients).unwrap() * directions.inner()).sum_dim(0);
    assert!(numbers(&along).iter().all(|number| number.abs() < 1e-9), "{along}");
    right("dense, eval", Dense { state: WeightNormLinear::new(linear()).valid() }, noise([3, 4], 5));
    right("images", Images { state: WeightNormConv2d::new(conv()) }, noise([2, 2, 4, 3], 5));
}

#[test]
fn records_hold_lengths_and_directions() {
    let layer = noisy(WeightNormLinear::new(linear()), 1.5);
    let expected = numbers(&layer.weight());
    let loaded = WeightNormLinear::new(linear()).load_record(layer.into_record());
    assert_eq!(numbers(&loaded.weight()), expected);
}
