//! Limited-memory Broyden's method.

mod inverse;

use super::{Solver, Visit};
use crate::ledger::picked;
use crate::rows::choose;
use crate::{Error, Rows};
use inverse::{Inverse, Side};
use serde::{Deserialize, Serialize};

/// Broyden's method with limited memory: each row learns the inverse of its derivative from its own steps.
///
/// **When.** Anderson stagnates, or the inverse is wanted as well (see [`BroydenMemory::adjoint`]). **Cost.** One
/// evaluation a step, `2 · memory + 3` states of memory, two reads from the device. **Needs.** Values of `g` alone.
///
/// With `F = g(x) - x`, the step is `d = -H F` where `H` approximates the inverse of `J - I`. It starts as `-I`, so that the
/// first step is plain iteration, and after a step `s` that changed `F` by `y` it becomes `H + (s - H y) wᵀ / ⟨w, y⟩`, which
/// sends `y` to `s`; `w` is `Hᵀ s` ([`Good`](BroydenUpdate::Good)) or `y` ([`Bad`](BroydenUpdate::Bad)). A row that holds as
/// many updates as it may starts again from `-I` and its newest change: later updates were made for the `H` of all older
/// ones, so that leaving out the oldest would leave an `H` that fits no change at all.
///
/// With `backtracks`, a step after which `‖F‖` is more than `1 - 10⁻⁴ t + 1 / k²` times what it was is tried again from
/// where it began, half as long (`t ← t / 2`), one evaluation each; `k` counts the steps of the row, and the sum of `1 / k²`
/// is finite, so that residuals stay bounded without having to fall in every step. When that does not help either, the row
/// takes a plain step and forgets its past. So does a row, from its best point, that a step has led to where `g` is not finite or
/// explodes, backtracks or not.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`memory`](Self::memory) | `20` | `>= 1` | updates a row holds; more for large or ill-conditioned maps |
/// | [`update`](Self::update) | `good` | `good`, `bad` | which of Broyden's two updates |
/// | [`backtracks`](Self::backtracks) | `0` | `>= 0` | halvings of one step, at most; 0 takes every step as it is |
/// | [`condition`](Self::condition) | `1e6` | `>= 1` | an update is skipped where `‖w‖ ‖y‖` is more than this times `⟨w, y⟩` |
/// | [`growth`](Self::growth) | `100` | `> 1` | a residual so many times the least since the last restart restarts the row |
///
/// ```
/// use banach_solve::{Broyden, FixedPointSolver, Settings, fixed_point};
/// use burn::tensor::{Device, Tensor};
///
/// // The slope at the answer is -1.7: plain iteration moves away from it.
/// let settings = Settings::new(FixedPointSolver::Broyden(Broyden::default()));
/// let x0 = Tensor::<2>::zeros([1, 1], &Device::flex());
/// let solution = fixed_point(&|x: &Tensor<2>| x.clone().sin() * -1.7 + 0.3, &x0, &settings)?;
/// assert!((solution.into_converged()?.into_scalar::<f32>() - 0.11125553).abs() < 1e-4);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// Reference: C. Broyden, A class of methods for solving nonlinear simultaneous equations, Math. Comp. 19 (1965), methods
/// 1 (good) and 2 (bad), the first with the inverse by Sherman and Morrison; C. Kelley, Iterative Methods for Linear and
/// Nonlinear Equations (1995), chapter 7, for limited memory with restarts; D. Li and M. Fukushima, A derivative-free
/// line search and global convergence of Broyden-like method for nonlinear equations, Optim. Methods Softw. 13 (2000).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Broyden {
    /// The number of updates a row holds.
    pub memory: usize,
    /// Which of Broyden's two updates.
    pub update: BroydenUpdate,
    /// The most halvings of one step.
    pub backtracks: usize,
    /// The largest condition of an update.
    pub condition: f64,
    /// The growth of the residual at which a row restarts.
    pub growth: f64,
}

/// What of `H` an update leaves as it is, beside sending `y` to `s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BroydenUpdate {
    /// The inverse of `H` changes least: it is the same across `s`.
    #[default]
    Good,
    /// `H` itself changes least: it is the same across `y`.
    Bad,
}

impl Default for Broyden {
    fn default() -> Self {
        Self { memory: 20, update: BroydenUpdate::Good, backtracks: 0, condition: 1e6, growth: 100.0 }
    }
}

impl Broyden {
    /// A memory of this length, and defaults for the rest.
    pub fn new(memory: usize) -> Self {
        Self { memory, ..Self::default() }
    }

