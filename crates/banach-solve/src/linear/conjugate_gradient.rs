//! Conjugate gradients, for symmetric `A` and positive definite `I - A`.

use super::conjugate::{ConjugateDirections, Curvature};
use super::recurrence::{self, Recurrence, Shifted};
use super::system::LinearSystem;
use crate::{Error, Map, Outcome, Rows, Solution};
use serde::{Deserialize, Serialize};

/// Conjugate gradients: every row minimizes `½ ⟨c, (I - A) c⟩ - ⟨v, c⟩` over `v, A v, A² v, ...`.
///
/// **When.** `A` is symmetric, as the derivative of a gradient step is, and the system large or
/// ill-conditioned. **Cost.** One application a step, two more at the start and one more at the end; four
/// states of memory for any number of steps. **Needs.** `A` symmetric, else the row ends as
/// [`Asymmetric`](Outcome::Asymmetric); `I - A` positive definite, else it ends as
/// [`Indefinite`](Outcome::Indefinite) with its smallest residual.
///
/// Symmetry is checked before the first step: for two fixed pseudo-random vectors `u` and `w`,
/// `|⟨u, A w⟩ - ⟨A u, w⟩|` may be `symmetry` times `(‖u‖ ‖A w‖ + ‖A u‖ ‖w‖) / (2 √n)`, the typical size of
/// the two products; an `A` of the size of the rounding error of `I` passes. A small asymmetric part may pass
/// and slow the solver down or stall it, but when the residual by recurrence meets the tolerance, the true
/// residual is computed, and it alone decides.
///
/// The residual may grow before it falls, in an ill-conditioned system for many steps: raise
/// [`patience`](crate::Settings::patience) there.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`symmetry`](Self::symmetry) | `1e-3` | `>= 0` | relative asymmetry that passes as rounding; at least 64 times the precision of the state |
///
/// ```
/// use banach_solve::{ConjugateGradient, LinearSolver, Outcome, Settings, solve_linear};
/// use burn::tensor::{Device, Tensor};
///
/// let settings = Settings::new(LinearSolver::ConjugateGradient(ConjugateGradient::default()));
/// let v = Tensor::<2>::from_floats([[1.0, 0.0]], &Device::flex());
/// let swap = |c: &Tensor<2>| c.clone().flip([1]) * 0.5;
/// let c = solve_linear(&swap, &v, &settings)?.into_converged()?.into_data();
/// assert!(c.iter::<f64>().zip([4.0 / 3.0, 2.0 / 3.0]).all(|(c, answer)| (c - answer).abs() < 1e-5));
///
/// let turn = |c: &Tensor<2>| c.clone().flip([1]) * Tensor::<2>::from_floats([[-1.0, 1.0]], &Device::flex());
/// assert_eq!(solve_linear(&turn, &v, &settings)?.outcomes, [Outcome::Asymmetric]);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// Reference: M. Hestenes and E. Stiefel, Methods of conjugate gradients for solving linear systems (1952),
/// (3:1).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConjugateGradient {
    /// The relative asymmetry that passes as rounding.
    pub symmetry: f64,
}

impl Default for ConjugateGradient {
    fn default() -> Self {
        Self { symmetry: 1e-3 }
    }
}

impl ConjugateGradient {
    /// Refuses a threshold that is negative or not finite.
    pub fn validate(&self) -> Result<(), Error> {
        let valid = self.symmetry >= 0.0 && self.symmetry.is_finite();
        let remedy = "use 0 to allow for rounding alone";
        Error::unless(valid, "conjugate_gradient.symmetry", self.symmetry, "a finite number >= 0", remedy)
    }

    pub(super) fn solve<R: Rows, M: Map<R> + ?Sized>(
        &self,
        mut system: LinearSystem<'_, '_, R, M>,
    ) -> Result<Solution<R>, Error> {
        self.check_symmetry(&mut system)?;
        let state = ConjugateDirections::new(system.unit_remainder(), vec![1.0; system.v.rows()]);
        recurrence::solve(system, state)
    }

    /// Ends rows in which the map is not symmetric, for two applications.
    fn check_symmetry<R: Rows, M: Map<R> + ?Sized>(
        &self,
        system: &mut LinearSystem<'_, '_, R, M>,
    ) -> Result<(), Error> {
        let LinearSystem { map, v, ledger, .. } = system;
        if ledger.finished() {
            return Ok(());
        }
        if ledger.remaining() < 2 {
            ledger.exhaust();
            return Ok(());
        }
        let (u, w) = (v.probe(1), v.probe(2));
        let (image_u, image_w) = (map.apply(&u, ledger)?, map.apply(&w, ledger)?);
        let products = R::dots(&[(&u, &image_w), (&image_u, &w)]);
        let norms = R::norms(&[&u, &w, &image_u, &image_w]);
        let rounding = 64.0 * v.precision();
        let threshold = self.symmetry.max(rounding);
        for row in 0..v.rows() {
            let difference = (products[0][row] - products[1][row]).abs();
            let size = norms[0][row] * norms[3][row] + norms[2][row] * norms[1][row];
            // An `A` that is the rounding error of a difference from `I` has no structure, symmetric or
            // other.
            let allowed = threshold * 0.5 * size + rounding * norms[0][row] * norms[1][row];
            if !difference.is_finite() {
                ledger.end(row, Outcome::NonFinite);
            } else if difference > allowed / (v.width() as f64).sqrt() {
                ledger.end(row, Outcome::Asymmetric);
            }
        }
        Ok(())
    }
}

impl<R: Rows> Recurrence<R> for ConjugateDirections<R> {
    const APPLICATIONS: usize = 1;

    fn point(&self) -> &R {
        &self.point
    }

    fn length(&self, row: usize) -> f64 {
        self.lengths()[row]
    }

    fn step(&mut self, open: &[bool], apply: Shifted<'_, R>) -> Result<Vec<Option<Outcome>>, Error> {
        let image = apply(&self.direction(open))?;
        let outcome = |curvature| match curvature {
            Curvature::Inactive | Curvature::Positive => None,
            Curvature::NotPositive => Some(Outcome::Indefinite),
            Curvature::NonFinite => Some(Outcome::NonFinite),
        };
        Ok(self.step(open, &image).into_iter().map(outcome).collect())
    }

    fn restart(&mut self, rows: &[bool], remainder: &R, lengths: &[f64]) {
        self.restart(rows, remainder, lengths);
    }

    fn narrow(&mut self, keep: &[usize]) {
        self.narrow(keep);
    }
}
