//! BiCGStab: a short-recurrence method for general `A`.

use super::recurrence::{self, Recurrence, Shifted};
use super::system::LinearSystem;
use crate::state::rows::{entries_at, normalized_rows, select_rows};
use crate::{Error, Map, Outcome, Rows, Solution};
use serde::{Deserialize, Serialize};

/// The smallest cosine between `s` and `(I - A) s` that is not modified.
const LEAST_COSINE: f64 = 0.7;

/// BiCGStab: two short recurrences in every row, one of biconjugate directions and one of residual
/// minimization.
///
/// **When.** `A` is not symmetric, and the states of a GMRES cycle do not fit in memory or its restarts slow
/// it down. **Cost.** Two applications a step, one more at the end; eight states of memory for any number of
/// steps. **Needs.** `I - A` regular. Eigenvalues of `A` far from the real axis slow BiCGStab down more than
/// GMRES.
///
/// With `M = I - A`, the remainder `r`, a fixed shadow residual `r̂` and a direction `p`, a step is
/// `s = r - α M p` with `α = ⟨r̂, r⟩ / ⟨r̂, M p⟩`, then `r ← s - ω M s` with `ω = ⟨M s, s⟩ / ⟨M s, M s⟩`,
/// then `p ← r + β (p - ω M p)` with `β = (⟨r̂, r⟩ / ⟨r̂, r⟩ before) (α / ω)`. Where the cosine between `M s`
/// and `s` is below 0.7, it is replaced by 0.7 (the second reference), so that `ω` does not vanish.
///
/// Where `⟨r̂, r⟩` or `⟨r̂, M p⟩` is zero to the precision of the state, the row restarts from its iterate
/// with a shadow residual made of its remainder and pseudo-random numbers; after `restarts` of them without
/// halving the remainder, it ends as [`Breakdown`](Outcome::Breakdown). A direction in the null space of `M`
/// ends it as [`Singular`](Outcome::Singular). When the remainder by recurrence meets the tolerance, the true
/// remainder is computed, and it alone decides. The residual oscillates; give a row more
/// [`patience`](crate::Settings::patience) where that ends it too early.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`restarts`](Self::restarts) | `3` | `>= 0` | shadow residuals tried before a row ends as breakdown |
///
/// ```
/// use banach_solve::{Bicgstab, LinearSolver, Settings, solve_linear};
/// use burn::tensor::{Device, Tensor};
///
/// let settings = Settings::new(LinearSolver::Bicgstab(Bicgstab::default()));
/// let v = Tensor::<2>::from_floats([[1.0, 0.0]], &Device::flex());
/// let turn = |c: &Tensor<2>| c.clone().flip([1]) * Tensor::<2>::from_floats([[-1.0, 1.0]], &Device::flex());
/// let c: Vec<f32> = solve_linear(&turn, &v, &settings)?.into_converged()?.into_data().iter::<f32>().collect();
/// assert!((c[0] - 0.5).abs() < 1e-4 && (c[1] - 0.5).abs() < 1e-4);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// Reference: H. van der Vorst, Bi-CGSTAB, SIAM J. Sci. Stat. Comput. 13 (1992); G. Sleijpen and H. van der
/// Vorst, Maintaining convergence properties of BiCGstab methods in finite precision arithmetic, Numer.
/// Algorithms 10 (1995).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bicgstab {
    /// The number of shadow residuals tried before a row ends as breakdown.
    pub restarts: usize,
}

impl Default for Bicgstab {
    fn default() -> Self {
        Self { restarts: 3 }
    }
}

impl Bicgstab {
    pub(super) fn solve<R: Rows, M: Map<R> + ?Sized>(
        &self,
        system: LinearSystem<'_, '_, R, M>,
    ) -> Result<Solution<R>, Error> {
        let state = BicgstabState::new(system.unit_remainder(), self.restarts);
        recurrence::solve(system, state)
    }
}

/// The recurrences of every row, for an initial remainder of unit length.
#[derive(Debug)]
struct BicgstabState<R> {
    point: R,
    /// `r`, by recurrence.
    remainder: R,
    /// `r̂`.
    shadow: R,
    /// `p`.
    direction: R,
    scalars: Vec<RowScalars>,
    restarts: usize,
}

