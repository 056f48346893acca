//! CPU kernels for programs that run many times: products, convolutions, fused elementwise chains.
//!
//! Every kernel is written once over [`pulp`]'s vectors and compiled for each [`Level`] of instructions; the
//! level is chosen at run time. Kernels run on the calling thread, and allocate only where documented;
//! callers distribute work over cores. This is the only crate with `unsafe` code.

mod adam;
mod aligned_buffer;
mod arithmetic;
mod chain;
mod convolution;
mod functions;
mod level;
mod panels;
mod product;
mod real;
mod rows;
mod scalar;
mod tile;
mod vector;

pub use adam::AdamStep;
pub use chain::{Binary, Chain, Comparison, Input, InvalidChain, Operation, Output, Step, Unary};
pub use convolution::{Convolution, ConvolutionMethod, PackedWeights, row_pairs};
pub use level::Level;
pub use panels::{Panels, StridedMatrix};
pub use real::{
    Real, adam_step, add, axpy, careful_norm, change, combined, convolve, convolve_transposed,
    distances_and_sizes, dot, dots, product, product_unpacked, scale, square_sum, square_sums, subtract,
    weight_gradient, write_weights,
};
