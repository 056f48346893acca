//! How does a solution stand on Burn's tape? As one node whose backward calls a closure. The only file that knows
//! Burn's autodiff.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use std::fmt::{Debug, Formatter};
use std::sync::Arc;

/// What happens to the cotangent on its way back.
#[derive(Clone)]
pub(crate) struct Pullback(Arc<dyn Fn(Tensor<2>) -> Tensor<2> + Send + Sync>);

impl Debug for Pullback {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pullback")
    }
}

/// The identity forward; backward, the cotangent goes through `pullback`.
pub(crate) fn attach(
    y: Tensor<2>,
    pullback: impl Fn(Tensor<2>) -> Tensor<2> + Send + Sync + 'static,
) -> Tensor<2> {
    let pullback = Pullback(Arc::new(pullback));
    Tensor::from_dispatch(<Dispatch as SolutionNode>::solution(y.into_dispatch(), pullback))
}

/// The node, for every backend the crate is built with.
#[backend_extension(Flex, Cube: cfg(feature = "cuda"), Autodiff)]
pub(crate) trait SolutionNode: Backend {
    /// The identity, whose backward goes through `pullback`.
    fn solution(y: FloatTensor<Self>, pullback: Pullback) -> FloatTensor<Self>;
    /// The cotangent after `pullback`.
    fn pulled(v: FloatTensor<Self>, pullback: Pullback) -> FloatTensor<Self>;
}

macro_rules! plain_backend {
    ($backend:ty) => {
        impl SolutionNode for $backend {
            fn solution(y: FloatTensor<Self>, _: Pullback) -> FloatTensor<Self> {
                y
            }

            fn pulled(v: FloatTensor<Self>, pullback: Pullback) -> FloatTensor<Self> {
                let c = (pullback.0)(Tensor::from_primitive::<$backend>(v));
                c.try_into_primitive::<$backend>()
                    .unwrap_or_else(|error| panic!("a pullback must stay on its device: {error:?}"))
            }
        }
    };
}

plain_backend!(Flex);
#[cfg(feature = "cuda")]
plain_backend!(burn::backend::Cube);

impl<B: SolutionNode, C: CheckpointStrategy> SolutionNode for Autodiff<B, C> {
    fn solution(y: FloatTensor<Self>, pullback: Pullback) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct SolutionBackward;

        impl<B: SolutionNode> Backward<B, 1> for SolutionBackward {
            type State = Pullback;

            fn backward(self, ops: Ops<Pullback, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let v = grads.consume::<B>(&ops.node);
                if let Some(parent) = &ops.parents[0] {
                    grads.register::<B>(parent.id, B::pulled(v, ops.state.clone()));
                }
            }
        }

        let (primitive, node) = y.into_parts();
        match SolutionBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => {
                let out = B::solution(primitive, pullback.clone());
                preparation.finish(pullback, out)
            }
            OpsKind::UnTracked(preparation) => preparation.finish(B::solution(primitive, pullback)),
        }
    }

    fn pulled(_: FloatTensor<Self>, _: Pullback) -> FloatTensor<Self> {
        panic!(
            "Burn's backward runs on plain tensors; a cotangent on the tape is a bug of Burn's or of this file"
        )
    }
}
