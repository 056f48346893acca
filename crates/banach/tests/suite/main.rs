//! Layers: fixed points and gradients against golden values, closed forms, differences and unrolled iteration.

mod gradients;
mod golden;
mod layer;
mod outcomes;
mod reference;
mod zoo;
