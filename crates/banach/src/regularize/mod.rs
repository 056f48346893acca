//! Contraction of updates, by construction or by penalty.
//!
//! A map with `‖g(x, z) - g(y, z)‖ <= L ‖x - y‖` and `L < 1` has one fixed point, plain iteration reaches it from
//! everywhere, and the error shrinks by L in each step (Banach, 1922). Bounds multiply: a chain of layers is bounded by the
//! product of their bounds, with 1 for relu, tanh and every other activation whose slope is at most 1.
//!
//! | question | place |
//! | :-- | :-- |
//! | Which layer never expands, by construction? | [`SpectralLinear`], [`SpectralConv2d`], with `bound()` |
//! | Which layer learns lengths and directions apart? | [`WeightNormLinear`], [`WeightNormConv2d`] |
//! | Which cell has a fixed point, however large its weights are? | [`MonotoneCell`], [`MonotoneLinear`] |
//! | How does my own update start as a contraction? | [`SmallGain`] |
//! | How does it stay one while it is trained? | [`frobenius_penalty`], [`spectral_penalty`] |
//! | How does the way to the solution get a gradient too? | [`FixedPointCorrection`] |
//! | How is a state dropped out, the same in every iteration? | [`VariationalDropout`] |
//! | How large can a matrix or a convolution make something? | [`singular_value`] |

mod correction;
mod dropout;
mod jacobian;
mod monotone;
mod penalty;
pub mod singular_value;
mod small_gain;
mod spectral_convolution;
mod spectral_linear;
mod weight_norm;

pub use correction::{FixedPointCorrection, StateGradient, discounted};
pub use dropout::{Mask, VariationalDropout, VariationalDropoutConfig};
pub use monotone::{MonotoneCell, MonotoneConfig, MonotoneLinear};
pub use penalty::{frobenius_penalty, random_signs, spectral_penalty};
pub use small_gain::{GainReport, SmallGain};
pub use spectral_convolution::{SpectralConv2d, SpectralConv2dConfig};
pub use spectral_linear::{SpectralEstimate, SpectralLinear, SpectralLinearConfig};
pub use weight_norm::{WeightNormConv2d, WeightNormLinear};
