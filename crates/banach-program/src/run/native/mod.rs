//! The native CPU engine: programs compiled once for their shapes and run many times.
//!
//! Memory is planned ahead, elementwise equations are fused into chains, and a chain runs as the epilogue of
//! a product or convolution while the result is in cache. Operands that do not change are packed once. For
//! operations that the engine does not support, [`Unsuitable`](crate::Unsuitable) names the reason;
//! [`evaluate`](crate::evaluate()) runs every program.

mod convolution;
mod execute;
mod fuse;
mod index;
mod instruction;
mod integer;
mod loops;
mod machine;
mod memory;
mod packed;
mod parallel;
mod plan;
mod run;
mod view;
mod workspace;

pub use banach_kernels::{ConvolutionMethod, Level};
pub use convolution::convolution_method;
pub use machine::Machine;
pub use packed::Packed;
pub use parallel::{on_all_cores, parallel_operations};
pub use workspace::Workspace;
