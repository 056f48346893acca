//! Squared extrapolation (SQUAREM).

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

/// What [`Squarem`] remembers. Rows that start together are in the same part of a leap until one starts again.
#[derive(Debug)]
pub struct SquaremMemory<R> {
    /// `x` where the last leap of every row begins, and `r = g(x) - x` there; none before the first step.
    base: Option<(R, R)>,
    /// `g(g(x))`, the point behind the last leap of every row; none before the first leap.
    back: Option<R>,
    past: Vec<Past>,
}

/// What comes next in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The first plain step.
    First,
    /// The second one, and the leap.
    Leap,
    /// The step after the leap, or the way back to `g(g(x))`.
    Land,
}

/// What one row remembers of its way.
#[derive(Debug, Clone, Copy)]
struct Past {
    part: Part,
    /// The residual where the leap began.
    residual: f64,
    /// The largest `-α`.
    reach: f64,
    /// Whether the leap went as far as it may.
    far: bool,
    /// Whether the leap led beyond `g(g(x))`, and was not taken back.
    leapt: bool,
}

impl<R: Rows> Solver<R> for Squarem {
    type Memory = SquaremMemory<R>;

    fn start(&self, x0: &R) -> Self::Memory {
        let past =
            Past { part: Part::First, residual: f64::INFINITY, reach: self.reach, far: false, leapt: false };
        SquaremMemory { base: None, back: None, past: vec![past; x0.rows()] }
    }

    fn step(&self, visit: &Visit<'_, R>, memory: &mut Self::Memory) -> R {
        let rows = memory.past.len();
        let active: Vec<usize> = (0..rows).filter(|row| visit.active[*row]).collect();
        let parts: Vec<Part> = memory.past.iter().map(|past| past.part).collect();
        let any = |part: Part| active.iter().any(|row| parts[*row] == part);
        // Rows that are not under way are in every part: where all others are in one, nothing is copied.
        let at = |part: Part| -> Vec<bool> {
            (0..rows).map(|row| !visit.active[row] || parts[row] == part).collect()
        };
        let (first, leap) = (at(Part::First), at(Part::Leap));
        let mut next = visit.gx.clone();
        if any(Part::Leap) {
            let leapt = memory.leap(visit, &leap);
            next = choose(&leap, &leapt, &next);
            memory.back = Some(kept(&leap, visit.gx, memory.back.take()));
        }
        if any(Part::First) {
            let (x, r) = memory.base.take().unzip();
            memory.base = Some((kept(&first, visit.x, x), kept(&first, visit.difference(), r)));
        }
        let mut lost = vec![false; rows];
        for row in active.iter().filter(|row| parts[**row] == Part::Land) {
            lost[*row] = visit.residuals[*row] > self.growth * memory.past[*row].residual;
        }
        if let Some(back) = memory.back.as_ref().filter(|_| lost.contains(&true)) {
            next = choose(&lost, back, &next);
        }
        active.into_iter().for_each(|row| memory.past[row].step(visit.residuals[row], lost[row]));
        next
    }

    fn narrow(&self, memory: &mut Self::Memory, keep: &[usize]) {
        memory.base = memory.base.take().map(|(x, r)| (x.gather(keep), r.gather(keep)));
        memory.back = memory.back.take().map(|back| back.gather(keep));
        memory.past = picked(&memory.past, keep);
    }

    fn restart(&self, memory: &mut Self::Memory, row: usize) {
        let past = &mut memory.past[row];
        let reach = (0.25 * past.reach).max(1.0);
        *past = Past { part: Part::First, reach, far: false, leapt: false, ..*past };
    }

    fn extrapolated(&self, memory: &Self::Memory, row: usize) -> bool {
        memory.past[row].leapt
    }
}

/// The rows of `new` where `mask` holds, and what there was elsewhere.
fn kept<R: Rows>(mask: &[bool], new: &R, old: Option<R>) -> R {
    old.map_or_else(|| new.clone(), |old| choose(mask, new, &old))
}

impl<R: Rows> SquaremMemory<R> {
    /// Where the rows of the mask leap to.
    fn leap(&mut self, visit: &Visit<'_, R>, mask: &[bool]) -> R {
        let Some((x, r)) = &self.base else { return visit.gx.clone() };
        let v = visit.difference().minus(r);
        let norms = R::norms(&[r, &v, visit.gx]);
        // What rounding leaves where two steps do not differ would ask for a leap without end.
        let rounding = 16.0 * visit.x.precision();
        let wanted = |row: usize| {
            if norms[1][row] > rounding * norms[2][row] { norms[0][row] / norms[1][row] } else { 1.0 }
        };
        let mut lengths = vec![1.0; mask.len()];
        for row in (0..mask.len()).filter(|row| mask[*row]) {
            lengths[row] = self.past[row].leap(wanted(row));
        }
        let twice: Vec<f64> = lengths.iter().map(|length| 2.0 * length).collect();
        let square: Vec<f64> = lengths.iter().map(|length| length * length).collect();
        x.add_scaled(&[(&twice, r), (&square, &v)])
    }
}

impl Past {
    /// `-α`, if the two plain steps would have so much of it.
    fn leap(&mut self, wanted: f64) -> f64 {
        let wanted = wanted.max(1.0);
        self.far = wanted >= self.reach;
        let length = wanted.min(self.reach);
        self.leapt = length > 1.0;
        length
    }

    /// Goes on to the next part from a point with this residual; a leap that is lost is taken back.
    fn step(&mut self, residual: f64, lost: bool) {
        self.part = match self.part {
            Part::First => {
                self.residual = residual;
                Part::Leap
            }
            Part::Leap => Part::Land,
            Part::Land => {
                if lost {
                    (self.reach, self.leapt) = ((0.25 * self.reach).max(1.0), false);
                } else if self.far {
                    self.reach *= 4.0;
                }
                Part::First
            }
        };
    }
}
