//! Release of nodes that Burn's autodiff keeps until a backward pass reaches their graph.
//!
//! Burn registers every tracked parameter and every operation on it, and frees unreferenced nodes only in `backward`. A loop
//! that never calls `backward`, such as inference on a training device or compiled training, would keep all nodes. So every
//! few calls the backward pass of a product with zero frees them. It begins at a parameter if replaced parameters are graphs
//! of their own, and at an anchor if solves are nodes on the graph of their parameters. An anchor is a leaf of one element,
//! joined to every solve of a period; a parameter would leave its graph in the first release, and later releases would miss
//! the graph.

use crate::settings::lock::locked;
use banach_program::Value;
use burn::tensor::{Device, Tensor};
use std::sync::Mutex;

/// Calls between two releases.
const PERIOD: usize = 16;

/// The calls since nodes were last released.
#[derive(Debug, Default)]
pub(crate) struct Release(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    count: usize,
    /// The leaf that solves are joined to until the next release.
    anchor: Option<Tensor<2>>,
}

impl Calls {
    /// Counts a call, and returns whether a release is due.
    fn is_due(&mut self) -> bool {
        self.count += 1;
        let due = self.count >= PERIOD;
        if due {
            self.count = 0;
        }
        due
    }
}

impl Release {
    /// Counts a call that registers these parameters, and releases nodes when that is due.
    pub(crate) fn count(&self, parameters: &[Value]) {
        if !locked(&self.0).is_due() {
            return;
        }
        // Only a leaf: a backward pass from another node would consume a graph that the caller may still need.
        let leaves = parameters.iter().filter(|tensor| tensor.is_tracked_leaf());
        let Some(smallest) = leaves.min_by_key(|tensor| tensor.ty().len()) else { return };
        let flat: Result<Tensor<1>, _> = smallest.clone().reshaped(&[smallest.ty().len()]).try_into_tensor();
        if let Ok(flat) = flat {
            drop(flat.mul_scalar(0.0).sum().backward());
        }
    }

    /// Counts a solve, releases nodes when that is due, and returns the leaf to which the solve is joined.
    pub(crate) fn anchor(&self, device: &Device) -> Tensor<2> {
        let mut calls = locked(&self.0);
        let due = calls.is_due();
        // Clones of a layer may be on several devices.
        let elsewhere = calls.anchor.as_ref().is_some_and(|anchor| anchor.device() != *device);
        let old = if due || elsewhere { calls.anchor.take() } else { None };
        let new = || Tensor::zeros([1, 1], device).require_grad();
        let anchor = calls.anchor.get_or_insert_with(new).clone();
        drop(calls);
        if let Some(old) = old {
            drop(old.mul_scalar(0.0).sum().backward());
        }
        anchor
    }

    /// Resets the count after Burn's own backward pass, which has released the nodes.
    pub(crate) fn reset(&self) {
        locked(&self.0).count = 0;
    }
}