    /// Refuses settings with no meaning.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { memory, condition, growth, .. } = *self;
        Error::unless(memory > 0, "broyden.memory", memory, "at least 1", "use Picard for no memory")?;
        let valid = condition >= 1.0 && condition.is_finite();
        Error::unless(valid, "broyden.condition", condition, "a finite number >= 1", "the default is 1e6")?;
        let valid = growth > 1.0 && growth.is_finite();
        Error::unless(valid, "broyden.growth", growth, "a finite number > 1", "use 1e30 for no restart")
    }
}

/// What [`Broyden`] remembers.
#[derive(Debug)]
pub struct BroydenMemory<R> {
    inverse: Inverse<R>,
    /// The last point that every row has moved on from; none before the first step.
    last: Option<Point<R>>,
    past: Vec<Past>,
}

/// A point of every row, and where it leads.
#[derive(Debug)]
struct Point<R> {
    x: R,
    /// `F`.
    difference: R,
    /// `-H F`.
    direction: R,
}

/// What one row remembers of its way.
#[derive(Debug, Clone, Copy)]
struct Past {
    /// `‖F‖` at the last point; none before there is one.
    residual: Option<f64>,
    /// The least since the last restart.
    least: f64,
    /// Steps so far.
    steps: usize,
    /// Halvings of the present step; none where it is taken however long it is.
    halvings: Option<usize>,
}

const NO_PAST: Past = Past { residual: None, least: f64::INFINITY, steps: 0, halvings: None };

impl<R: Rows> BroydenMemory<R> {
    /// `-Hᵀ v` in every row: where `H` has become the inverse of `J - I`, the solution `c` of `c = Jᵀ c + v`.
    ///
    /// It costs no application of `Jᵀ`, and is as good as what the steps of the row have seen of `J`: exact for an affine
    /// map of `n` numbers after good updates along `n` orthogonal steps, `v` itself before the first. `v` has the shape of
    /// the state; a memory of all rows comes from [`fixed_point_remembered`](crate::fixed_point_remembered).
    ///
    /// Reference: Z. Ramzi and others, SHINE: SHaring the INverse Estimate from the forward pass for bi-level optimization
    /// and implicit models (2022).
    ///
    /// # Panics
    /// For a `v` of other than the remembered rows.
    pub fn adjoint(&self, v: &R) -> R {
        assert_eq!(v.rows(), self.past.len(), "the rows of a cotangent for the rows that are remembered");
        let mut images = self.inverse.times(&[(Side::Turned, v)]);
        images.swap_remove(0).scaled(&vec![-1.0; v.rows()])
    }

    /// Makes the row forget all it has seen.
    pub(super) fn forget(&mut self, row: usize) {
        self.inverse.forget(row);
        self.past[row] = NO_PAST;
    }
}

impl<R: Rows> Solver<R> for Broyden {
    type Memory = BroydenMemory<R>;

    fn start(&self, x0: &R) -> Self::Memory {
        let rows = x0.rows();
        BroydenMemory { inverse: Inverse::new(rows), last: None, past: vec![NO_PAST; rows] }
    }

    fn step(&self, visit: &Visit<'_, R>, memory: &mut Self::Memory) -> R {
        let rows = visit.active.len();
        let mut lengths = vec![1.0; rows];
        let mut arrived = visit.active.to_vec();
        let mut lost = vec![false; rows];
        for row in (0..rows).filter(|row| visit.active[*row]) {
            let past = &mut memory.past[row];
            if let Some(halvings) = past.refused(visit.residuals[row]) {
                arrived[row] = false;
                lost[row] = halvings >= self.backtracks;
                past.halvings = (!lost[row]).then_some(halvings + 1);
                lengths[row] = if lost[row] { 1.0 } else { past.length() };
            }
        }
        let last = memory.last.take();
        let mut last = self.arrive(visit, last, &arrived, memory);
        if lost.contains(&true) {
            last.direction = choose(&lost, &last.difference, &last.direction);
            (0..rows).filter(|row| lost[*row]).for_each(|row| memory.inverse.forget(row));
        }
        let next = last.x.add_scaled(&[(&lengths, &last.direction)]);
        memory.last = Some(last);
        next
    }

    fn narrow(&self, memory: &mut Self::Memory, keep: &[usize]) {
        if let Some(Point { x, difference, direction }) = &mut memory.last {
            (*x, *difference) = (x.gather(keep), difference.gather(keep));
            *direction = direction.gather(keep);
        }
        memory.inverse.narrow(keep);
        memory.past = picked(&memory.past, keep);
    }

