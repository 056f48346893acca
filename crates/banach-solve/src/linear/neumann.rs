//! The Neumann series `v + A v + A² v + ...`.

use crate::{Error, Picard};
use serde::{Deserialize, Serialize};

/// Plain iteration `c ← A c + v` from `c = v`, or damped.
///
/// **When.** `A` contracts well; for a few terms by choice there is [`Truncated`](crate::Truncated). **Cost.** One
/// application a step, no memory. **Needs.** The spectral radius of `A` below one.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`damping`](Self::damping) | `1` | `(0, 1]` | part of the step that is taken; it does not enter the residual |
///
/// Reference: C. Neumann, Untersuchungen über das logarithmische und Newton'sche Potential (1877).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Neumann {
    /// The part of the step that is taken.
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

    /// The solver of fixed points that does it.
    pub(super) fn steps(self) -> Picard {
        Picard { damping: self.damping, ..Picard::default() }
    }
}
