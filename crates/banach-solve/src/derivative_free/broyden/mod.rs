//! Limited-memory Broyden's method.

mod inverse;

use crate::state::rows::{entries_at, select_rows};
use crate::{Error, Iterate, Rows, Solver};
use inverse::{Inverse, Product};
use serde::{Deserialize, Serialize};

/// Limited-memory Broyden's method: each row approximates the inverse Jacobian from its own steps.
///
/// **When.** Anderson stagnates, or the inverse Jacobian is needed (see [`BroydenMemory::adjoint`]).
/// **Cost.** One evaluation a step, `2 · memory + 3` states of memory, two reads from the device. **Needs.**
/// Values of `g` alone.
///
/// With `F = g(x) - x`, the step is `d = -H F` where `H` approximates the inverse of `J - I`. It starts as
/// `-I`, so that the first step is plain iteration, and after a step `s` that changed `F` by `y` it becomes
/// `H + (s - H y) wᵀ / ⟨w, y⟩`, which maps `y` to `s`; `w` is `Hᵀ s` ([`Good`](BroydenUpdate::Good)) or `y`
/// ([`Bad`](BroydenUpdate::Bad)). A row with `memory` updates restarts from `-I` and its newest difference.
/// Dropping the oldest update instead would leave an `H` that satisfies no secant equation, because later
/// updates depend on all older ones.
///
/// With `backtracks`, a step that multiplies `‖F‖` by more than `1 - 10⁻⁴ t + 1 / k²` is repeated with half
/// its length (`t ← t / 2`), for one evaluation each; `k` counts the steps of the row. The sum of `1 / k²` is
/// finite, so that residuals stay bounded without falling in every step. After `backtracks` halvings the row
/// takes a plain step and clears its memory. A row whose step leads to where `g` is not finite or explodes
/// does so from its best iterate, for any `backtracks`.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`memory`](Self::memory) | `20` | `>= 1` | updates of a row; more for large or ill-conditioned maps |
/// | [`update`](field@Self::update) | `good` | `good`, `bad` | which of Broyden's two updates |
/// | [`backtracks`](Self::backtracks) | `0` | `>= 0` | the most halvings of one step; 0 for no line search |
/// | [`condition`](Self::condition) | `1e6` | `>= 1` | an update is skipped where `‖w‖ ‖y‖` is more than this times `⟨w, y⟩` |
/// | [`growth`](Self::growth) | `100` | `> 1` | a residual this many times the smallest since the last restart restarts the row |
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
/// Reference: C. Broyden, A class of methods for solving nonlinear simultaneous equations, Math. Comp. 19
/// (1965), methods 1 (good) and 2 (bad), the first with the inverse by Sherman and Morrison; C. Kelley,
/// Iterative Methods for Linear and Nonlinear Equations (1995), chapter 7, for limited memory with restarts;
/// D. Li and M. Fukushima, A derivative-free line search and global convergence of Broyden-like method for
/// nonlinear equations, Optim. Methods Softw. 13 (2000).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Broyden {
    /// The most updates of a row.
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

/// The matrix that an update changes least, subject to `H y = s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BroydenUpdate {
    /// The inverse of `H`, which does not change on the complement of `s`.
    #[default]
    Good,
    /// `H`, which does not change on the complement of `y`.
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

    /// Refuses invalid settings.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { memory, condition, growth, .. } = *self;
        Error::unless(memory > 0, "broyden.memory", memory, "at least 1", "use Picard for no memory")?;
        let valid = condition >= 1.0 && condition.is_finite();
        Error::unless(valid, "broyden.condition", condition, "a finite number >= 1", "the default is 1e6")?;
        let valid = growth > 1.0 && growth.is_finite();
        Error::unless(valid, "broyden.growth", growth, "a finite number > 1", "use 1e30 for no restart")
    }
}

/// The memory of [`Broyden`].
#[derive(Debug)]
pub struct BroydenMemory<R> {
    inverse: Inverse<R>,
    /// The point at which the last step of every row started; `None` before the first step.
    last: Option<Point<R>>,
    state: Vec<RowState>,
}

