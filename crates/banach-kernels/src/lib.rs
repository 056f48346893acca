//! CPU kernels for programs that run many times: products, convolutions, fused elementwise chains.
//!
//! Every kernel is written once over [`pulp`]'s vectors and compiled for each [`Level`] of instructions; the level is
//! chosen at run time. Kernels run on the calling thread and allocate nothing but what their names say; whoever calls
//! them spreads work over cores. This is the one crate that may say `unsafe`.

mod chain;
mod convolution;
mod descent;
mod functions;
mod level;
mod lines;
mod panels;
mod product;
mod real;
mod tile;
mod vector;

pub use chain::{Binary, Chain, Comparison, Input, InvalidChain, Operation, Output, Step, Unary};
pub use convolution::{
    Convolution, ConvolutionMethod, Part, Taps, convolve, convolve_transposed, weight_gradient, write_weights,
};
pub use descent::{Descent, descend};
pub use level::Level;
pub use panels::{Matrix, Panels};
pub use product::{product, product_unpacked};
pub use real::Real;
pub use vector::{axpy, careful_norm, combine, distance_and_size, dot, scale, square_sum, subtract};
