//! BiCGStab, for any `A`, in memory that does not grow with the steps.

use super::normalized;
use super::recurrence::{Recurrence, Run, Shifted};
use super::start::Start;
use crate::ledger::picked;
use crate::present::Present;
use crate::rows::choose;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Outcome, Rows, Solution};
use serde::{Deserialize, Serialize};

/// The smallest cosine between `s` and `(I - A) s` that is divided by as it is.
const LEAST_COSINE: f64 = 0.7;

/// BiCGStab: every row follows two short recurrences, one of biconjugate directions and one of least residuals.
///
/// **When.** `A` is not symmetric, and the states of a GMRES cycle do not fit in memory or its restarts lose too much.
/// **Cost.** Two applications a step, one more at the end; eight states of memory however many steps. **Needs.** `I - A`
/// regular. Eigenvalues of `A` far from the real axis slow it down; GMRES minds them less.
///
/// With `M = I - A`, the remainder `r`, a fixed shadow residual `r̂` and a direction `p`, a step is
/// `s = r - α M p` with `α = ⟨r̂, r⟩ / ⟨r̂, M p⟩`, then `r ← s - ω M s` with `ω = ⟨M s, s⟩ / ⟨M s, M s⟩`, then
/// `p ← r + β (p - ω M p)` with `β = (⟨r̂, r⟩ / ⟨r̂, r⟩ before) (α / ω)`. Where `M s` is far from the direction of `s`, the
/// cosine between them is put at 0.7 (the second reference), so that `ω` does not vanish.
///
/// Where `⟨r̂, r⟩` or `⟨r̂, M p⟩` is zero to this precision, the row starts again from where it is with a shadow residual
/// of its remainder and random-looking numbers; after `restarts` of them in which the remainder has not halved, it ends as
/// [`Breakdown`](Outcome::Breakdown). A direction that `M` takes to zero ends it as [`Singular`](Outcome::Singular). When
/// the remainder seems to suffice, it is computed anew, which alone decides. It goes up and down on the way: give a row
/// more [`patience`](crate::Settings::patience) where that ends it too early.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`restarts`](Self::restarts) | `3` | `>= 0` | shadow residuals that are tried before a row is given up |
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
/// Reference: H. van der Vorst, Bi-CGSTAB, SIAM J. Sci. Stat. Comput. 13 (1992); G. Sleijpen and H. van der Vorst,
/// Maintaining convergence properties of BiCGstab methods in finite precision arithmetic, Numer. Algorithms 10 (1995).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bicgstab {
    /// The shadow residuals that are tried before a row is given up.
    pub restarts: usize,
}

impl Default for Bicgstab {
    fn default() -> Self {
        Self { restarts: 3 }
    }
}

impl Bicgstab {
    pub(super) fn solve<R: Rows>(
        &self,
        map: &(impl Map<R> + ?Sized),
        v: &R,
        c0: Option<&R>,
        rules: Rules,
        observer: &mut dyn Observe,
    ) -> Result<Solution<R>, Error> {
        let present = Present::new(map);
        let (start, mut ledger) = Start::measured(&present, v, c0, rules)?;
        start.look(&mut ledger, observer);
        let remainder = normalized(&start.remainder, &start.residuals, ledger.actives());
        let state = Stabilized::new(remainder, self.restarts);
        Run { present, v, start, ledger, rules, observer }.by(state)
    }
}

/// The method in every row, for a remainder of length one.
#[derive(Debug)]
struct Stabilized<R> {
    point: R,
    /// `r`, kept up to date by recurrence.
    remainder: R,
    /// `r̂`.
    shadow: R,
    /// `p`.
    direction: R,
    numbers: Vec<Numbers>,
    restarts: usize,
}

/// What is known of one row.
#[derive(Debug, Clone)]
struct Numbers {
    /// `‖r‖`.
    length: f64,
    /// `‖r̂‖`.
    shadow: f64,
    /// `⟨r̂, r⟩`.
    product: f64,
    /// Shadow residuals tried since the remainder last halved, and its length then.
    tried: usize,
    mark: f64,
}

