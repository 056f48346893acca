//! Release of nodes that Burn's autodiff keeps until a backward pass reaches their graph.
//!
//! Burn registers every tracked parameter and every operation on it, and frees what nothing references in `backward` alone. A
//! loop that never calls it, such as inference on a training device or compiled training, would keep all of them. So every few
//! calls a backward pass of a product with zero frees them: of a parameter where replaced parameters are graphs of their
//! own, and of an anchor where solves are nodes on the graph of their parameters. An anchor is a leaf of one number, joined to
//! every solve of a period; a parameter would leave its graph in the first release, and later ones would miss it.

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
    /// Counts a call. Returns whether nodes are to be released.
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
    /// Counts a call that registers these parameters, and releases nodes where it is time.
    pub(crate) fn count(&self, parameters: &[Value]) {
        if !locked(&self.0).is_due() {
            return;
        }
        // A leaf alone: a backward pass through anything else would consume a graph that the caller may still need.
        let leaves = parameters.iter().filter(|tensor| tensor.is_tracked_leaf());
        let Some(smallest) = leaves.min_by_key(|tensor| tensor.ty().len()) else { return };
        let flat: Result<Tensor<1>, _> = smallest.clone().reshaped(&[smallest.ty().len()]).try_into_tensor();
        if let Ok(flat) = flat {
            drop(flat.mul_scalar(0.0).sum().backward());
        }
    }

    /// Counts a solve, releases nodes where it is time, and returns the leaf that the solve is to be joined to.
    pub(crate) fn anchor(&self, device: &Device) -> Tensor<2> {
        let mut calls = locked(&self.0);
        let due = calls.is_due();
        let old = if due { calls.anchor.take() } else { None };
        let new = || Tensor::zeros([1, 1], device).require_grad();
        let anchor = calls.anchor.get_or_insert_with(new).clone();
        drop(calls);
        if let Some(old) = old {
            drop(old.mul_scalar(0.0).sum().backward());
        }
        anchor
    }

    /// Burn's own backward pass released the nodes.
    pub(crate) fn reset(&self) {
        locked(&self.0).count = 0;
    }
}
