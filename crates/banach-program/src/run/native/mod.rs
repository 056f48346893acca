//! How does a program run fast on a CPU? As a machine: a plan made once for its shapes, run many times.
//!
//! Memory is planned ahead, elementwise lines are fused, products and convolutions are followed by such chains while
//! their result is in the cache, and what is made of operands that do not change (packed weights, other layouts) is made
//! once. Where a program holds something a machine cannot do, [`Unsuitable`](crate::Unsuitable) says what; [`evaluate`](crate::evaluate())
//! runs every program.

mod execute;
mod fuse;
mod index;
mod instruction;
mod loops;
mod machine;
mod memory;
mod packed;
mod plan;
mod run;
mod view;
mod whole;
mod workspace;

pub use banach_kernels::ConvolutionMethod;
pub use machine::Machine;
pub use packed::Packed;
pub use workspace::Workspace;
