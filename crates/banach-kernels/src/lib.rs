//! CPU kernels for programs that run many times: products, convolutions, fused elementwise chains.
//!
//! Every kernel is written once over [`pulp`]'s vectors and compiled for each [`Level`] of instructions; the
//! level is chosen at run time. Kernels run on the calling thread, and allocate only where documented;
//! callers distribute work over cores. This is the only crate with `unsafe` code.

mod adam;
mod aligned_buffer;
mod chain;
mod convolution;
mod functions;
mod level;
mod panels;
mod product;
mod real;
mod scalar;
mod tile;
mod vector;

pub use adam::{AdamStep, adam_step};
pub use chain::{Binary, Chain, Comparison, Input, InvalidChain, Operation, Output, Step, Unary};
pub use convolution::{
    Convolution, ConvolutionMethod, PackedWeights, convolve, convolve_transposed, row_pairs, weight_gradient,
    write_weights,
};
pub use level::Level;
pub use panels::{Panels, StridedMatrix};
pub use product::{product, product_unpacked};
pub use real::Real;
pub use vector::{axpy, careful_norm, combine, distance_and_size, dot, scale, square_sum, subtract};
