//! Convolutions of images in the layout `[height, width, channels]` (channels last).

mod axis;
mod channelwise;
mod geometry;
mod image;
mod method;
mod packed_weights;
mod transposition;
mod vectors;
mod weight_gradient;
mod winograd;

pub use geometry::Convolution;
pub(crate) use image::{convolve, convolve_transposed};
pub use method::ConvolutionMethod;
pub use packed_weights::PackedWeights;
pub use weight_gradient::row_pairs;
pub(crate) use weight_gradient::{weight_gradient, write_weights};
