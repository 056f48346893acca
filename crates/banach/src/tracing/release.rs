//! Release of nodes that Burn's autodiff keeps until a backward pass reaches their graph.
//!
//! Burn registers every tracked parameter and every operation on it, and frees what nobody references in `backward` alone. A
//! loop that never calls it, such as compiled training, would keep them all. Every few calls a backward pass of a product of
//! one parameter with nothing frees them. It frees replaced parameters, which are graphs of their own, and not the nodes of
//! solves whose other parameters are still referenced: inference on a training device still grows.

use banach_program::Value;
use burn::tensor::Tensor;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls between two releases.
const PERIOD: usize = 16;

/// The number of calls since nodes were last released.
#[derive(Debug, Default)]
pub(crate) struct Release(AtomicUsize);

impl Release {
    /// Counts a call that registers nodes of these tensors, and releases nodes where it is time.
    pub(crate) fn count(&self, tensors: &[Value]) {
        if self.0.fetch_add(1, Ordering::Relaxed) + 1 < PERIOD {
            return;
        }
        self.reset();
        // A leaf alone: a backward pass through anything else would consume a graph that the caller may still need.
        let leaves = tensors.iter().filter(|tensor| tensor.is_tracked_leaf());
        let Some(smallest) = leaves.min_by_key(|tensor| tensor.ty().len()) else { return };
        let flat: Result<Tensor<1>, _> = smallest.clone().reshaped(&[smallest.ty().len()]).try_into_tensor();
        if let Ok(flat) = flat {
            drop(flat.mul_scalar(0.0).sum().backward());
        }
    }

    /// Burn's own backward pass released the nodes.
    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}