/// The scalars of one row.
#[derive(Debug, Clone)]
struct RowScalars {
    /// `‖r‖`.
    length: f64,
    /// `‖r̂‖`.
    shadow: f64,
    /// `⟨r̂, r⟩`.
    product: f64,
    /// Shadow residuals tried since the remainder last halved, and its norm at that time.
    tried: usize,
    mark: f64,
}

impl RowScalars {
    /// The scalars of a row whose shadow residual is its remainder.
    fn new(length: f64) -> Self {
        Self { length, shadow: length, product: length * length, tried: 0, mark: length }
    }
}

/// The scalars of one step in one row.
#[derive(Debug, Clone, Copy, Default)]
struct StepScalars {
    alpha: f64,
    omega: f64,
    beta: f64,
    /// Whether the row moves.
    moves: bool,
    /// Whether the row needs another shadow residual.
    broken: bool,
    failed: Option<Outcome>,
}

impl<R: Rows> BicgstabState<R> {
    /// Starts from a remainder of unit length in open rows.
    fn new(remainder: R, restarts: usize) -> Self {
        let scalars = vec![RowScalars::new(1.0); remainder.rows()];
        let (shadow, direction) = (remainder.clone(), remainder.clone());
        Self { point: remainder.zeros(), remainder, shadow, direction, scalars, restarts }
    }

    /// `α` of every open row, given `p` and `M p`.
    fn along(&self, open: &[bool], p: &R, image: &R) -> Vec<StepScalars> {
        let precision = p.precision();
        let products = R::dots(&[(&self.shadow, image), (image, image), (p, p)]);
        let of = |row: usize| {
            let found = StepScalars::default();
            if !open[row] {
                return found;
            }
            let (along, length) = (products[0][row], products[1][row].sqrt());
            let scalars = &self.scalars[row];
            let alpha = scalars.product / along;
            if !(along.is_finite() && length.is_finite()) {
                StepScalars { failed: Some(Outcome::NonFinite), ..found }
            } else if length <= 16.0 * precision * products[2][row].sqrt() {
                StepScalars { failed: Some(Outcome::Singular), ..found }
            } else if along.abs() <= precision * scalars.shadow * length || !alpha.is_finite() {
                StepScalars { broken: true, ..found }
            } else {
                StepScalars { alpha, moves: true, ..found }
            }
        };
        (0..open.len()).map(of).collect()
    }

    /// `ω` of every row that moves, given `s` and `M s`.
    fn minimize(moves: &mut [StepScalars], s: &R, image: &R) {
        let precision = s.precision();
        let products = R::dots(&[(image, s), (image, image), (s, s)]);
        for (row, found) in moves.iter_mut().enumerate().filter(|(_, found)| found.moves) {
            let [product, image, s] = [0, 1, 2].map(|k| products[k][row]);
            let (image, s) = (image.sqrt(), s.sqrt());
            if !(product.is_finite() && image.is_finite() && s.is_finite()) {
                *found = StepScalars { failed: Some(Outcome::NonFinite), ..StepScalars::default() };
            } else if image <= 16.0 * precision * s {
                found.broken = s > 0.0;
            } else {
                let cosine = product / (image * s);
                found.omega = cosine.abs().max(LEAST_COSINE).copysign(cosine) * s / image;
            }
        }
    }

    /// `β`, and the norms and products after a step.
    fn measure(&mut self, moves: &mut [StepScalars]) {
        let precision = self.remainder.precision();
        let products = R::dots(&[(&self.shadow, &self.remainder), (&self.remainder, &self.remainder)]);
        for (row, found) in moves.iter_mut().enumerate().filter(|(_, found)| found.moves) {
            let (product, length) = (products[0][row], products[1][row].sqrt());
            let scalars = &mut self.scalars[row];
            found.beta = product / scalars.product * (found.alpha / found.omega);
            let orthogonal = product.abs() <= precision * scalars.shadow * length || !found.beta.is_finite();
            found.broken |= orthogonal && length > 0.0;
            if found.broken || length == 0.0 {
                found.beta = 0.0;
            }
            (scalars.product, scalars.length) = (product, length);
        }
    }

