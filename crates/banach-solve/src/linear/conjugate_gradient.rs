//! Conjugate gradients, for symmetric `A` and positive definite `I - A`.

use super::recurrence::{Recurrence, Run, Shifted};
use super::start::Start;
use super::{Bend, Conjugate, normalized};
use crate::ledger::Ledger;
use crate::present::Present;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Outcome, Rows, Solution};
use serde::{Deserialize, Serialize};

/// Conjugate gradients: every row minimizes `½ ⟨c, (I - A) c⟩ - ⟨v, c⟩` over `v, A v, A² v, ...`.
///
/// **When.** `A` is symmetric, as the derivative of a gradient step is, and the system large or ill-conditioned.
/// **Cost.** One application a step, two more at the start and one more at the end; four states of memory however many
/// steps. **Needs.** `A` symmetric, else the row ends as [`Asymmetric`](Outcome::Asymmetric); `I - A` positive definite,
/// else it ends as [`Indefinite`](Outcome::Indefinite) with its least residual.
///
/// Symmetry is looked at before the first step: for two fixed vectors `u` and `w` of random-looking numbers,
/// `|⟨u, A w⟩ - ⟨A u, w⟩|` may be `symmetry` times `(‖u‖ ‖A w‖ + ‖A u‖ ‖w‖) / (2 √n)`, about what the two products are by
/// themselves; and an `A` as small as the rounding of `I` is let pass. A small part that is not symmetric may pass; it slows the solver down or stalls it, but the residual is
/// that of the system as it is, and when it seems to suffice it is computed anew, which alone decides.
///
/// The residual may grow on the way, and in an ill-conditioned system for long: give it more
/// [`patience`](crate::Settings::patience).
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`symmetry`](Self::symmetry) | `1e-3` | `>= 0` | asymmetry that is put down to rounding; at least 64 times the precision of the state |
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
/// Reference: M. Hestenes and E. Stiefel, Methods of conjugate gradients for solving linear systems (1952), (3:1).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConjugateGradient {
    /// The relative asymmetry that is put down to rounding.
    pub symmetry: f64,
}

impl Default for ConjugateGradient {
    fn default() -> Self {
        Self { symmetry: 1e-3 }
    }
}

impl ConjugateGradient {
    /// Refuses a threshold with no meaning.
    pub fn validate(&self) -> Result<(), Error> {
        let valid = self.symmetry >= 0.0 && self.symmetry.is_finite();
        let remedy = "use 0 to allow for rounding alone";
        Error::unless(valid, "conjugate_gradient.symmetry", self.symmetry, "a finite number >= 0", remedy)
    }

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
        self.look_for_symmetry(&present, v, &mut ledger)?;
        let remainder = normalized(&start.remainder, &start.residuals, ledger.actives());
        let state = Conjugate::new(remainder, vec![1.0; v.rows()]);
        Run { present, v, start, ledger, rules, observer }.by(state)
    }

    /// Ends rows in which the map is not symmetric, which takes two evaluations.
    fn look_for_symmetry<R: Rows>(
        &self,
        map: &Present<'_, R, impl Map<R> + ?Sized>,
        v: &R,
        ledger: &mut Ledger<R>,
    ) -> Result<(), Error> {
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
            // Where `A` is what rounding leaves of `I` less something like it, it may look like anything.
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

impl<R: Rows> Recurrence<R> for Conjugate<R> {
    const APPLICATIONS: usize = 1;

    fn point(&self) -> &R {
        &self.point
    }

    fn length(&self, row: usize) -> f64 {
        self.lengths()[row]
    }

    fn step(&mut self, open: &[bool], apply: Shifted<'_, R>) -> Result<Vec<Option<Outcome>>, Error> {
        let image = apply(&self.direction(open))?;
        let outcome = |bend| match bend {
            Bend::Closed | Bend::Up => None,
            Bend::Down => Some(Outcome::Indefinite),
            Bend::Unknown => Some(Outcome::NonFinite),
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
