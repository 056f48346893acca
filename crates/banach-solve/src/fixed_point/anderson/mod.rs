//! Anderson acceleration.

mod mixture;

use super::picard::damped;
use super::{Solver, Visit};
use crate::ledger::picked;
use crate::{Error, Rows};
use mixture::{Products, Trust};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Anderson acceleration: each row combines its last few changes so that, were `g` affine, the residual would be least.
///
/// **When.** `g` contracts slowly, turns, or mildly expands. **Cost.** One evaluation a step, `2 · window` states of memory,
/// one small least-squares problem a row on the host. **Needs.** Values of `g` alone.
///
/// With `F = g(x) - x`, the step is `x + β F - Σ γᵢ (Δxᵢ + β ΔFᵢ)` where `γ` minimizes `‖F - Σ γᵢ ΔFᵢ‖` (equations 2.1 to
/// 2.3 of the reference). A row whose residual jumps up forgets its past and starts again where it is; one that is led to where `g`
/// is not finite, or explodes, starts again from its best point with a plain step.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`window`](Self::window) | `5` | `>= 1` | changes remembered; more for turning or ill-conditioned maps |
/// | [`mixing`](Self::mixing) | `1` | `(0, 1]` | β, the damping of the part that plain iteration adds |
/// | [`ridge`](Self::ridge) | `1e-12` | `>= 0` | shrinks γ, relative to the length of each change |
/// | [`condition`](Self::condition) | `1e6` | `>= 1` | changes closer than this (as 1/sine) to newer ones are left out |
/// | [`growth`](Self::growth) | `100` | `> 1` | a residual so many times the least since the last restart restarts the row |
///
/// ```
/// use banach_solve::{Anderson, FixedPointSolver, Settings, fixed_point};
/// use burn::tensor::{Device, Tensor};
///
/// // The slope at the answer is -1.7: plain iteration moves away from it.
/// let settings = Settings::new(FixedPointSolver::Anderson(Anderson { window: 2, ..Anderson::default() }));
/// let x0 = Tensor::<2>::zeros([1, 1], &Device::flex());
/// let solution = fixed_point(&|x: &Tensor<2>| x.clone().sin() * -1.7 + 0.3, &x0, &settings)?;
/// assert!((solution.into_converged()?.into_scalar::<f32>() - 0.11125553).abs() < 1e-4);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// Reference: H. Walker and P. Ni, Anderson acceleration for fixed-point iterations, SIAM J. Numer. Anal. 49 (2011).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Anderson {
    /// The number of changes remembered.
    pub window: usize,
    /// β, the damping of the part that plain iteration adds.
    pub mixing: f64,
    /// The ridge, relative to the squared length of each change.
    pub ridge: f64,
    /// The largest condition (one over the sine of an angle) at which a change is used.
    pub condition: f64,
    /// The growth of the residual at which a row restarts.
    pub growth: f64,
}

impl Default for Anderson {
    fn default() -> Self {
        Self { window: 5, mixing: 1.0, ridge: 1e-12, condition: 1e6, growth: 100.0 }
    }
}

impl Anderson {
    /// A window of this length, and defaults for the rest.
    pub fn new(window: usize) -> Self {
        Self { window, ..Self::default() }
    }

    /// Refuses settings with no meaning.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { window, mixing, ridge, condition, growth } = *self;
        Error::unless(window > 0, "anderson.window", window, "at least 1", "use Picard for no memory")?;
        let valid = mixing > 0.0 && mixing <= 1.0;
        Error::unless(valid, "anderson.mixing", mixing, "a number in (0, 1]", "use 1 for no damping")?;
        let valid = ridge >= 0.0 && ridge.is_finite();
        Error::unless(valid, "anderson.ridge", ridge, "a finite number >= 0", "use 0 for no ridge")?;
        let valid = condition >= 1.0 && condition.is_finite();
        Error::unless(valid, "anderson.condition", condition, "a finite number >= 1", "the default is 1e6")?;
        let valid = growth > 1.0 && growth.is_finite();
        Error::unless(valid, "anderson.growth", growth, "a finite number > 1", "use 1e30 for no restart")
    }
}

/// What [`Anderson`] remembers.
#[derive(Debug)]
pub struct AndersonMemory<R> {
    /// `F` and `x + β F` of the last visit.
    last: Option<(R, R)>,
    /// The newest change first.
    changes: VecDeque<Change<R>>,
    /// How many of the newest changes each row may use; none where its last visit is not known either.
    held: Vec<Option<usize>>,
    /// The least residual of each row since it last restarted.
    least: Vec<f64>,
    /// Whether the last step of each row mixed past changes in.
    extrapolated: Vec<bool>,
    /// Room for the small problem of one row after another.
    products: Products,
}

/// What changed between two visits.
#[derive(Debug)]
struct Change<R> {
    /// `ΔF`.
    difference: R,
    /// `Δx + β ΔF`.
    target: R,
    /// `⟨ΔF, ΔF⟩` of this change with itself, the next older, and so on: one number a row each.
    products: Vec<Vec<f64>>,
}

impl<R: Rows> Solver<R> for Anderson {
    type Memory = AndersonMemory<R>;