    fn restart(&self, memory: &mut Self::Memory, row: usize) {
        memory.forget(row);
    }

    fn extrapolated(&self, memory: &Self::Memory, row: usize) -> bool {
        memory.inverse.held(row) > 0
    }
}

impl Past {
    /// The part of the present step that is tried.
    fn length(&self) -> f64 {
        self.halvings.map_or(1.0, |halvings| 0.5_f64.powi(halvings.min(1000) as i32))
    }

    /// How often the step has been halved already, if it has led to too large a residual.
    fn refused(&self, residual: f64) -> Option<usize> {
        let (halvings, before) = (self.halvings?, self.residual?);
        let allowed = 1.0 - 1e-4 * self.length() + (self.steps as f64).powi(-2);
        (residual > allowed * before).then_some(halvings)
    }
}

impl Broyden {
    /// The points of rows that have arrived, with their new directions; the last points of the others.
    fn arrive<R: Rows>(
        &self,
        visit: &Visit<'_, R>,
        last: Option<Point<R>>,
        arrived: &[bool],
        memory: &mut BroydenMemory<R>,
    ) -> Point<R> {
        let difference = visit.difference();
        let mut fresh = vec![false; arrived.len()];
        let mut learning = vec![false; arrived.len()];
        for row in (0..arrived.len()).filter(|row| arrived[*row]) {
            let (past, residual) = (&mut memory.past[row], visit.residuals[row]);
            let grown = residual > self.growth * past.least;
            learning[row] = past.residual.is_some() && !grown;
            fresh[row] = !learning[row] || memory.inverse.held(row) >= self.memory;
            if fresh[row] {
                memory.inverse.forget(row);
            }
            let least = if grown { residual } else { residual.min(past.least) };
            let halvings = (self.backtracks > 0).then_some(0);
            *past = Past { residual: Some(residual), least, steps: past.steps + 1, halvings };
        }
        let Some(last) = last else {
            let (x, difference) = (visit.x.clone(), difference.clone());
            return Point { x, direction: difference.clone(), difference };
        };
        let direction = self.learn(visit, &last, (&fresh, &learning), &mut memory.inverse);
        Point {
            x: choose(arrived, visit.x, &last.x),
            difference: choose(arrived, difference, &last.difference),
            direction: choose(arrived, &direction, &last.direction),
        }
    }

    /// `-H F` after the rows that are `learning` have updated `H`, which is `-I` in rows that are `fresh`.
    fn learn<R: Rows>(
        &self,
        visit: &Visit<'_, R>,
        last: &Point<R>,
        (fresh, learning): (&[bool], &[bool]),
        inverse: &mut Inverse<R>,
    ) -> R {
        let difference = visit.difference();
        let (s, y) = (visit.x.minus(&last.x), difference.minus(&last.difference));
        let (image, w) = match self.update {
            BroydenUpdate::Good => {
                let mut images = inverse.times(&[(Side::Plain, difference), (Side::Turned, &s)]);
                let turned = images.swap_remove(1);
                (images.swap_remove(0), turned)
            }
            BroydenUpdate::Bad => (inverse.times(&[(Side::Plain, difference)]).swap_remove(0), y.clone()),
        };
        // What is left of `s` without `H y`, with `-H F` of the last point at hand.
        let rest = s.minus(&image.plus(&choose(fresh, &last.difference, &last.direction)));
        let products = R::dots(&[(&w, &y), (&w, &w), (&y, &y), (&w, difference), (&rest, &rest)]);
        let precision = visit.x.precision();
        let floor = self.condition.recip().max(16.0 * precision);
        let sound = |row: usize| {
            let length = |index: usize| products[index][row].sqrt();
            let clear = products[0][row].abs() > floor * length(1) * length(2);
            let change = length(2) > precision * visit.residuals[row];
            learning[row] && clear && change && products.iter().all(|product| product[row].is_finite())
        };
        let sound: Vec<bool> = (0..learning.len()).map(sound).collect();
        let only = |value: fn(f64) -> f64, index: usize| -> Vec<f64> {
            let of = |row: usize| if sound[row] { value(products[index][row]) } else { 0.0 };
            (0..sound.len()).map(of).collect()
        };
        let u = choose(&sound, &rest.scaled(&only(f64::recip, 0)), &rest.zeros());
        inverse.push(&sound, (&u, &w));
        image.add_scaled(&[(&only(|along| along, 3), &u)]).scaled(&vec![-1.0; sound.len()])
    }
}
