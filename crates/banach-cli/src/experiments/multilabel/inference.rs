//! Inference in the unit box by projected gradient steps with momentum, off the tape.

use banach::{Energy, Projection, Unrolled, UnrolledConfig};
use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};

/// Steps of an inference.
const STEPS: usize = 30;
const RATE: f64 = 0.05;
const MOMENTUM: f64 = 0.9;

/// Keeps the logits of outputs in the unit box finite.
const LEAST: f64 = 1e-6;

/// The last of 30 projected gradient steps down an energy in [0, 1]ⁿ, off the tape; the energy has to be off it too.
pub(crate) fn minimised<E: Module + ModuleDisplay + Energy<State = Tensor<2>>>(
    energy: E,
    z: E::Input,
) -> Tensor<2> {
    let unit = Projection::Box { lower: vec![0.0], upper: vec![1.0] };
    let config = UnrolledConfig::new(STEPS, RATE).with_momentum(MOMENTUM).with_projection(unit);
    let layer: Unrolled<E> = config.init(energy).unwrap_or_else(|error| panic!("bug: {error}"));
    layer.forward(z).unwrap_or_else(|error| panic!("bug: {error}"))
}

/// The logits of outputs in the unit box.
pub(crate) fn logits(y: Tensor<2>) -> Tensor<2> {
    let y = y.clamp(LEAST, 1.0 - LEAST);
    (y.clone() / (y.neg() + 1.0)).log()
}

/// A tensor off the tape as a constant of the tape of a device.
pub(crate) fn constant(y: Tensor<2>, device: &Device) -> Tensor<2> {
    y.to_device(device)
}
