//! Plain (Picard) iteration with damping and momentum.

use super::{Solver, Visit};
use crate::ledger::picked;
use crate::{Error, Rows};
use serde::{Deserialize, Serialize};

/// Plain iteration `x ← g(x)`, or damped and with momentum, `x ← x + damping (g(x) - x) + momentum (x - x_previous)`.
///
/// **When.** `g` contracts well, or memory is short. **Cost.** One evaluation a step, no memory; with momentum one state.
/// **Needs.** `‖J‖ < 1` near the answer; damping helps where eigenvalues of `J` are negative or complex, and slows it down
/// elsewhere. Momentum (the heavy ball) helps where they are real and close to one, as for a gradient step on an
/// ill-conditioned energy: an eigenvalue `r` is contracted at the rate `√momentum` if `momentum >= (1 - √(1 - r))²`, so
/// that 0.81 makes 0.9 of 0.99. With more momentum than that the residual swings, and may need more
/// [`patience`](crate::Settings::patience). The fixed points are the same.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`damping`](Self::damping) | `1` | `(0, 1]` | part of the step that is taken; it does not enter the residual |
/// | [`momentum`](Self::momentum) | `0` | `[0, 1)` | part of the last move that is made again; it does not enter the residual |
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
/// Reference: S. Banach, Sur les opérations dans les ensembles abstraits (1922), theorem 6; B. Polyak, Some methods
/// of speeding up the convergence of iteration methods (1964), (9).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Picard {
    /// The part of the step that is taken.
    pub damping: f64,
    /// The part of the last move that is made again.
    pub momentum: f64,
}

impl Default for Picard {
    fn default() -> Self {
        Self { damping: 1.0, momentum: 0.0 }
    }
}

impl Picard {
    /// Refuses a damping outside `(0, 1]` and a momentum outside `[0, 1)`.
    pub fn validate(&self) -> Result<(), Error> {
        let valid = self.damping > 0.0 && self.damping <= 1.0;
        Error::unless(valid, "picard.damping", self.damping, "a number in (0, 1]", "use 1 for no damping")?;
        let valid = (0.0..1.0).contains(&self.momentum);
        Error::unless(valid, "picard.momentum", self.momentum, "a number in [0, 1)", "use 0 for no momentum")
    }
}

/// What [`Picard`] remembers, where it has momentum.
#[derive(Debug)]
pub struct PicardMemory<R> {
    /// The last state; none before the first step.
    previous: Option<R>,
    /// Which rows have moved from their last state.
    moved: Vec<bool>,
    /// Whose last step made a part of the one before again.
    extrapolated: Vec<bool>,
}

impl<R: Rows> Solver<R> for Picard {
    type Memory = PicardMemory<R>;

    fn start(&self, x0: &R) -> Self::Memory {
        let rows = vec![false; x0.rows()];
        PicardMemory { previous: None, moved: rows.clone(), extrapolated: rows }
    }

    fn step(&self, visit: &Visit<'_, R>, memory: &mut Self::Memory) -> R {
        let next = damped(visit, self.damping);
        if self.momentum == 0.0 {
            return next;
        }
        let factor = |moved: &bool| if *moved { self.momentum } else { 0.0 };
        let factors: Vec<f64> = memory.moved.iter().map(factor).collect();
        memory.extrapolated = std::mem::replace(&mut memory.moved, visit.active.to_vec());
        let previous = memory.previous.replace(visit.x.clone());
        previous.map_or(next.clone(), |previous| next.add_scaled(&[(&factors, &visit.x.minus(&previous))]))
    }

    fn narrow(&self, memory: &mut Self::Memory, keep: &[usize]) {
        memory.previous = memory.previous.take().map(|previous| previous.gather(keep));
        memory.moved = picked(&memory.moved, keep);
        memory.extrapolated = picked(&memory.extrapolated, keep);
    }

    fn restart(&self, memory: &mut Self::Memory, row: usize) {
        memory.moved[row] = false;
    }

    fn extrapolated(&self, memory: &Self::Memory, row: usize) -> bool {
        memory.extrapolated[row]
    }
}

/// `x + damping (g(x) - x)`; exactly `g(x)` for no damping.
pub(super) fn damped<R: Rows>(visit: &Visit<'_, R>, damping: f64) -> R {
    if damping == 1.0 {
        return visit.gx.clone();
    }
    visit.x.add_scaled(&[(&vec![damping; visit.x.rows()], visit.difference())])
}
