//! How far do two plain steps reach, taken together?

use super::{Solver, Visit};
use crate::ledger::picked;
use crate::rows::choose;
use crate::{Error, Rows};
use serde::{Deserialize, Serialize};

/// Squared extrapolation: after two plain steps every row leaps along what they have in common, then steps once more.
///
/// **When.** `g` contracts slowly and memory is short: eigenvalues of `J` that are real and near one, as for a gradient step
/// or for expectation and maximization. **Cost.** One evaluation a step, three steps a leap; three states of memory,
/// whatever the settings. **Needs.** Values of `g` alone, and plain iteration to converge: eigenvalues below zero are not
/// leapt over.
///
/// With `r = g(x) - x` and `v = g(g(x)) - 2 g(x) + x`, the leap leads to `x - 2 α r + α² v` with `α = -‖r‖ / ‖v‖` (scheme S3 of
/// the reference), and a plain step from there ends it. `α = -1` is no leap, and `α` is never more; it is at least minus
/// the reach of the row, which becomes four times as far when the row has leapt that far and stays there. A leap to where
/// the residual is more than `growth` times that of `x` is taken back: the row goes on from `g(g(x))`, and reaches a quarter
/// as far.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`reach`](Self::reach) | `4` | `>= 1` | the largest `-α` at the start |
/// | [`growth`](Self::growth) | `10` | `>= 1` | the growth of the residual at which a leap is taken back |
///
/// ```
/// use banach_solve::{FixedPointSolver, Settings, Squarem, Tolerance, fixed_point};
/// use burn::tensor::{Device, Tensor};
///
/// // Plain iteration contracts by one part in a hundred.
/// let settings = Settings::new(FixedPointSolver::Squarem(Squarem::default()));
/// let settings = settings.with_tolerance(Tolerance { absolute: 1e-4, relative: 0.0, ..Tolerance::default() });
/// let x0 = Tensor::<2>::zeros([1, 1], &Device::flex());
/// let solution = fixed_point(&|x: &Tensor<2>| x.clone() * 0.99 + 0.01, &x0, &settings)?;
/// assert!(solution.statistics.evaluations < 20);
/// assert!((solution.into_converged()?.into_scalar::<f32>() - 1.0).abs() < 1e-2);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// Reference: R. Varadhan and C. Roland, Simple and globally convergent methods for accelerating the convergence of any EM
/// algorithm, Scand. J. Stat. 35 (2008), scheme S3.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Squarem {
    /// The largest `-α` at the start.
    pub reach: f64,
    /// The growth of the residual at which a leap is taken back.
    pub growth: f64,
}

impl Default for Squarem {
    fn default() -> Self {
        Self { reach: 4.0, growth: 10.0 }
    }
}

impl Squarem {
    /// Refuses settings with no meaning.
    pub fn validate(&self) -> Result<(), Error> {
        let valid = |value: f64| value >= 1.0 && value.is_finite();
        let Self { reach, growth } = *self;
        Error::unless(valid(reach), "squarem.reach", reach, "a finite number >= 1", "the default is 4")?;
        Error::unless(valid(growth), "squarem.growth", growth, "a finite number >= 1", "the default is 10")
    }
}

/// What [`Squarem`] remembers. All rows are in the same part of a leap.
#[derive(Debug)]
pub struct SquaremMemory<R> {
    part: Part<R>,
    past: Vec<Past>,
}

/// What comes next.
#[derive(Debug)]
enum Part<R> {
    /// The first plain step.
    First,
    /// The second one, and the leap from `x` with `r = g(x) - x`.
    Leap { x: R, r: R },
    /// The step after the leap, or the way back to `g(g(x))`.
    Land { back: R },
}

/// What one row remembers of its way.
#[derive(Debug, Clone, Copy)]
struct Past {
    /// The residual where the leap began.
    residual: f64,
    /// The largest `-α`.
    reach: f64,
    /// Whether the leap went as far as it may.
    far: bool,
}

impl<R: Rows> Solver<R> for Squarem {
    type Memory = SquaremMemory<R>;

    fn start(&self, x0: &R) -> Self::Memory {
        let past = Past { residual: f64::INFINITY, reach: self.reach, far: false };
        SquaremMemory { part: Part::First, past: vec![past; x0.rows()] }
    }

    fn step(&self, visit: &Visit<'_, R>, memory: &mut Self::Memory) -> R {
        let rows = memory.past.iter_mut().zip(visit.residuals);
        match std::mem::replace(&mut memory.part, Part::First) {
            Part::First => {
                rows.for_each(|(past, residual)| past.residual = *residual);
                memory.part = Part::Leap { x: visit.x.clone(), r: visit.difference().clone() };
                visit.gx.clone()
            }
            Part::Leap { x, r } => {
                let v = visit.difference().minus(&r);
                let norms = R::norms(&[&r, &v, visit.gx]);
                // What rounding leaves where two steps do not differ would ask for a leap without end.
                let rounding = 16.0 * visit.x.precision();
                let wanted = |row: usize| {
                    if norms[1][row] > rounding * norms[2][row] { norms[0][row] / norms[1][row] } else { 1.0 }
                };
                let leaps = memory.past.iter_mut().enumerate();
                let lengths: Vec<f64> = leaps.map(|(row, past)| past.leap(wanted(row))).collect();
                let twice: Vec<f64> = lengths.iter().map(|length| 2.0 * length).collect();
                let square: Vec<f64> = lengths.iter().map(|length| length * length).collect();
                memory.part = Part::Land { back: visit.gx.clone() };
                x.add_scaled(&[(&twice, &r), (&square, &v)])
            }
            Part::Land { back } => {
                let lost: Vec<bool> =
                    rows.map(|(past, residual)| past.lost(self.growth, *residual)).collect();
                choose(&lost, &back, visit.gx)
            }
        }
    }

    fn narrow(&self, memory: &mut Self::Memory, keep: &[usize]) {
        match &mut memory.part {
            Part::First => {}
            Part::Leap { x, r } => (*x, *r) = (x.gather(keep), r.gather(keep)),
            Part::Land { back } => *back = back.gather(keep),
        }
        memory.past = picked(&memory.past, keep);
    }
}

impl Past {
    /// `-α`, if the two plain steps would have so much of it.
    fn leap(&mut self, wanted: f64) -> f64 {
        let wanted = wanted.max(1.0);
        self.far = wanted >= self.reach;
        wanted.min(self.reach)
    }

    /// Whether the leap is taken back.
    fn lost(&mut self, growth: f64, residual: f64) -> bool {
        let lost = residual > growth * self.residual;
        if lost {
            self.reach = (0.25 * self.reach).max(1.0);
        } else if self.far {
            self.reach *= 4.0;
        }
        lost
    }
}