    fn start(&self, x0: &R) -> Self::Memory {
        let rows = x0.rows();
        AndersonMemory {
            last: None,
            changes: VecDeque::new(),
            held: vec![None; rows],
            least: vec![f64::INFINITY; rows],
            extrapolated: vec![false; rows],
            products: Products::default(),
        }
    }

    fn step(&self, visit: &Visit<'_, R>, memory: &mut Self::Memory) -> R {
        let target = damped(visit, self.mixing);
        let right = memory.remember(self, visit, &target);
        let trust = self.trust(visit.x.precision());
        let rows = visit.active.len();
        let mut factors = vec![0.0; rows * memory.changes.len()];
        for row in (0..rows).filter(|row| visit.active[*row]) {
            let mixture = memory.products(row, &right, visit.residuals[row]).mixture(trust);
            mixture.iter().enumerate().for_each(|(i, value)| factors[i * rows + row] = -value);
            memory.extrapolated[row] = (0..memory.changes.len()).any(|i| factors[i * rows + row] != 0.0);
        }
        let changes = memory.changes.iter().map(|change| &change.target);
        let terms: Vec<(&[f64], &R)> = factors.chunks(rows.max(1)).zip(changes).collect();
        target.add_scaled(&terms)
    }

    fn narrow(&self, memory: &mut Self::Memory, keep: &[usize]) {
        if let Some((difference, target)) = &mut memory.last {
            (*difference, *target) = (difference.gather(keep), target.gather(keep));
        }
        for Change { difference, target, products } in &mut memory.changes {
            (*difference, *target) = (difference.gather(keep), target.gather(keep));
            products.iter_mut().for_each(|products| *products = picked(products, keep));
        }
        (memory.held, memory.least) = (picked(&memory.held, keep), picked(&memory.least, keep));
        memory.extrapolated = picked(&memory.extrapolated, keep);
    }

    fn restart(&self, memory: &mut Self::Memory, row: usize) {
        memory.forget(row);
    }

    fn extrapolated(&self, memory: &Self::Memory, row: usize) -> bool {
        memory.extrapolated[row]
    }
}

impl Anderson {
    /// What the settings mean for numbers of this precision.
    fn trust(&self, precision: f64) -> Trust {
        let floor = self.condition.powi(-2).max(16.0 * precision);
        Trust { ridge: self.ridge, floor, precision }
    }
}

impl<R: Rows> AndersonMemory<R> {
    /// Takes in the point before the next one, `(x, g(x))` of all rows, where nothing has been seen.
    pub(super) fn begin(&mut self, settings: &Anderson, point: (&R, &R)) {
        let visit = Visit::new(point, &[], &[], &[]);
        self.last.get_or_insert_with(|| (visit.difference().clone(), damped(&visit, settings.mixing)));
    }

    /// Lets the row have seen the last point, and nothing before.
    pub(super) fn enter(&mut self, row: usize) {
        (self.held[row], self.least[row]) = (Some(0), f64::INFINITY);
    }

    /// Makes the row forget all it has seen.
    pub(super) fn forget(&mut self, row: usize) {
        (self.held[row], self.least[row]) = (None, f64::INFINITY);
    }

    /// Takes in the newest change; `⟨ΔFᵢ, F⟩` for every change kept, one number a row each.
    fn remember(&mut self, settings: &Anderson, visit: &Visit<'_, R>, target: &R) -> Vec<Vec<f64>> {
        let mut right = Vec::new();
        if let Some((difference, last_target)) = &self.last {
            let change = visit.difference().minus(difference);
            self.changes.truncate(settings.window - 1);
            let older = || self.changes.iter().map(|change| &change.difference);
            let with_change = std::iter::once(&change).chain(older()).map(|past| (&change, past));
            let with_difference =
                std::iter::once(&change).chain(older()).map(|past| (visit.difference(), past));
            let mut products = R::dots(&with_change.chain(with_difference).collect::<Vec<_>>());
            right = products.split_off(products.len() / 2);
            self.changes.push_front(Change {
                difference: change,
                target: target.minus(last_target),
                products,
            });
        }
        self.last = Some((visit.difference().clone(), target.clone()));
        for row in (0..visit.residuals.len()).filter(|row| visit.active[*row]) {
            let residual = visit.residuals[row];
            let held = &mut self.held[row];
            if residual > settings.growth * self.least[row] {
                (*held, self.least[row]) = (Some(0), residual);
            } else {
                *held = Some(held.map_or(0, |held| (held + 1).min(self.changes.len())));
                self.least[row] = self.least[row].min(residual);
            }
        }
        right
    }

    /// The inner products that one row may use.
    fn products(&mut self, row: usize, right: &[Vec<f64>], residual: f64) -> &mut Products {
        let (held, changes) = (self.held[row].unwrap_or(0), &self.changes);
        let product = |i: usize, j: usize| changes[i.min(j)].products[i.abs_diff(j)][row];
        let Products { gram, right: along, .. } = &mut self.products;
        gram.clear();
        gram.extend((0..held * held).map(|k| product(k / held, k % held)));
        along.clear();
        along.extend(right[..held].iter().map(|products| products[row]));
        self.products.residual = residual;
        &mut self.products
    }
}