/// A point of every row, with its step direction.
#[derive(Debug)]
struct Point<R> {
    x: R,
    /// `F`.
    difference: R,
    /// `-H F`.
    direction: R,
}

/// The state of one row.
#[derive(Debug, Clone, Copy)]
struct RowState {
    /// `‖F‖` at the last point; `None` before the first.
    residual: Option<f64>,
    /// The smallest residual since the last restart.
    least: f64,
    /// The number of steps.
    steps: usize,
    /// Halvings of the current step; `None` without a line search.
    halvings: Option<usize>,
}

const NEW_ROW: RowState = RowState { residual: None, least: f64::INFINITY, steps: 0, halvings: None };

impl<R: Rows> BroydenMemory<R> {
    /// `-Hᵀ v` in every row: where `H` has become the inverse of `J - I`, the solution `c` of `c = Jᵀ c + v`.
    ///
    /// It needs no application of `Jᵀ`. Its accuracy depends on the steps of the row: it is exact for an
    /// affine map of `n` variables after good updates along `n` orthogonal steps, and `v` itself before the
    /// first. `v` has the shape of the state; a memory of all rows is returned by
    /// [`fixed_point_remembered`](crate::fixed_point_remembered).
    ///
    /// Reference: Z. Ramzi and others, SHINE: SHaring the INverse Estimate from the forward pass for bi-level
    /// optimization and implicit models (2022).
    ///
    /// # Panics
    /// If the number of rows of `v` is not that of the memory.
    pub fn adjoint(&self, v: &R) -> R {
        assert_eq!(v.rows(), self.state.len(), "the rows of the cotangent must be the rows of the memory");
        let mut images = self.inverse.times(&[(Product::Transposed, v)]);
        images.swap_remove(0).scaled(&vec![-1.0; v.rows()])
    }

    /// Clears the memory of the row.
    pub(crate) fn forget(&mut self, row: usize) {
        self.inverse.forget(row);
        self.state[row] = NEW_ROW;
    }
}

impl<R: Rows> Solver<R> for Broyden {
    type Memory = BroydenMemory<R>;

    fn start(&self, x0: &R) -> Self::Memory {
        let rows = x0.rows();
        BroydenMemory { inverse: Inverse::new(rows), last: None, state: vec![NEW_ROW; rows] }
    }

    fn step(&self, iterate: &Iterate<'_, R>, memory: &mut Self::Memory) -> R {
        let rows = iterate.active.len();
        let mut lengths = vec![1.0; rows];
        let mut accepted = iterate.active.to_vec();
        let mut failed = vec![false; rows];
        for row in (0..rows).filter(|row| iterate.active[*row]) {
            let state = &mut memory.state[row];
            if let Some(halvings) = state.rejected(iterate.residuals[row]) {
                accepted[row] = false;
                failed[row] = halvings >= self.backtracks;
                state.halvings = (!failed[row]).then_some(halvings + 1);
                lengths[row] = if failed[row] { 1.0 } else { state.length() };
            }
        }
        let last = memory.last.take();
        let mut last = self.accept(iterate, last, &accepted, memory);
        if failed.contains(&true) {
            last.direction = select_rows(&failed, &last.difference, &last.direction);
            (0..rows).filter(|row| failed[*row]).for_each(|row| memory.inverse.forget(row));
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
        memory.state = entries_at(&memory.state, keep);
    }

    fn restart(&self, memory: &mut Self::Memory, row: usize) {
        memory.forget(row);
    }

    fn extrapolated(&self, memory: &Self::Memory, row: usize) -> bool {
        memory.inverse.held(row) > 0
    }
}

impl RowState {
    /// The length of the current trial step, relative to the full step.
    fn length(&self) -> f64 {
        self.halvings.map_or(1.0, |halvings| 0.5_f64.powi(halvings.min(1000) as i32))
    }

