//! Nodes on Burn's tape whose backward pass calls a closure. The only file that uses Burn's autodiff internals.

use crate::settings::lock::locked;
use crate::tracing::release::Release;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Device, Tensor};
use std::fmt::{Debug, Formatter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Returns `x` as a node that depends on all of `inputs`. In the backward pass, `gradients` receives the cotangent of x and
/// which inputs need a cotangent, and returns these cotangents in the shapes of the inputs.
pub(crate) fn join(
    x: Tensor<2>,
    inputs: Vec<Tensor<2>>,
    gradients: impl Fn(Tensor<2>, &[bool]) -> Vec<Option<Tensor<2>>> + Send + Sync + 'static,
) -> Tensor<2> {
    let shared = Arc::new(Shared {
        gradients: Box::new(gradients),
        needed: inputs.iter().map(|_| AtomicBool::new(false)).collect(),
        computed: Mutex::new(vec![]),
    });
    let Some(device) = inputs.iter().map(Tensor::device).find(Device::is_autodiff) else { return x };
    inputs.into_iter().enumerate().fold(x.to_device(&device), |x, (position, input)| {
        let share = Share { shared: Arc::clone(&shared), position };
        Tensor::from_dispatch(<Dispatch as SolutionNode>::joined(
            x.into_dispatch(),
            input.into_dispatch(),
            share,
        ))
    })
}

/// Joins `x` to an anchor as well, whose cotangent is zero: a backward pass of the anchor frees unreferenced nodes.
pub(crate) fn anchored(x: Tensor<2>, release: &Release) -> Tensor<2> {
    if !x.is_tracked() {
        return x;
    }
    let anchor = release.anchor(&x.device());
    join(x, vec![anchor], |v, _| vec![Some(Tensor::zeros([1, 1], (&v.device(), v.dtype())))])
}

/// A closure that computes the cotangents of all inputs that need one.
type AllGradients = Box<dyn Fn(Tensor<2>, &[bool]) -> Vec<Option<Tensor<2>>> + Send + Sync>;

/// The state that the nodes of one solution share. The first node that is reached computes the cotangents of all.
struct Shared {
    gradients: AllGradients,
    needed: Vec<AtomicBool>,
    computed: Mutex<Vec<Option<Tensor<2>>>>,
}

/// The share of one input.
#[derive(Clone)]
pub(crate) struct Share {
    shared: Arc<Shared>,
    position: usize,
}

impl Debug for Share {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share {}", self.position)
    }
}

impl Share {
    fn need(&self) {
        self.shared.needed[self.position].store(true, Ordering::Relaxed);
    }

    fn gradient(&self, v: Tensor<2>) -> Tensor<2> {
        let mut computed = locked(&self.shared.computed);
        if computed.get(self.position).is_none_or(Option::is_none) {
            let needed: Vec<bool> =
                self.shared.needed.iter().map(|needed| needed.load(Ordering::Relaxed)).collect();
            *computed = (self.shared.gradients)(v, &needed);
        }
        computed[self.position]
            .take()
            .unwrap_or_else(|| panic!("bug: found no cotangent of input {}, expected one", self.position))
    }
}

/// The node, for every backend of the build.
#[backend_extension(Flex, Cube: cfg(any(feature = "cuda", feature = "rocm", feature = "wgpu")), Remote: cfg(feature = "remote"), Autodiff)]
pub(crate) trait SolutionNode: Backend {
    /// Returns `x` as a node that depends on `input` as well.
    fn joined(x: FloatTensor<Self>, input: FloatTensor<Self>, share: Share) -> FloatTensor<Self>;
    /// Returns the cotangent of an input.
    fn shared(v: FloatTensor<Self>, share: Share) -> FloatTensor<Self>;
}

macro_rules! plain_backend {
    ($backend:ty) => {
        impl SolutionNode for $backend {
            fn joined(x: FloatTensor<Self>, _: FloatTensor<Self>, _: Share) -> FloatTensor<Self> {
                x
            }

            fn shared(v: FloatTensor<Self>, share: Share) -> FloatTensor<Self> {
                let gradient = share.gradient(Tensor::from_primitive::<$backend>(v));
                gradient.try_into_primitive::<$backend>().unwrap_or_else(|error| {
                    panic!("bug: found a cotangent on another device than its input: {error:?}")
                })
            }
        }
    };
}

plain_backend!(Flex);
#[cfg(any(feature = "cuda", feature = "rocm", feature = "wgpu"))]
plain_backend!(burn::backend::Cube);
#[cfg(feature = "remote")]
plain_backend!(burn::backend::Remote);

#[derive(Debug)]
struct JoinedBackward;

impl<B: SolutionNode> Backward<B, 2> for JoinedBackward {
    type State = Share;

    fn backward(self, ops: Ops<Share, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let v = grads.consume::<B>(&ops.node);
        let [x, input] = &ops.parents;
        if let Some(input) = input {
            grads.register::<B>(input.id, B::shared(v.clone(), ops.state.clone()));
        }
        if let Some(x) = x {
            grads.register::<B>(x.id, v);
        }
    }
}

impl<B: SolutionNode, C: CheckpointStrategy> SolutionNode for Autodiff<B, C> {
    fn joined(x: FloatTensor<Self>, input: FloatTensor<Self>, share: Share) -> FloatTensor<Self> {
        if input.is_tracked() {
            share.need();
        }
        let ((x, x_node), (input, input_node)) = (x.into_parts(), input.into_parts());
        match JoinedBackward.prepare::<C>([x_node, input_node]).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => preparation.finish(share.clone(), B::joined(x, input, share)),
            OpsKind::UnTracked(preparation) => preparation.finish(B::joined(x, input, share)),
        }
    }

    fn shared(_: FloatTensor<Self>, _: Share) -> FloatTensor<Self> {
        panic!("bug: found a cotangent on the tape, expected a plain tensor")
    }
}
