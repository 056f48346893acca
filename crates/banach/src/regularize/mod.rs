//! Contraction of updates, by construction or by penalty.
//!
//! A map with `‖g(x, z) - g(y, z)‖ <= L ‖x - y‖` and `L < 1` has exactly one fixed point. Plain iteration converges to it from
//! every start, and the error decreases by the factor L in each step (Banach, 1922). Lipschitz constants multiply: a chain of
//! layers has at most the product of those of the layers, with 1 for relu, tanh and every other activation whose slope is at
//! most 1.
//!
//! | purpose | item |
//! | :-- | :-- |
//! | layers with a bounded largest singular value | [`SpectralLinear`], [`SpectralConv2d`], with `bound()` |
//! | layers that learn norms and directions separately | [`WeightNormLinear`], [`WeightNormConv2d`] |
//! | cells with a fixed point for all weights | [`MonotoneCell`], [`MonotoneLinear`] |
//! | initialisation of an update as a contraction | [`SmallGain`] |
//! | penalties on the Jacobian during training | [`frobenius_penalty`], [`spectral_penalty`] |
//! | losses on iterates | [`FixedPointCorrection`] |
//! | dropout with one mask for all iterations | [`VariationalDropout`] |
//! | bounds of largest singular values | [`singular_value`] |

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
