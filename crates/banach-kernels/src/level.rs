//! Vector instruction sets, detected once at run time.

use pulp::{Simd, WithSimd};
use std::fmt;
use std::sync::OnceLock;

/// A set of vector instructions. Every kernel is written once and compiled for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The instructions of every machine.
    Portable,
    /// 128 bits, on ARM.
    Neon,
    /// 256 bits and fused multiplication, on x86.
    Avx2,
    /// 512 bits, on x86.
    Avx512,
}

static BEST: OnceLock<Level> = OnceLock::new();

impl Level {
    /// Returns the widest level of this machine, or the one that [`limit`](Self::limit) has set.
    pub fn best() -> Self {
        *BEST.get_or_init(|| Self::all().pop().unwrap_or(Level::Portable))
    }

    /// Makes this level the best one of the process, to see what a machine that lacks wider ones would do. Returns false, and
    /// changes nothing, where this machine lacks the level, or another one is in use already.
    pub fn limit(self) -> bool {
        self.available() && *BEST.get_or_init(|| self) == self
    }

    /// Returns the levels of this machine, the widest last.
    pub fn all() -> Vec<Self> {
        [Level::Portable, Level::Neon, Level::Avx2, Level::Avx512]
            .into_iter()
            .filter(|level| level.available())
            .collect()
    }

    /// Returns whether this machine has the level.
    pub fn available(self) -> bool {
        match self {
            Level::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => pulp::x86::V3::is_available(),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => pulp::x86::V4::is_available(),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => pulp::aarch64::Neon::is_available(),
            #[allow(unreachable_patterns, reason = "the levels of other machines")]
            Level::Neon | Level::Avx2 | Level::Avx512 => false,
        }
    }

    /// Runs a kernel compiled for this level; for [`Portable`](Level::Portable) where the machine lacks it.
    #[inline]
    pub(crate) fn run<K: WithSimd>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => match pulp::x86::V3::try_new() {
                Some(simd) => Simd::vectorize(simd, kernel),
                None => Simd::vectorize(pulp::Scalar::new(), kernel),
            },
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => match pulp::x86::V4::try_new() {
                Some(simd) => Simd::vectorize(simd, kernel),
                None => Simd::vectorize(pulp::Scalar::new(), kernel),
            },
            #[cfg(target_arch = "aarch64")]
            Level::Neon => match pulp::aarch64::Neon::try_new() {
                Some(simd) => Simd::vectorize(simd, kernel),
                None => Simd::vectorize(pulp::Scalar::new(), kernel),
            },
            #[allow(unreachable_patterns, reason = "the levels of other machines")]
            Level::Portable | Level::Neon | Level::Avx2 | Level::Avx512 => {
                Simd::vectorize(pulp::Scalar::new(), kernel)
            }
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Portable => "portable",
            Level::Neon => "neon",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_of_a_process_does_not_change_once_it_is_in_use() {
        let best = Level::best();
        assert!(best.available() && best.limit());
        for other in Level::all().into_iter().filter(|level| *level != best) {
            assert!(!other.limit());
        }
        assert_eq!(Level::best(), best);
    }
}
