//! Compiled functions and training steps, their optimizer and gradient clipping.

pub(crate) mod adam;
pub(crate) mod clipping;
pub(crate) mod compiled;
pub(crate) mod objective;
pub(crate) mod replicas;