    /// Replaces the shadow residual of broken rows by `r / ‖r‖ + u / 2` with a unit vector `u` for every
    /// attempt.
    fn renew(&mut self, moves: &mut [StepScalars]) {
        let mut shadows = self.shadow.clone();
        for (row, found) in moves.iter_mut().enumerate().filter(|(_, found)| found.broken) {
            let scalars = &mut self.scalars[row];
            if scalars.length <= 0.5 * scalars.mark {
                (scalars.tried, scalars.mark) = (0, scalars.length);
            }
            scalars.tried += 1;
            if scalars.tried > self.restarts {
                (found.failed, found.broken) = (Some(Outcome::Breakdown), false);
            }
        }
        let broken: Vec<bool> = moves.iter().map(|found| found.broken).collect();
        if !broken.contains(&true) {
            return;
        }
        let lengths: Vec<f64> = self.scalars.iter().map(|scalars| scalars.length).collect();
        let unit = normalized_rows(&self.remainder, &lengths, &broken);
        for attempt in 1..=self.restarts {
            let here = |row: usize| broken[row] && self.scalars[row].tried == attempt;
            let here: Vec<bool> = (0..broken.len()).map(here).collect();
            if here.contains(&true) {
                let probe = self.remainder.probe(attempt as u32);
                let halves: Vec<f64> =
                    R::norms(&[&probe]).swap_remove(0).iter().map(|norm| 0.5 / norm).collect();
                shadows = select_rows(&here, &unit.add_scaled(&[(&halves, &probe)]), &shadows);
            }
        }
        self.shadow = shadows;
        self.direction = select_rows(&broken, &self.remainder, &self.direction);
        let products = R::dots(&[(&self.shadow, &self.remainder), (&self.shadow, &self.shadow)]);
        for row in (0..broken.len()).filter(|row| broken[*row]) {
            let scalars = &mut self.scalars[row];
            (scalars.product, scalars.shadow) = (products[0][row], products[1][row].sqrt());
        }
    }
}

impl<R: Rows> Recurrence<R> for BicgstabState<R> {
    const APPLICATIONS: usize = 2;

    fn point(&self) -> &R {
        &self.point
    }

    fn length(&self, row: usize) -> f64 {
        self.scalars[row].length
    }

    fn step(&mut self, open: &[bool], apply: Shifted<'_, R>) -> Result<Vec<Option<Outcome>>, Error> {
        let zeros = self.point.zeros();
        let p = select_rows(open, &self.direction, &zeros);
        let image = apply(&p)?;
        let mut moves = self.along(open, &p, &image);
        let moving = |moves: &[StepScalars]| moves.iter().map(|found| found.moves).collect::<Vec<_>>();
        let factors =
            |moves: &[StepScalars], of: fn(&StepScalars) -> f64| moves.iter().map(of).collect::<Vec<_>>();
        let back = factors(&moves, |found| -found.alpha);
        let s = select_rows(&moving(&moves), &self.remainder.add_scaled(&[(&back, &image)]), &zeros);
        let image_s = apply(&s)?;
        Self::minimize(&mut moves, &s, &image_s);
        let (alpha, omega) = (factors(&moves, |found| found.alpha), factors(&moves, |found| found.omega));
        let back = factors(&moves, |found| -found.omega);
        let moved = moving(&moves);
        let along = self.point.add_scaled(&[(&alpha, &p), (&omega, &s)]);
        self.point = select_rows(&moved, &along, &self.point);
        self.remainder = select_rows(&moved, &s.add_scaled(&[(&back, &image_s)]), &self.remainder);
        self.measure(&mut moves);
        let beta = factors(&moves, |found| found.beta);
        let both = factors(&moves, |found| -found.beta * found.omega);
        let next = self.remainder.add_scaled(&[(&beta, &p), (&both, &image)]);
        self.direction = select_rows(&moved, &next, &self.direction);
        self.renew(&mut moves);
        Ok(moves.into_iter().map(|found| found.failed).collect())
    }

    fn restart(&mut self, rows: &[bool], remainder: &R, lengths: &[f64]) {
        for matrix in [&mut self.remainder, &mut self.shadow, &mut self.direction] {
            *matrix = select_rows(rows, remainder, matrix);
        }
        for row in (0..rows.len()).filter(|row| rows[*row]) {
            let scalars = &mut self.scalars[row];
            let (tried, mark) = (scalars.tried, scalars.mark);
            *scalars = RowScalars { tried, mark, ..RowScalars::new(lengths[row]) };
        }
    }

    fn narrow(&mut self, keep: &[usize]) {
        for matrix in [&mut self.point, &mut self.remainder, &mut self.shadow, &mut self.direction] {
            *matrix = matrix.gather(keep);
        }
        self.scalars = entries_at(&self.scalars, keep);
    }
}
