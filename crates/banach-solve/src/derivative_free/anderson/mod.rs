//! Anderson acceleration.

mod mixture;

use crate::derivative_free::picard::damped;
use crate::state::rows::entries_at;
use crate::{Error, Iterate, Rows, Solver};
use mixture::{Products, Regularization};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Anderson acceleration: each row combines its last few differences to minimize the residual of an affine
/// model of `g`.
///
/// **When.** `g` contracts slowly, rotates, or expands mildly. **Cost.** One evaluation a step, `2 · window`
/// states of memory, one small least-squares problem a row on the host. **Needs.** Values of `g` alone.
///
/// With `F = g(x) - x`, the step is `x + β F - Σ γᵢ (Δxᵢ + β ΔFᵢ)` where `γ` minimizes `‖F - Σ γᵢ ΔFᵢ‖`
/// (equations 2.1 to 2.3 of the reference). A row whose residual jumps up restarts from its iterate with an
/// empty memory; a row whose step leads to where `g` is not finite or explodes restarts from its best iterate
/// with a plain step.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`window`](Self::window) | `5` | `>= 1` | differences kept; more for rotating or ill-conditioned maps |
/// | [`mixing`](Self::mixing) | `1` | `(0, 1]` | β, the damping of the plain step |
/// | [`ridge`](Self::ridge) | `1e-12` | `>= 0` | Tikhonov regularization of γ, relative to the squared length of each difference |
/// | [`condition`](Self::condition) | `1e6` | `>= 1` | differences closer than this (as 1/sine) to the span of newer ones are not used |
/// | [`growth`](Self::growth) | `100` | `> 1` | a residual this many times the smallest since the last restart restarts the row |
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
/// Reference: H. Walker and P. Ni, Anderson acceleration for fixed-point iterations, SIAM J. Numer. Anal. 49
/// (2011).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Anderson {
    /// The number of differences kept.
    pub window: usize,
    /// β, the damping of the plain step.
    pub mixing: f64,
    /// The ridge, relative to the squared length of each difference.
    pub ridge: f64,
    /// The largest condition (one over the sine of an angle) at which a difference is used.
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

    /// Refuses invalid settings.
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

/// The memory of [`Anderson`].
#[derive(Debug)]
pub struct AndersonMemory<R> {
    /// `x` and `g(x)` of the last iterate.
    last: Option<[R; 2]>,
    /// Differences of consecutive iterates, the newest first.
    changes: VecDeque<Change<R>>,
    /// The number of newest differences that each row may use; `None` where its last iterate is invalid, too.
    held: Vec<Option<usize>>,
    /// The smallest residual of each row since its last restart.
    least: Vec<f64>,
    /// Rows whose last step used differences.
    extrapolated: Vec<bool>,
    /// The least-squares problem, reused from row to row.
    products: Products,
}

/// The differences between two consecutive iterates.
#[derive(Debug)]
struct Change<R> {
    /// `ΔF`.
    difference: R,
    /// `Δx + β ΔF`.
    target: R,
    /// `⟨ΔF, ΔF⟩` of this difference with itself and with each older one: one vector of row values each.
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

    fn step(&self, iterate: &Iterate<'_, R>, memory: &mut Self::Memory) -> R {
        let right = memory.update(self, iterate);
        let regularization = self.regularization(iterate.x.precision());
        let rows = iterate.active.len();
        let mut factors = vec![0.0; rows * memory.changes.len()];
        for row in (0..rows).filter(|row| iterate.active[*row]) {
            let mixture = memory.products(row, &right, iterate.residuals[row]).mixture(regularization);
            mixture.iter().enumerate().for_each(|(i, value)| factors[i * rows + row] = -value);
            memory.extrapolated[row] = (0..memory.changes.len()).any(|i| factors[i * rows + row] != 0.0);
        }
        let changes = memory.changes.iter().map(|change| &change.target);
        let terms: Vec<(&[f64], &R)> = factors.chunks(rows.max(1)).zip(changes).collect();
        damped(iterate, self.mixing).add_scaled(&terms)
    }

    fn narrow(&self, memory: &mut Self::Memory, keep: &[usize]) {
        let gather = |state: &mut R| *state = state.gather(keep);
        memory.last.iter_mut().flatten().for_each(gather);
        for Change { difference, target, products } in &mut memory.changes {
            [difference, target].into_iter().for_each(gather);
            products.iter_mut().for_each(|products| *products = entries_at(products, keep));
        }
        (memory.held, memory.least) = (entries_at(&memory.held, keep), entries_at(&memory.least, keep));
        memory.extrapolated = entries_at(&memory.extrapolated, keep);
    }

    fn restart(&self, memory: &mut Self::Memory, row: usize) {
        memory.forget(row);
    }

    fn extrapolated(&self, memory: &Self::Memory, row: usize) -> bool {
        memory.extrapolated[row]
    }
}

impl Anderson {
    /// The regularization for this precision.
    fn regularization(&self, precision: f64) -> Regularization {
        let floor = self.condition.powi(-2).max(16.0 * precision);
        Regularization { ridge: self.ridge, floor, precision }
    }
}

impl<R: Rows> AndersonMemory<R> {
    /// Sets the last iterate to `(x, g(x))` of all rows, in an empty memory.
    pub(crate) fn begin(&mut self, (x, gx): (&R, &R)) {
        self.last.get_or_insert_with(|| [x.clone(), gx.clone()]);
    }

    /// Makes the last iterate the only one known of the row.
    pub(crate) fn enter(&mut self, row: usize) {
        (self.held[row], self.least[row]) = (Some(0), f64::INFINITY);
    }

    /// Clears the memory of the row.
    pub(crate) fn forget(&mut self, row: usize) {
        (self.held[row], self.least[row]) = (None, f64::INFINITY);
    }

    /// Adds the newest difference. Returns `⟨ΔFᵢ, F⟩` for every difference kept, one vector of row values
    /// each.
    fn update(&mut self, settings: &Anderson, iterate: &Iterate<'_, R>) -> Vec<Vec<f64>> {
        let mut right = Vec::new();
        if let Some(last) = &self.last {
            self.changes.truncate(settings.window - 1);
            let older: Vec<&R> = self.changes.iter().map(|change| &change.difference).collect();
            let ([difference, image], mut products) =
                R::change([iterate.x, iterate.gx], last.each_ref(), &older);
            right = products.split_off(products.len() / 2);
            let undamped = settings.mixing == 1.0;
            let less = vec![settings.mixing - 1.0; image.rows()];
            let target = if undamped { image } else { image.add_scaled(&[(&less, &difference)]) };
            self.changes.push_front(Change { difference, target, products });
        }
        self.last = Some([iterate.x.clone(), iterate.gx.clone()]);
        for row in (0..iterate.residuals.len()).filter(|row| iterate.active[*row]) {
            let residual = iterate.residuals[row];
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

    /// Gathers the inner products that one row may use.
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
