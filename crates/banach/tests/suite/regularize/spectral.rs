//! Matrices and convolutions divided by their largest singular value.

use crate::corners::right;
use crate::reference::{assert_close, numbers};
use crate::regularize::{largest_singular_value, matrix_of, noise, noisy};
use crate::update;
use banach::regularize::{
    SpectralConv2d, SpectralConv2dConfig, SpectralEstimate, SpectralLinear, SpectralLinearConfig,
    singular_value,
};
use banach::{Error, FixedPointConfig};
use burn::module::Module;
use burn::nn::conv::Conv2dConfig;
use burn::nn::{LinearConfig, PaddingConfig2d};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{DType, Device, Tensor};

const POWER: SpectralEstimate = SpectralEstimate::Power { margin: 0.0, steps: 3 };

fn linear(estimate: SpectralEstimate, gain: f64, size: f64) -> SpectralLinear {
    let config = SpectralLinearConfig::new(LinearConfig::new(6, 6)).with_gain(gain).with_estimate(estimate);
    noisy(config.init(&Device::flex().autodiff()).unwrap(), size)
}

fn conv(estimate: SpectralEstimate, padding: PaddingConfig2d, groups: usize) -> SpectralConv2d {
    let conv = Conv2dConfig::new([4, 4], [3, 2]).with_padding(padding).with_groups(groups);
    let config = SpectralConv2dConfig::new(conv).with_gain(0.8).with_estimate(estimate);
    noisy(config.with_image(Some([5, 4])).init(&Device::flex().autodiff()).unwrap(), 1.0)
}

fn singular(weight: &Tensor<2>) -> f64 {
    let [rows, columns] = weight.dims();
    let numbers = numbers(weight);
    largest_singular_value(
        &(0..rows).map(|row| numbers[row * columns..][..columns].to_vec()).collect::<Vec<_>>(),
    )
}

#[test]
fn a_bound_of_a_matrix_is_never_too_small_and_closes_in() {
    for shape in [[5, 5], [7, 3], [3, 7], [1, 4], [4, 1]] {
        let weight = noise(shape, 3);
        let exact = singular(&weight);
        let mut before = f64::INFINITY;
        for steps in 0..8 {
            let bound = numbers(&singular_value::matrix_bound(weight.clone(), steps))[0];
            assert!(bound >= exact * (1.0 - 1e-12), "{shape:?}, {steps} steps: {bound} below {exact}");
            let rank = shape[0].min(shape[1]) as f64;
            let worst = rank.powf(0.5f64.powi(steps as i32 + 1));
            assert!(
                bound <= exact * worst * (1.0 + 1e-12),
                "{shape:?}, {steps} steps: {bound}, exact {exact}"
            );
            assert!(bound <= before * (1.0 + 1e-12));
            before = bound;
        }
    }
}

#[test]
fn the_product_of_row_and_column_sums_is_taken_where_it_is_smaller() {
    let identity = Tensor::<2>::eye(9, &Device::flex());
    assert_eq!(numbers(&singular_value::matrix_bound(identity, 0)), [1.0]);
}

#[test]
fn a_bound_of_a_convolution_holds_for_every_padding_stride_and_dilation() {
    let paddings = [PaddingConfig2d::Valid, PaddingConfig2d::Same, PaddingConfig2d::Explicit(2, 0, 1, 3)];
    for (groups, padding) in [1, 2, 4].into_iter().flat_map(|groups| paddings.clone().map(|p| (groups, p))) {
        for (stride, dilation) in [([1, 1], [1, 1]), ([2, 1], [1, 1]), ([1, 1], [1, 2])] {
            if matches!(padding, PaddingConfig2d::Same) && stride != [1, 1] {
                continue;
            }
            let config = Conv2dConfig::new([4, 8], [3, 2]).with_groups(groups).with_padding(padding.clone());
            let config = config.with_stride(stride).with_dilation(dilation);
            let layer = noisy(config.init(&Device::flex()), 1.0).valid();
            let exact = largest_singular_value(&matrix_of([1, 4, 5, 6], |x| layer.forward(x)));
            let mut before = f64::INFINITY;
            for steps in 0..4 {
                let bound = singular_value::convolution_bound(layer.weight.val(), groups, steps);
                let bound = numbers(&bound)[0];
                assert!(bound >= exact, "{config}: {steps} steps give {bound}, exact {exact}");
                assert!(bound <= before * (1.0 + 1e-12), "{config}: {steps} steps");
                before = bound;
            }
            assert!(before < 2.0 * exact, "{config}: {before}, exact {exact}");
        }
    }
}

#[test]
fn a_layer_keeps_its_gain_whatever_its_weight() {
    for size in [0.01, 1.0, 100.0] {
        let layer = linear(SpectralEstimate::Gram { steps: 4 }, 0.7, size).valid();
        let exact = singular(&layer.weight());
        assert!(exact <= 0.7 && layer.bound() >= exact && layer.bound() <= 0.7 + 1e-12, "{exact}");
        let found = largest_singular_value(&matrix_of([1, 6], |x| layer.forward(x)));
        assert_close(&[found], &[exact], 1e-10, "the map is that of the weight");
    }
    let small = linear(SpectralEstimate::Gram { steps: 4 }, 0.7, 0.01);
    assert_eq!(numbers(&small.weight()), numbers(&small.linear.weight.val()));
}

