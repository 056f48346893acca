//! Release of nodes that Burn's autodiff keeps until a backward pass reaches their graph.
//!
//! Burn registers every tracked parameter and every operation on it, and frees unreferenced nodes only in `backward`. A loop
//! that never calls `backward`, such as inference on a training device or compiled training, would keep all nodes. So every
//! few calls the backward pass of a product with zero frees them. It begins at a parameter if replaced parameters are graphs
//! of their own, and at an anchor if solves are nodes on the graph of their parameters. An anchor is a leaf of one element,
//! joined to every solve of a period; a parameter would leave its graph in the first release, and later releases would miss
//! the graph.
//!
//! Every thread has anchors of its own. An anchor that clones of a layer share would join the graphs of all their threads, and
//! Burn locks graphs in one order while it joins them and in another after a backward pass: two threads would wait for ever.

use banach_program::Value;
use burn::tensor::{Device, Tensor};
use std::cell::RefCell;
use std::sync::{Arc, Weak};

/// Calls between two releases.
const PERIOD: usize = 16;

/// The calls of a layer, or of an objective, since nodes were last released. The counts and anchors are those of each thread.
#[derive(Debug, Default)]
pub(crate) struct Release(Arc<()>);

thread_local! {
    /// The calls of this thread, with the releases that they belong to.
    static CALLS: RefCell<Vec<(Weak<()>, Calls)>> = const { RefCell::new(vec![]) };
}

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
    /// Runs a function on the calls of this thread.
    fn of_this_thread<T>(&self, function: impl FnOnce(&mut Calls) -> T) -> T {
        CALLS.with_borrow_mut(|all| {
            let known =
                all.iter().position(|(release, _)| std::ptr::eq(release.as_ptr(), Arc::as_ptr(&self.0)));
            let position = known.unwrap_or_else(|| {
                all.retain(|(release, _)| release.strong_count() > 0);
                all.push((Arc::downgrade(&self.0), Calls::default()));
                all.len() - 1
            });
            function(&mut all[position].1)
        })
    }

    /// Counts a call that registers these parameters, and releases nodes when that is due.
    pub(crate) fn count(&self, parameters: &[Value]) {
        if !self.of_this_thread(Calls::is_due) {
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
        let (old, kept) = self.of_this_thread(|calls| {
            // A layer may have moved to another device.
            let moved = calls.anchor.as_ref().is_some_and(|anchor| anchor.device() != *device);
            let old = if calls.is_due() || moved { calls.anchor.take() } else { None };
            (old, calls.anchor.clone())
        });
        let anchor = kept.unwrap_or_else(|| {
            let new = Tensor::zeros([1, 1], device).require_grad();
            self.of_this_thread(|calls| calls.anchor = Some(new.clone()));
            new
        });
        if let Some(old) = old {
            drop(old.mul_scalar(0.0).sum().backward());
        }
        anchor
    }

    /// Resets the count after Burn's own backward pass, which has released the nodes.
    pub(crate) fn reset(&self) {
        self.of_this_thread(|calls| calls.count = 0);
    }
}
