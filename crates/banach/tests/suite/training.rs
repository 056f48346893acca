//! Gradient clipping and Adam, against Burn's tensor operations.

use crate::reference::numbers;
use banach::{AdamConfig, clip_gradients};
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{self, GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};

#[derive(Module, Debug)]
struct Two {
    wide: Param<Tensor<2>>,
    long: Param<Tensor<1>>,
}

/// Parameters of more than one part, and a loss whose slopes differ from step to step.
fn two(dtype: DType) -> (Two, Device) {
    let device = Device::flex().autodiff();
    let wave = |count: usize| -> Vec<f64> { (0..count).map(|i| (i as f64 * 0.37).sin()).collect() };
    let wide = Tensor::<2>::from_data(TensorData::new(wave(200 * 151), [200, 151]), (&device, dtype));
    let long = Tensor::<1>::from_data(TensorData::new(wave(7), [7]), (&device, dtype));
    (Two { wide: Param::from_tensor(wide), long: Param::from_tensor(long) }, device)
}

fn gradients(module: &Two) -> GradientsParams {
    let loss = module.wide.val().powi_scalar(4).sum() + (module.long.val() - 0.5).powi_scalar(2).sum();
    GradientsParams::from_grads(loss.backward(), module)
}

fn trained(mut optimizer: ModuleOptimizer, dtype: DType, steps: usize) -> Vec<f64> {
    let (mut module, _) = two(dtype);
    for step in 0..steps {
        let gradients = gradients(&module);
        module = optimizer.step(1e-2 / (step + 1) as f64, module, gradients);
        if step == 1 {
            // Nothing is lost on the way through a record.
            let bytes = optimizer.into_bytes().unwrap();
            optimizer = AdamConfig::new().init().unwrap().from_bytes(bytes).unwrap();
        }
    }
    [numbers(&module.wide.val()), numbers(&module.long.val())].concat()
}

#[test]
fn adam_is_burns_adam() {
    for (dtype, tolerance) in [(DType::F32, 3e-5), (DType::F64, 1e-6)] {
        let ours = trained(AdamConfig::new().with_epsilon(1e-5).init().unwrap(), dtype, 2);
        let theirs = trained(optim::AdamConfig::new().init(), dtype, 2);
        assert_eq!(ours.len(), 200 * 151 + 7);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!((ours - theirs).abs() <= tolerance, "{dtype:?}: {ours}, not {theirs}");
        }
    }
}

#[test]
fn decay_is_that_of_burns_adamw() {
    let ours = trained(AdamConfig::new().with_epsilon(1e-5).with_decay(0.3).init().unwrap(), DType::F32, 2);
    let theirs = trained(optim::AdamWConfig::new().with_weight_decay(0.3).init(), DType::F32, 2);
    let plain = trained(AdamConfig::new().with_epsilon(1e-5).init().unwrap(), DType::F32, 2);
    let furthest = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(furthest(&ours, &theirs) < 3e-5);
    assert!(furthest(&ours, &plain) > 1e-4);
}

#[test]
fn an_optimizer_goes_on_where_its_record_ends() {
    let straight = {
        let (mut module, mut optimizer) = (two(DType::F32).0, AdamConfig::new().init().unwrap());
        for step in 0..4 {
            let gradients = gradients(&module);
            module = optimizer.step(1e-2 / (step + 1) as f64, module, gradients);
        }
        numbers(&module.wide.val())
    };
    assert_eq!(trained(AdamConfig::new().init().unwrap(), DType::F32, 4)[..straight.len()], straight);
}

#[test]
fn settings_of_adam_without_meaning_are_refused() {
    let usual = AdamConfig::new();
    for (config, message) in [
        (usual.clone().with_beta_1(1.0), "the setting `beta_1` is 1, expected a number in [0, 1)"),
        (usual.clone().with_beta_2(-0.1), "the setting `beta_2` is -0.1, expected a number in [0, 1)"),
        (usual.clone().with_epsilon(0.0), "the setting `epsilon` is 0, expected a finite number > 0"),
        (usual.with_decay(f64::NAN), "the setting `decay` is NaN, expected a finite number >= 0"),
    ] {
        assert_eq!(config.init().err().unwrap().to_string(), message);
    }
}

#[test]
fn a_module_with_clones_moves_alone() {
    let (module, _) = two(DType::F32);
    let kept = module.clone();
    let before = numbers(&kept.wide.val());
    let gradients = gradients(&module);
    let moved = AdamConfig::new().init().unwrap().step(0.1, module, gradients);
    assert_eq!(numbers(&kept.wide.val()), before);
    assert_ne!(numbers(&moved.wide.val()), before);
}

#[test]
fn gradients_are_clipped_together() {
    for dtype in [FloatDType::F32, FloatDType::F64] {
        let (module, _) = two(dtype.into());
        let whole = |gradients: &GradientsParams| {
            let (wide, long): (Tensor<2>, Tensor<1>) =
                (gradients.get(module.wide.id).unwrap(), gradients.get(module.long.id).unwrap());
            [numbers(&wide), numbers(&long)].concat()
        };
        let before = whole(&gradients(&module));
        let length = before.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
        let (clipped, norm) = clip_gradients(&module, gradients(&module), 2.0).unwrap();
        assert!((norm / length - 1.0).abs() < 1e-6, "{norm}, not {length}");
        for (after, before) in whole(&clipped).iter().zip(&before) {
            assert!((after - before * 2.0 / length).abs() < 1e-6);
        }
        let (same, _) = clip_gradients(&module, gradients(&module), 1e9).unwrap();
        assert_eq!(whole(&same), before);
    }
}

#[test]
fn a_norm_that_is_not_finite_is_said_and_changes_nothing() {
    let (module, device) = two(DType::F32);
    let mut gradients = GradientsParams::new();
    let wide = Tensor::<2>::full([200, 151], f32::NAN, &device.without_autodiff());
    gradients.register(module.wide.id, wide);
    let (gradients, norm) = clip_gradients(&module, gradients, 1.0).unwrap();
    assert!(norm.is_nan());
    assert!(gradients.get::<2>(module.wide.id).is_some());
}

#[test]
fn a_parameter_in_two_places_is_clipped_once_and_a_bound_must_bound() {
    #[derive(Module, Debug)]
    struct Tied {
        first: Linear,
        second: Linear,
    }
    let device = Device::flex().autodiff();
    let first = LinearConfig::new(2, 1).with_bias(false).init(&device);
    let tied = Tied { second: first.clone(), first };
    let gradients = || {
        let loss = tied.first.forward(Tensor::<2>::from_floats([[3.0, 4.0]], &device)).sum();
        GradientsParams::from_grads(loss.backward(), &tied)
    };
    let (clipped, norm) = clip_gradients(&tied, gradients(), 1.0).unwrap();
    let found = numbers(&clipped.get::<2>(tied.second.weight.id).unwrap());
    assert!((norm - 5.0).abs() < 1e-6 && (found[0] - 0.6).abs() < 1e-6 && (found[1] - 0.8).abs() < 1e-6);
    for bound in [0.0, -1.0, f64::NAN] {
        let text = clip_gradients(&tied, gradients(), bound).err().unwrap().to_string();
        assert!(text.contains("`longest`") && text.contains("above 0"), "{text}");
    }
}