#[test]
fn power_iteration_finds_the_largest_singular_value_from_below() {
    let layer = linear(POWER, 0.7, 1.0);
    let exact = singular(&layer.linear.weight.val());
    let before = numbers(&layer.estimate())[0];
    layer.advance(400);
    let after = numbers(&layer.estimate())[0];
    assert!(before < after && after <= exact * (1.0 + 1e-12));
    assert_close(&[after, layer.bound()], &[exact, 0.7], 1e-2, "after 400 steps");

    let layer = conv(POWER, PaddingConfig2d::Same, 1);
    let plain = layer.conv.clone().valid();
    let exact = largest_singular_value(&matrix_of([1, 4, 5, 4], |x| plain.forward(x)));
    layer.advance(400).unwrap();
    assert_close(&numbers(&layer.estimate()), &[exact], 1e-6, "with its padding, on its image");
    let kept = layer.valid();
    let found = largest_singular_value(&matrix_of([1, 4, 5, 4], |x| kept.forward(x)));
    assert_close(&[found], &[0.8], 1e-6, "the gain");
    assert!(kept.bound() >= found);
}

#[test]
fn a_margin_makes_the_estimate_larger() {
    let [plain, more] = [0.0, 0.25].map(|margin| {
        let layer = linear(SpectralEstimate::Power { margin, steps: 1 }, 0.7, 1.0);
        numbers(&layer.estimate())[0]
    });
    assert_close(&[more], &[1.25 * plain], 1e-12, "1 + margin");
}

#[test]
fn a_weight_of_zeros_has_a_gradient_and_leaves_the_direction() {
    for estimate in [SpectralEstimate::Gram { steps: 3 }, POWER] {
        let layer = linear(estimate, 0.7, 0.0);
        layer.advance(3);
        let x = noise([2, 6], 1).autodiff();
        let gradients = layer.forward(x).sum().backward();
        let found = numbers(&layer.linear.weight.val().grad(&gradients).unwrap());
        assert!(found.iter().all(|number| number.is_finite()), "{found:?}");
    }
}

#[derive(Module, Debug)]
struct Dense {
    state: SpectralLinear,
}

update!(Dense, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| (this.state.forward(x) + z)
    .tanh());

#[derive(Module, Debug)]
struct Images {
    state: SpectralConv2d,
}

update!(Images, Tensor<4>, Tensor<4>, |this, z| z.zeros_like().inner(), |x, z| (this.state.forward(x) + z)
    .tanh());

#[test]
fn gradients_through_a_layer_are_right_on_the_tape_and_in_eval_mode() {
    for estimate in [SpectralEstimate::Gram { steps: 3 }, POWER] {
        let state = linear(estimate, 0.7, 2.0);
        state.advance(5);
        right("dense", Dense { state: state.clone() }, noise([3, 6], 5));
        right("dense, eval", Dense { state: state.valid() }, noise([3, 6], 5));
        for groups in [1, 2] {
            let state = conv(estimate, PaddingConfig2d::Same, groups);
            state.advance(5).unwrap();
            right("images", Images { state }, noise([2, 4, 5, 4], 5));
        }
    }
}

#[test]
fn a_layer_that_would_diverge_converges_and_only_its_weight_is_trained() {
    let state = linear(POWER, 0.9, 5.0);
    state.advance(50);
    let layer = FixedPointConfig::new().init(Dense { state }).unwrap();
    let z = noise([4, 6], 2);
    let plain = (0..300).fold(z.zeros_like(), |x: Tensor<2>, _| {
        (x.matmul(layer.update().state.linear.weight.val().inner()) + z.clone()) * 1.0
    });
    assert!(!numbers(&plain).iter().all(|number| number.is_finite() && number.abs() < 1e9));
    let solution = layer.solve(z.clone()).unwrap();
    assert!(solution.report().converged());
    let gradients = solution.into_value().sum().backward();
    let gradients = GradientsParams::from_grads(gradients, &layer);
    assert_eq!(gradients.len(), 2);
    let before = numbers(&layer.update().state.estimate());
    let layer = SgdConfig::new().init().step(0.5, layer, gradients);
    layer.update().state.advance(1);
    assert_ne!(numbers(&layer.update().state.estimate()), before);
    assert!(layer.solve(z).unwrap().report().converged());
}

#[test]
fn the_direction_is_saved_with_the_weights() {
    let layer = linear(POWER, 0.7, 1.0);
    layer.advance(7);
    let expected = numbers(&layer.estimate());
    let path = std::env::temp_dir().join(format!("banach-spectral-{}.bpk", std::process::id()));
    layer.clone().save_file(&path).unwrap();
    let loaded = linear(POWER, 0.7, 3.0).load_file(&path);
    assert_eq!(numbers(&loaded.estimate()), expected);
    std::fs::remove_file(&path).unwrap();
    let record = layer.into_record();
    assert_eq!(numbers(&linear(POWER, 0.7, 2.0).load_record(record).estimate()), expected);
}

#[test]
fn settings_survive_serialisation_and_those_with_no_meaning_are_refused() {
    let config = SpectralLinearConfig::new(LinearConfig::new(2, 3)).with_estimate(POWER).with_gain(0.4);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<SpectralLinearConfig>(&text).unwrap().to_string(), config.to_string());
    for gain in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = config.clone().with_gain(gain).init(&Device::flex()).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{error}");
    }
    let margin = SpectralEstimate::Power { margin: -0.1, steps: 1 };
    assert!(config.with_estimate(margin).init(&Device::flex()).is_err());
    let images = SpectralConv2dConfig::new(Conv2dConfig::new([2, 2], [3, 3])).with_estimate(POWER);
    let error = images.init(&Device::flex()).unwrap_err().to_string();
    assert!(error.contains("`image` is none"), "{error}");
}

#[test]
fn single_precision_is_kept() {
    let layer = SpectralLinearConfig::new(LinearConfig::new(4, 4)).init(&Device::flex()).unwrap();
    assert_eq!(layer.forward(Tensor::<2>::ones([1, 4], &Device::flex())).dtype(), DType::F32);
    assert!(layer.bound() <= 0.9 * (1.0 + 1e-5));
}
