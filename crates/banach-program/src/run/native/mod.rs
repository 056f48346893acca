//! How does a program run fast on a CPU? As a machine: a plan made once for its shapes, run many times.
//!
//! Memory is planned ahead, elementwise lines are fused, products and convolutions are followed by such chains while
//! their result is in the cache, and what is made of operands that do not change (packed weights, other layouts) is made
//! once. Where a program holds something a machine cannot do, [`Unsuitable`] says what; [`evaluate`](crate::evaluate())
//! runs every program.

mod execute;
mod fuse;
mod index;
mod instruction;
mod loops;
mod machine;
mod memory;
mod plan;
mod view;
mod whole;

pub use banach_kernels::ConvolutionMethod;
pub use machine::{Machine, Operand, Packed, Target, Workspace};

use burn::tensor::FloatDType;

/// Why a program cannot run on a machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not for the native engine: {reason}")]
pub struct Unsuitable {
    reason: String,
}

impl Unsuitable {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Unsuitable { reason: reason.into() }
    }
}

/// The precision of `T`.
pub(crate) fn precision<T: banach_kernels::Real>() -> FloatDType {
    if size_of::<T>() == size_of::<f32>() { FloatDType::F32 } else { FloatDType::F64 }
}
