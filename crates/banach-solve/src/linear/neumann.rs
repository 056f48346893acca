//! How far does the series `v + A v + A² v + ...` go?

use crate::iterate::iterate;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Picard, Rows, Solution};
use serde::{Deserialize, Serialize};

/// Plain iteration `c ← A c + v` from `c = v`, or damped.
///
/// **When.** `A` contracts well, or a few terms suffice (a phantom gradient is this with a small `budget.steps` and some
/// damping). **Cost.** One application a step, no memory. **Needs.** The spectral radius of `A` below one.
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

    pub(super) fn solve<R: Rows>(
        &self,
        map: &(impl Map<R> + ?Sized),
        v: &R,
        rules: Rules,
        observer: &mut dyn Observe,
    ) -> Result<Solution<R>, Error> {
        let sizes =
            if v.width() == 0 || v.rows() == 0 { vec![0.0; v.rows()] } else { R::norms(&[v]).swap_remove(0) };
        let picard = Picard { damping: self.damping, ..Picard::default() };
        Ok(iterate(&Series { map, v }, v, &picard, Some(sizes), rules, observer)?.0)
    }
}

/// `c -> A c + v`.
struct Series<'a, R, M: ?Sized> {
    map: &'a M,
    v: &'a R,
}

impl<R: Rows, M: Map<R> + ?Sized> Map<R> for Series<'_, R, M> {
    fn apply(&self, c: &R) -> R {
        self.map.apply(c).plus(self.v)
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<R> + 'a>> {
        let (map, v) = (self.map.narrowed(rows)?, self.v.gather(rows));
        Some(Box::new(move |c: &R| map.apply(c).plus(&v)))
    }
}
