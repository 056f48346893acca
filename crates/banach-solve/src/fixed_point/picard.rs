//! How far does plain iteration go in one step?

use super::{Solver, Visit};
use crate::{Error, Rows};
use serde::{Deserialize, Serialize};

/// Plain iteration `x ← g(x)`, or damped, `x ← x + damping (g(x) - x)`.
///
/// **When.** `g` contracts well, or memory is short. **Cost.** One evaluation a step, no memory. **Needs.** `‖J‖ < 1` near
/// the answer; damping helps where eigenvalues of `J` are negative or complex, and slows it down elsewhere.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`damping`](Self::damping) | `1` | `(0, 1]` | part of the step that is taken; it does not enter the residual |
///
/// ```
/// use banach_solve::{FixedPointSolver, Picard, Settings, fixed_point};
/// use burn::tensor::{Device, Tensor};
///
/// let settings = Settings::new(FixedPointSolver::Picard(Picard::default()));
/// let x0 = Tensor::<2>::zeros([1, 1], &Device::flex());
/// let solution = fixed_point(&|x: &Tensor<2>| x.clone() * 0.5 + 1.0, &x0, &settings)?;
/// assert!((solution.into_converged()?.into_scalar::<f32>() - 2.0).abs() < 1e-3);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// Reference: S. Banach, Sur les opérations dans les ensembles abstraits (1922), theorem 6.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Picard {
    /// The part of the step that is taken.
    pub damping: f64,
}

impl Default for Picard {
    fn default() -> Self {
        Self { damping: 1.0 }
    }
}

impl Picard {
    /// Refuses a damping outside `(0, 1]`.
    pub fn validate(&self) -> Result<(), Error> {
        let valid = self.damping > 0.0 && self.damping <= 1.0;
        Error::unless(valid, "picard.damping", self.damping, "a number in (0, 1]", "use 1 for no damping")
    }
}

impl<R: Rows> Solver<R> for Picard {
    type Memory = ();

    fn start(&self, _: &R) {}

    fn step(&self, visit: &Visit<'_, R>, (): &mut ()) -> R {
        damped(visit, self.damping)
    }
}

/// `x + damping (g(x) - x)`; exactly `g(x)` for no damping.
pub(super) fn damped<R: Rows>(visit: &Visit<'_, R>, damping: f64) -> R {
    if damping == 1.0 {
        return visit.gx.clone();
    }
    visit.x.add_scaled(&[(&vec![damping; visit.active.len()], visit.difference)])
}
