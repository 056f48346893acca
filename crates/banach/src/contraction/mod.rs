//! How does an update become a contraction? By construction or by penalty.
//!
//! A map with `‖g(x, z) - g(y, z)‖ <= L ‖x - y‖` and `L < 1` has one fixed point, plain iteration reaches it from
//! everywhere, and the error shrinks by L in each step (Banach, 1922). Bounds multiply: a chain of layers is bounded by the
//! product of their bounds, with 1 for relu, tanh and every other activation whose slope is at most 1.
//!
//! | question | place |
//! | :-- | :-- |
//! | Which layer never expands, by construction? | [`SpectralLinear`], [`SpectralConv2d`], with `bound()` |
//! | How large can a matrix or a convolution make something? | [`singular_value`] |

pub mod singular_value;
mod spectral_convolution;
mod spectral_linear;

pub use spectral_convolution::{SpectralConv2d, SpectralConv2dConfig};
pub use spectral_linear::{SpectralEstimate, SpectralLinear, SpectralLinearConfig};
