//! Squared extrapolation (SQUAREM).

use crate::state::rows::{entries_at, select_rows};
use crate::{Error, Iterate, Rows, Solver};
use serde::{Deserialize, Serialize};

/// Squared extrapolation: cycles of two plain steps, an extrapolation along their differences, and a plain
/// step.
///
/// **When.** `g` contracts slowly and memory is scarce: eigenvalues of `J` that are real and near one, as for
/// a gradient step or expectation maximization. **Cost.** One evaluation a step, three steps a cycle; three
/// states of memory for all settings. **Needs.** Values of `g` alone, and convergence of plain iteration;
/// negative eigenvalues are not accelerated.
///
/// With `r = g(x) - x` and `v = g(g(x)) - 2 g(x) + x`, the extrapolation leads to `x - 2 α r + α² v` with
/// `α = -‖r‖ / ‖v‖` (scheme S3 of the reference), and a plain step from there ends the cycle. `α = -1` is no
/// extrapolation, and the largest value of `α`; the smallest is minus the reach of the row, which is
/// multiplied by four after an extrapolation of that length has succeeded. An extrapolation to a residual
/// more than `growth` times that of `x` is undone: the row continues from `g(g(x))`, with a quarter of the
/// reach.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`reach`](Self::reach) | `4` | `>= 1` | the initial bound on `-α` |
/// | [`growth`](Self::growth) | `10` | `>= 1` | the growth of the residual at which an extrapolation is undone |
///
/// ```
/// use banach_solve::{FixedPointSolver, Settings, Squarem, Tolerance, fixed_point};
/// use burn::tensor::{Device, Tensor};
///
/// // Plain iteration contracts by one phase in a hundred.
/// let settings = Settings::new(FixedPointSolver::Squarem(Squarem::default()));
/// let settings = settings.with_tolerance(Tolerance { absolute: 1e-4, relative: 0.0, ..Tolerance::default() });
/// let x0 = Tensor::<2>::zeros([1, 1], &Device::flex());
/// let solution = fixed_point(&|x: &Tensor<2>| x.clone() * 0.99 + 0.01, &x0, &settings)?;
/// assert!(solution.statistics.evaluations < 20);
/// assert!((solution.into_converged()?.into_scalar::<f32>() - 1.0).abs() < 1e-2);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// Reference: R. Varadhan and C. Roland, Simple and globally convergent methods for accelerating the
/// convergence of any EM algorithm, Scand. J. Stat. 35 (2008), scheme S3.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Squarem {
    /// The initial bound on `-α`.
    pub reach: f64,
    /// The growth of the residual at which an extrapolation is undone.
    pub growth: f64,
}

impl Default for Squarem {
    fn default() -> Self {
        Self { reach: 4.0, growth: 10.0 }
    }
}

impl Squarem {
    /// Refuses invalid settings.
    pub fn validate(&self) -> Result<(), Error> {
        let valid = |value: f64| value >= 1.0 && value.is_finite();
        let Self { reach, growth } = *self;
        Error::unless(valid(reach), "squarem.reach", reach, "a finite number >= 1", "the default is 4")?;
        Error::unless(valid(growth), "squarem.growth", growth, "a finite number >= 1", "the default is 10")
    }
}

/// The memory of [`Squarem`]. Rows that start together are in the same phase of a cycle until one of them
/// restarts.
#[derive(Debug)]
pub struct SquaremMemory<R> {
    /// `x` at the start of the current cycle, and `r = g(x) - x` there; `None` before the first step.
    base: Option<(R, R)>,
    /// `g(g(x))`, the point to return to where the last extrapolation fails; `None` before the first one.
    fallback: Option<R>,
    cycles: Vec<CycleState>,
}

/// The next step of a row in its cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first plain step.
    First,
    /// The second plain step, and the extrapolation.
    Extrapolate,
    /// The plain step after the extrapolation, or the return to `g(g(x))`.
    Finish,
}

/// The state of one row in its cycle.
#[derive(Debug, Clone, Copy)]
struct CycleState {
    phase: Phase,
    /// The residual at the start of the cycle.
    residual: f64,
    /// The bound on `-α`.
    reach: f64,
    /// Whether the extrapolation attained the bound.
    at_reach: bool,
    /// Whether the extrapolation went beyond `g(g(x))`, and was not undone.
    extrapolated: bool,
}

impl<R: Rows> Solver<R> for Squarem {
    type Memory = SquaremMemory<R>;

    fn start(&self, x0: &R) -> Self::Memory {
        let cycle = CycleState {
            phase: Phase::First,
            residual: f64::INFINITY,
            reach: self.reach,
            at_reach: false,
            extrapolated: false,
        };
        SquaremMemory { base: None, fallback: None, cycles: vec![cycle; x0.rows()] }
    }

