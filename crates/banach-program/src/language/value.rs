//! Tensors whose rank and kind are known only at run time.
//!
//! Only the type is defined here, because custom primitives evaluate themselves on values; operations on
//! values are in `run/value/`.

use burn::backend::DispatchTensor;

/// A tensor of any rank and kind on any device.
#[derive(Clone, Debug)]
pub struct Value(pub(crate) DispatchTensor);
