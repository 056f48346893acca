//! The Neumann series `v + A v + A² v + ...`.

use crate::{Error, Picard};
use serde::{Deserialize, Serialize};

/// Plain iteration `c ← A c + v` from `c = v`, or damped.
///
/// **When.** `A` contracts well. For a fixed number of terms use [`Truncated`](crate::Truncated). **Cost.**
/// One application a step, no memory. **Needs.** The spectral radius of `A` below one.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`damping`](Self::damping) | `1` | `(0, 1]` | the fraction of the step taken; it does not affect the residual |
///
/// Reference: C. Neumann, Untersuchungen über das logarithmische und Newton'sche Potential (1877).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Neumann {
    /// The fraction of the step taken.
    pub damping: f64,
}

impl Default for Neumann {
    fn default() -> Self {
        Self { damping: 1.0 }
    }
}

impl Neumann {
    /// Refuses a damping outside `(0, 1]`.
    pub fn validate(&self) -> Result<(), Error> {
        let valid = self.damping > 0.0 && self.damping <= 1.0;
        Error::unless(valid, "neumann.damping", self.damping, "a number in (0, 1]", "use 1 for no damping")
    }

    /// The fixed-point iteration of the series.
    pub(crate) fn iteration(self) -> Picard {
        Picard { damping: self.damping, ..Picard::default() }
    }
}