impl Numbers {
    /// With the remainder itself as its shadow.
    fn new(length: f64) -> Self {
        Self { length, shadow: length, product: length * length, tried: 0, mark: length }
    }
}

/// What one step does in one row.
#[derive(Debug, Clone, Copy, Default)]
struct Move {
    alpha: f64,
    omega: f64,
    beta: f64,
    /// Whether it goes along `p`, and whether it needs another shadow residual.
    goes: bool,
    broken: bool,
    failed: Option<Outcome>,
}

impl<R: Rows> Stabilized<R> {
    fn new(remainder: R, restarts: usize) -> Self {
        let numbers = vec![Numbers::new(1.0); remainder.rows()];
        let (shadow, direction) = (remainder.clone(), remainder.clone());
        Self { point: remainder.zeros(), remainder, shadow, direction, numbers, restarts }
    }

    /// `α` of every open row, given `p` and `M p`.
    fn along(&self, open: &[bool], p: &R, image: &R) -> Vec<Move> {
        let precision = p.precision();
        let products = R::dots(&[(&self.shadow, image), (image, image), (p, p)]);
        let of = |row: usize| {
            let found = Move::default();
            if !open[row] {
                return found;
            }
            let (along, length) = (products[0][row], products[1][row].sqrt());
            let numbers = &self.numbers[row];
            let alpha = numbers.product / along;
            if !(along.is_finite() && length.is_finite()) {
                Move { failed: Some(Outcome::NonFinite), ..found }
            } else if length <= 16.0 * precision * products[2][row].sqrt() {
                Move { failed: Some(Outcome::Singular), ..found }
            } else if along.abs() <= precision * numbers.shadow * length || !alpha.is_finite() {
                Move { broken: true, ..found }
            } else {
                Move { alpha, goes: true, ..found }
            }
        };
        (0..open.len()).map(of).collect()
    }

    /// `ω` of every row that goes, given `s` and `M s`.
    fn smooth(moves: &mut [Move], s: &R, image: &R) {
        let precision = s.precision();
        let products = R::dots(&[(image, s), (image, image), (s, s)]);
        for (row, found) in moves.iter_mut().enumerate().filter(|(_, found)| found.goes) {
            let [product, image, s] = [0, 1, 2].map(|k| products[k][row]);
            let (image, s) = (image.sqrt(), s.sqrt());
            if !(product.is_finite() && image.is_finite() && s.is_finite()) {
                *found = Move { failed: Some(Outcome::NonFinite), ..Move::default() };
            } else if image <= 16.0 * precision * s {
                found.broken = s > 0.0;
            } else {
                let cosine = product / (image * s);
                found.omega = cosine.abs().max(LEAST_COSINE).copysign(cosine) * s / image;
            }
        }
    }

    /// Lengths and products after a move, and `β`.
    fn measure(&mut self, moves: &mut [Move]) {
        let precision = self.remainder.precision();
        let products = R::dots(&[(&self.shadow, &self.remainder), (&self.remainder, &self.remainder)]);
        for (row, found) in moves.iter_mut().enumerate().filter(|(_, found)| found.goes) {
            let (product, length) = (products[0][row], products[1][row].sqrt());
            let numbers = &mut self.numbers[row];
            found.beta = product / numbers.product * (found.alpha / found.omega);
            let lost = product.abs() <= precision * numbers.shadow * length || !found.beta.is_finite();
            found.broken |= lost && length > 0.0;
            if found.broken || length == 0.0 {
                found.beta = 0.0;
            }
            (numbers.product, numbers.length) = (product, length);
        }
    }