    /// The halvings so far, if the residual is too large to accept the step.
    fn rejected(&self, residual: f64) -> Option<usize> {
        let (halvings, before) = (self.halvings?, self.residual?);
        let allowed = 1.0 - 1e-4 * self.length() + (self.steps as f64).powi(-2);
        (residual > allowed * before).then_some(halvings)
    }
}

impl Broyden {
    /// The iterates of rows whose step is accepted, with their new directions; the last points of the other
    /// rows.
    fn accept<R: Rows>(
        &self,
        iterate: &Iterate<'_, R>,
        last: Option<Point<R>>,
        accepted: &[bool],
        memory: &mut BroydenMemory<R>,
    ) -> Point<R> {
        let difference = iterate.difference();
        let mut fresh = vec![false; accepted.len()];
        let mut updating = vec![false; accepted.len()];
        for row in (0..accepted.len()).filter(|row| accepted[*row]) {
            let (state, residual) = (&mut memory.state[row], iterate.residuals[row]);
            let grown = residual > self.growth * state.least;
            updating[row] = state.residual.is_some() && !grown;
            fresh[row] = !updating[row] || memory.inverse.held(row) >= self.memory;
            if fresh[row] {
                memory.inverse.forget(row);
            }
            let least = if grown { residual } else { residual.min(state.least) };
            let halvings = (self.backtracks > 0).then_some(0);
            *state = RowState { residual: Some(residual), least, steps: state.steps + 1, halvings };
        }
        let Some(last) = last else {
            let (x, difference) = (iterate.x.clone(), difference.clone());
            return Point { x, direction: difference.clone(), difference };
        };
        let direction = self.update(iterate, &last, (&fresh, &updating), &mut memory.inverse);
        Point {
            x: select_rows(accepted, iterate.x, &last.x),
            difference: select_rows(accepted, difference, &last.difference),
            direction: select_rows(accepted, &direction, &last.direction),
        }
    }

    /// `-H F` after an update of `H` in the rows of `updating`; `H` is `-I` in the rows of `fresh`.
    fn update<R: Rows>(
        &self,
        iterate: &Iterate<'_, R>,
        last: &Point<R>,
        (fresh, updating): (&[bool], &[bool]),
        inverse: &mut Inverse<R>,
    ) -> R {
        let difference = iterate.difference();
        let (s, y) = (iterate.x.minus(&last.x), difference.minus(&last.difference));
        let (image, w) = match self.update {
            BroydenUpdate::Good => {
                let mut images = inverse.times(&[(Product::Plain, difference), (Product::Transposed, &s)]);
                let transposed = images.swap_remove(1);
                (images.swap_remove(0), transposed)
            }
            BroydenUpdate::Bad => (inverse.times(&[(Product::Plain, difference)]).swap_remove(0), y.clone()),
        };
        // `s - H y`, from `-H F` at the last point.
        let rest = s.minus(&image.plus(&select_rows(fresh, &last.difference, &last.direction)));
        let products = R::dots(&[(&w, &y), (&w, &w), (&y, &y), (&w, difference), (&rest, &rest)]);
        let precision = iterate.x.precision();
        let floor = self.condition.recip().max(16.0 * precision);
        let usable = |row: usize| {
            let length = |index: usize| products[index][row].sqrt();
            let clear = products[0][row].abs() > floor * length(1) * length(2);
            let change = length(2) > precision * iterate.residuals[row];
            updating[row] && clear && change && products.iter().all(|product| product[row].is_finite())
        };
        let usable: Vec<bool> = (0..updating.len()).map(usable).collect();
        let only = |value: fn(f64) -> f64, index: usize| -> Vec<f64> {
            let of = |row: usize| if usable[row] { value(products[index][row]) } else { 0.0 };
            (0..usable.len()).map(of).collect()
        };
        let u = select_rows(&usable, &rest.scaled(&only(f64::recip, 0)), &rest.zeros());
        inverse.push(&usable, (&u, &w));
        image.add_scaled(&[(&only(|along| along, 3), &u)]).scaled(&vec![-1.0; usable.len()])
    }
}
