//! Picard (plain) iteration with damping and momentum.

use crate::state::rows::entries_at;
use crate::{Error, Iterate, Rows, Solver};
use serde::{Deserialize, Serialize};

/// Plain iteration `x ← g(x)`, optionally damped and with momentum, `x ← x + damping (g(x) - x) + momentum (x
/// - x_previous)`.
///
/// **When.** `g` contracts well, or memory is scarce. **Cost.** One evaluation a step, no memory; with
/// momentum one state. **Needs.** `‖J‖ < 1` near the solution. Damping helps where eigenvalues of `J` are
/// negative or complex, and slows convergence elsewhere. Momentum (the heavy ball) helps where they are real
/// and close to one, as for a gradient step on an ill-conditioned energy: an eigenvalue `r` is contracted at
/// the rate `√momentum` if `momentum >= (1 - √(1 - r))²`, so that momentum 0.81 turns the rate 0.99 into 0.9.
/// With more momentum the residual oscillates, and may need more [`patience`](crate::Settings::patience).
/// Neither changes the fixed points.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`damping`](Self::damping) | `1` | `(0, 1]` | the fraction of the step taken; it does not affect the residual |
/// | [`momentum`](Self::momentum) | `0` | `[0, 1)` | the fraction of the last displacement added to the step; it does not affect the residual |
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
/// Reference: S. Banach, Sur les opérations dans les ensembles abstraits (1922), theorem 6; B. Polyak, Some
/// methods of speeding up the convergence of iteration methods (1964), (9).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Picard {
    /// The fraction of the step taken.
    pub damping: f64,
    /// The fraction of the last displacement added to the step.
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

/// The memory of [`Picard`] with momentum.
#[derive(Debug)]
pub struct PicardMemory<R> {
    /// The last state; `None` before the first step.
    previous: Option<R>,
    /// Rows that have moved from the last state.
    moved: Vec<bool>,
    /// Rows whose last step included momentum.
    extrapolated: Vec<bool>,
}

impl<R: Rows> Solver<R> for Picard {
    type Memory = PicardMemory<R>;

    fn start(&self, x0: &R) -> Self::Memory {
        let rows = vec![false; x0.rows()];
        PicardMemory { previous: None, moved: rows.clone(), extrapolated: rows }
    }

    fn step(&self, iterate: &Iterate<'_, R>, memory: &mut Self::Memory) -> R {
        let next = damped(iterate, self.damping);
        if self.momentum == 0.0 {
            return next;
        }
        let factor = |moved: &bool| if *moved { self.momentum } else { 0.0 };
        let factors: Vec<f64> = memory.moved.iter().map(factor).collect();
        memory.extrapolated = std::mem::replace(&mut memory.moved, iterate.active.to_vec());
        let previous = memory.previous.replace(iterate.x.clone());
        previous.map_or(next.clone(), |previous| next.add_scaled(&[(&factors, &iterate.x.minus(&previous))]))
    }

    fn narrow(&self, memory: &mut Self::Memory, keep: &[usize]) {
        memory.previous = memory.previous.take().map(|previous| previous.gather(keep));
        memory.moved = entries_at(&memory.moved, keep);
        memory.extrapolated = entries_at(&memory.extrapolated, keep);
    }

    fn restart(&self, memory: &mut Self::Memory, row: usize) {
        memory.moved[row] = false;
    }

    fn extrapolated(&self, memory: &Self::Memory, row: usize) -> bool {
        memory.extrapolated[row]
    }
}

/// `x + damping (g(x) - x)`, and exactly `g(x)` without damping.
pub(super) fn damped<R: Rows>(iterate: &Iterate<'_, R>, damping: f64) -> R {
    if damping == 1.0 {
        return iterate.gx.clone();
    }
    iterate.x.add_scaled(&[(&vec![damping; iterate.x.rows()], iterate.difference())])
}
