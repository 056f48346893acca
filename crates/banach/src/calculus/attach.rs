//! Nodes on Burn's tape whose backward calls a closure. The only file that knows Burn's
//! autodiff.

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

/// `x`, which depends on all of `inputs`. Backward, `gradients` gets the cotangent and which of the inputs are wanted,
/// and gives the cotangents of these, shaped as the inputs.
pub(crate) fn join(
    x: Tensor<2>,
    inputs: Vec<Tensor<2>>,
    gradients: impl Fn(Tensor<2>, &[bool]) -> Vec<Option<Tensor<2>>> + Send + Sync + 'static,
) -> Tensor<2> {
    let shared = Arc::new(Shared {
        gradients: Box::new(gradients),
        wanted: inputs.iter().map(|_| AtomicBool::new(false)).collect(),
        waiting: Mutex::new(vec![]),
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

/// `x` as a node on the graph of an anchor too, whose cotangent is zero: nodes that nothing references are freed with it.
pub(crate) fn anchored(x: Tensor<2>, release: &Release) -> Tensor<2> {
    if !x.is_tracked() {
        return x;
    }
    let anchor = release.anchor(&x.device());
    join(x, vec![anchor], |v, _| vec![Some(Tensor::zeros([1, 1], (&v.device(), v.dtype())))])
}

/// The cotangents of all inputs, and what to do for them.
type AllGradients = Box<dyn Fn(Tensor<2>, &[bool]) -> Vec<Option<Tensor<2>>> + Send + Sync>;

/// What the nodes of one solution have in common: the first that is reached computes for all.
struct Shared {
    gradients: AllGradients,
    wanted: Vec<AtomicBool>,
    waiting: Mutex<Vec<Option<Tensor<2>>>>,
}

/// One input's part of it.
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
    fn wanted(&self) {
        self.shared.wanted[self.position].store(true, Ordering::Relaxed);
    }

    fn gradient(&self, v: Tensor<2>) -> Tensor<2> {
        let mut waiting = locked(&self.shared.waiting);
        if waiting.get(self.position).is_none_or(Option::is_none) {
            let wanted: Vec<bool> =
                self.shared.wanted.iter().map(|wanted| wanted.load(Ordering::Relaxed)).collect();
            *waiting = (self.shared.gradients)(v, &wanted);
        }
        waiting[self.position].take().unwrap_or_else(|| panic!("input {} has no gradient", self.position))
    }
}

/// The node, for every backend the crate is built with.
#[backend_extension(Flex, Cube: cfg(feature = "cuda"), Autodiff)]
pub(crate) trait SolutionNode: Backend {
    /// `x`, which depends on `input` too.
    fn joined(x: FloatTensor<Self>, input: FloatTensor<Self>, share: Share) -> FloatTensor<Self>;
    /// The cotangent of an input.
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
                gradient
                    .try_into_primitive::<$backend>()
                    .unwrap_or_else(|error| panic!("a gradient must stay on its device: {error:?}"))
            }
        }
    };
}

plain_backend!(Flex);
#[cfg(feature = "cuda")]
plain_backend!(burn::backend::Cube);

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
            share.wanted();
        }
        let ((x, x_node), (input, input_node)) = (x.into_parts(), input.into_parts());
        match JoinedBackward.prepare::<C>([x_node, input_node]).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => preparation.finish(share.clone(), B::joined(x, input, share)),
            OpsKind::UnTracked(preparation) => preparation.finish(B::joined(x, input, share)),
        }
    }

    fn shared(_: FloatTensor<Self>, _: Share) -> FloatTensor<Self> {
        panic!(
            "Burn's backward runs on plain tensors; a cotangent on the tape is a bug of Burn's or of this file"
        )
    }
}