    /// Another shadow residual for broken rows, each `r / ‖r‖ + u / 2` with its own unit vector `u`.
    fn renew(&mut self, moves: &mut [Move]) {
        let mut shadows = self.shadow.clone();
        for (row, found) in moves.iter_mut().enumerate().filter(|(_, found)| found.broken) {
            let numbers = &mut self.numbers[row];
            if numbers.length <= 0.5 * numbers.mark {
                (numbers.tried, numbers.mark) = (0, numbers.length);
            }
            numbers.tried += 1;
            if numbers.tried > self.restarts {
                (found.failed, found.broken) = (Some(Outcome::Breakdown), false);
            }
        }
        let broken: Vec<bool> = moves.iter().map(|found| found.broken).collect();
        if !broken.contains(&true) {
            return;
        }
        let lengths: Vec<f64> = self.numbers.iter().map(|numbers| numbers.length).collect();
        let unit = normalized(&self.remainder, &lengths, &broken);
        for attempt in 1..=self.restarts {
            let here = |row: usize| broken[row] && self.numbers[row].tried == attempt;
            let here: Vec<bool> = (0..broken.len()).map(here).collect();
            if here.contains(&true) {
                let probe = self.remainder.probe(attempt as u32);
                let halves: Vec<f64> =
                    R::norms(&[&probe]).swap_remove(0).iter().map(|norm| 0.5 / norm).collect();
                shadows = choose(&here, &unit.add_scaled(&[(&halves, &probe)]), &shadows);
            }
        }
        self.shadow = shadows;
        self.direction = choose(&broken, &self.remainder, &self.direction);
        let products = R::dots(&[(&self.shadow, &self.remainder), (&self.shadow, &self.shadow)]);
        for row in (0..broken.len()).filter(|row| broken[*row]) {
            let numbers = &mut self.numbers[row];
            (numbers.product, numbers.shadow) = (products[0][row], products[1][row].sqrt());
        }
    }
}

impl<R: Rows> Recurrence<R> for Stabilized<R> {
    const APPLICATIONS: usize = 2;

    fn point(&self) -> &R {
        &self.point
    }

    fn length(&self, row: usize) -> f64 {
        self.numbers[row].length
    }

    fn step(&mut self, open: &[bool], apply: Shifted<'_, R>) -> Result<Vec<Option<Outcome>>, Error> {
        let zeros = self.point.zeros();
        let p = choose(open, &self.direction, &zeros);
        let image = apply(&p)?;
        let mut moves = self.along(open, &p, &image);
        let goes = |moves: &[Move]| moves.iter().map(|found| found.goes).collect::<Vec<_>>();
        let factors = |moves: &[Move], of: fn(&Move) -> f64| moves.iter().map(of).collect::<Vec<_>>();
        let back = factors(&moves, |found| -found.alpha);
        let s = choose(&goes(&moves), &self.remainder.add_scaled(&[(&back, &image)]), &zeros);
        let smoothed = apply(&s)?;
        Self::smooth(&mut moves, &s, &smoothed);
        let (alpha, omega) = (factors(&moves, |found| found.alpha), factors(&moves, |found| found.omega));
        let back = factors(&moves, |found| -found.omega);
        let moved = goes(&moves);
        let along = self.point.add_scaled(&[(&alpha, &p), (&omega, &s)]);
        self.point = choose(&moved, &along, &self.point);
        self.remainder = choose(&moved, &s.add_scaled(&[(&back, &smoothed)]), &self.remainder);
        self.measure(&mut moves);
        let beta = factors(&moves, |found| found.beta);
        let both = factors(&moves, |found| -found.beta * found.omega);
        let next = self.remainder.add_scaled(&[(&beta, &p), (&both, &image)]);
        self.direction = choose(&moved, &next, &self.direction);
        self.renew(&mut moves);
        Ok(moves.into_iter().map(|found| found.failed).collect())
    }

    fn restart(&mut self, rows: &[bool], remainder: &R, lengths: &[f64]) {
        for matrix in [&mut self.remainder, &mut self.shadow, &mut self.direction] {
            *matrix = choose(rows, remainder, matrix);
        }
        for row in (0..rows.len()).filter(|row| rows[*row]) {
            let numbers = &mut self.numbers[row];
            let (tried, mark) = (numbers.tried, numbers.mark);
            *numbers = Numbers { tried, mark, ..Numbers::new(lengths[row]) };
        }
    }

    fn narrow(&mut self, keep: &[usize]) {
        for matrix in [&mut self.point, &mut self.remainder, &mut self.shadow, &mut self.direction] {
            *matrix = matrix.gather(keep);
        }
        self.numbers = picked(&self.numbers, keep);
    }
}
