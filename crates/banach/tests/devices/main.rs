//! Layers and programs on a device beside the processor, in single precision, against the processor.
//!
//! The device is the first one of wgpu, or of the runtime that `BANACH_DEVICE` names and the build has: vulkan, metal, cuda, rocm.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::wildcard_enum_match_arm, reason = "the rest of the primitives is exact")]

mod convolutions;
#[path = "../suite/golden.rs"]
mod golden;
mod kinds;
mod layers;
mod precisions;
mod primitives;
#[allow(dead_code, reason = "the tests of the processor use the rest")]
#[path = "../suite/reference.rs"]
mod reference;
mod solvers;

use burn::tensor::{DType, Device, DeviceType, Tensor, TensorData};
use std::sync::OnceLock;

/// The largest error of a result in the tests of the processor, in single precision.
pub(crate) const EXACT: f64 = 5e-4;
/// The tolerance of a solve to the precision of the device.
pub(crate) const TIGHTEST: f64 = 1e-6;

/// The device that is compared with the processor.
pub(crate) fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let first = || {
        let name = std::env::var("BANACH_DEVICE").unwrap_or_else(|_| "wgpu".into());
        let found = Device::enumerate(runtime(&name)).into_vec();
        let hint = "`.ci/devices` installs a driver in software for wgpu";
        found.into_iter().next().unwrap_or_else(|| panic!("found no device of {name}; {hint}"))
    };
    DEVICE.get_or_init(first).clone()
}

fn runtime(name: &str) -> DeviceType {
    match name {
        "wgpu" => DeviceType::Wgpu,
        #[cfg(feature = "vulkan")]
        "vulkan" => DeviceType::Vulkan,
        #[cfg(feature = "metal")]
        "metal" => DeviceType::Metal,
        #[cfg(feature = "cuda")]
        "cuda" => DeviceType::Cuda,
        #[cfg(feature = "rocm")]
        "rocm" => DeviceType::Rocm,
        _ => panic!("found BANACH_DEVICE={name}, expected a runtime that is a feature of this build"),
    }
}

/// Where the tests of reference values compute.
pub(crate) fn place() -> (Device, DType) {
    (device(), DType::F32)
}

/// The same numbers between -1 and 1 on every device.
pub(crate) fn spread<const D: usize>(shape: [usize; D], seed: u32, device: &Device) -> Tensor<D> {
    let count = shape.iter().product::<usize>();
    let number = |i: usize| ((i as f32 + 1.0) * 0.754_877 + seed as f32 * 0.569_84).fract() * 2.0 - 1.0;
    let numbers: Vec<f32> = (0..count).map(number).collect();
    Tensor::from_data(TensorData::new(numbers, shape), (device, DType::F32))
}

/// The largest difference of two vectors, relative to the largest number; NaN and infinities must stand in the same places.
pub(crate) fn largest_difference(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().filter(|x| x.is_finite()).fold(1.0f64, |size, x| size.max(x.abs()));
    let apart = |(a, b): (&f64, &f64)| match a == b || a.is_nan() && b.is_nan() {
        true => 0.0,
        false if (a - b).is_finite() => (a - b).abs() / size,
        false => f64::INFINITY,
    };
    found.iter().zip(expected).map(apart).fold(0.0, f64::max)
}