    fn step(&self, iterate: &Iterate<'_, R>, memory: &mut Self::Memory) -> R {
        let rows = memory.cycles.len();
        let active: Vec<usize> = (0..rows).filter(|row| iterate.active[*row]).collect();
        let phases: Vec<Phase> = memory.cycles.iter().map(|cycle| cycle.phase).collect();
        let any = |phase: Phase| active.iter().any(|row| phases[*row] == phase);
        // Inactive rows count as in every phase, so that nothing is copied where all active rows are in one.
        let at = |phase: Phase| -> Vec<bool> {
            (0..rows).map(|row| !iterate.active[row] || phases[row] == phase).collect()
        };
        let (first, extrapolate) = (at(Phase::First), at(Phase::Extrapolate));
        let mut next = iterate.gx.clone();
        if any(Phase::Extrapolate) {
            let extrapolated = memory.extrapolate(iterate, &extrapolate);
            next = select_rows(&extrapolate, &extrapolated, &next);
            memory.fallback = Some(updated(&extrapolate, iterate.gx, memory.fallback.take()));
        }
        if any(Phase::First) {
            let (x, r) = memory.base.take().unzip();
            memory.base = Some((updated(&first, iterate.x, x), updated(&first, iterate.difference(), r)));
        }
        let mut failed = vec![false; rows];
        for row in active.iter().filter(|row| phases[**row] == Phase::Finish) {
            failed[*row] = iterate.residuals[*row] > self.growth * memory.cycles[*row].residual;
        }
        if let Some(fallback) = memory.fallback.as_ref().filter(|_| failed.contains(&true)) {
            next = select_rows(&failed, fallback, &next);
        }
        active.into_iter().for_each(|row| memory.cycles[row].step(iterate.residuals[row], failed[row]));
        next
    }

    fn narrow(&self, memory: &mut Self::Memory, keep: &[usize]) {
        memory.base = memory.base.take().map(|(x, r)| (x.gather(keep), r.gather(keep)));
        memory.fallback = memory.fallback.take().map(|fallback| fallback.gather(keep));
        memory.cycles = entries_at(&memory.cycles, keep);
    }

    fn restart(&self, memory: &mut Self::Memory, row: usize) {
        let cycle = &mut memory.cycles[row];
        let reach = (0.25 * cycle.reach).max(1.0);
        *cycle = CycleState { phase: Phase::First, reach, at_reach: false, extrapolated: false, ..*cycle };
    }

    fn extrapolated(&self, memory: &Self::Memory, row: usize) -> bool {
        memory.cycles[row].extrapolated
    }
}

/// Rows of `new` where `mask` holds, rows of `old` elsewhere; `new` where there is no `old`.
fn updated<R: Rows>(mask: &[bool], new: &R, old: Option<R>) -> R {
    old.map_or_else(|| new.clone(), |old| select_rows(mask, new, &old))
}

impl<R: Rows> SquaremMemory<R> {
    /// The extrapolation of the rows of the mask.
    fn extrapolate(&mut self, iterate: &Iterate<'_, R>, mask: &[bool]) -> R {
        let Some((x, r)) = &self.base else { return iterate.gx.clone() };
        let v = iterate.difference().minus(r);
        let norms = R::norms(&[r, &v, iterate.gx]);
        // Where two steps do not differ, `v` is a rounding error, which must not determine the length.
        let rounding = 16.0 * iterate.x.precision();
        let wanted = |row: usize| {
            if norms[1][row] > rounding * norms[2][row] { norms[0][row] / norms[1][row] } else { 1.0 }
        };
        let mut lengths = vec![1.0; mask.len()];
        for row in (0..mask.len()).filter(|row| mask[*row]) {
            lengths[row] = self.cycles[row].limit(wanted(row));
        }
        let twice: Vec<f64> = lengths.iter().map(|length| 2.0 * length).collect();
        let square: Vec<f64> = lengths.iter().map(|length| length * length).collect();
        x.add_scaled(&[(&twice, r), (&square, &v)])
    }
}

impl CycleState {
    /// Limits the wanted `-α` to the reach of the row.
    fn limit(&mut self, wanted: f64) -> f64 {
        let wanted = wanted.max(1.0);
        self.at_reach = wanted >= self.reach;
        let length = wanted.min(self.reach);
        self.extrapolated = length > 1.0;
        length
    }

    /// Advances to the next phase; `failed` undoes the extrapolation.
    fn step(&mut self, residual: f64, failed: bool) {
        self.phase = match self.phase {
            Phase::First => {
                self.residual = residual;
                Phase::Extrapolate
            }
            Phase::Extrapolate => Phase::Finish,
            Phase::Finish => {
                if failed {
                    (self.reach, self.extrapolated) = ((0.25 * self.reach).max(1.0), false);
                } else if self.at_reach {
                    self.reach *= 4.0;
                }
                Phase::First
            }
        };
    }
}
