//! How is the system solved when `A` is symmetric and `I - A` positive definite?

use super::{Bend, Conjugate, normalized};
use crate::ledger::{Ledger, picked};
use crate::present::Present;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Outcome, Rows, Solution};
use serde::{Deserialize, Serialize};

/// Conjugate gradients: every row minimizes `½ ⟨c, (I - A) c⟩ - ⟨v, c⟩` over `v, A v, A² v, ...`.
///
/// **When.** `A` is symmetric, as the derivative of a gradient step is, and the system large or ill-conditioned.
/// **Cost.** One application a step, two more at the start and one more at the end; three states of memory however many
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
        rules: Rules,
        observer: &mut dyn Observe,
    ) -> Result<Solution<R>, Error> {
        let mut c = v.zeros();
        let mut ledger = Ledger::new(&c, rules);
        if ledger.finished() {
            return Ok(ledger.close());
        }
        let mut sizes = R::norms(&[v]).swap_remove(0);
        let mut steps = vec![0; v.rows()];
        let (mut v, mut present) = (v.clone(), Present::new(map));
        ledger.visit(|row| steps[row], &c, &sizes, &sizes);
        ledger.report(0, &sizes, observer);
        ledger.enforce();
        self.look_for_symmetry(&present, &v, &mut ledger)?;
        let start = normalized(&v, &sizes, ledger.actives());
        let mut state = Conjugate::new(start, vec![1.0; sizes.len()]);
        while !ledger.finished() {
            // A step, and a look at what it has reached.
            if ledger.remaining() < 2 {
                ledger.exhaust();
                break;
            }
            if let Some(keep) = present.narrow(ledger.batch(), ledger.actives()) {
                ledger.narrow(&keep);
                state.narrow(&keep);
                (steps, sizes, v) = (picked(&steps, &keep), picked(&sizes, &keep), v.gather(&keep));
            }
            let image = present.apply_shifted(&state.direction(ledger.actives()), &mut ledger)?;
            for (row, bend) in state.step(ledger.actives(), &image).into_iter().enumerate() {
                match bend {
                    Bend::Closed => {}
                    Bend::Up => steps[row] += 1,
                    Bend::Down => ledger.end(row, Outcome::Indefinite),
                    Bend::Unknown => ledger.end(row, Outcome::NonFinite),
                }
            }
            c = ledger.freeze(state.point.scaled(&sizes));
            let mut residuals: Vec<f64> =
                state.lengths().iter().zip(&sizes).map(|(length, size)| length * size).collect();
            let last = ledger.remaining() < 3;
            let done = |row: usize| {
                let met = rules.tolerance.met(residuals[row], sizes[row]);
                ledger.actives()[row] && (met || last || steps[row] >= rules.budget.steps)
            };
            let done: Vec<bool> = (0..steps.len()).map(done).collect();
            if done.contains(&true) {
                let remainder = v.minus(&present.apply_shifted(&c, &mut ledger)?);
                let found = R::norms(&[&remainder]).swap_remove(0);
                let lengths: Vec<f64> = found.iter().zip(&sizes).map(|(found, size)| found / size).collect();
                state.restart(&done, &normalized(&remainder, &sizes, &done), &lengths);
                (0..done.len()).filter(|row| done[*row]).for_each(|row| residuals[row] = found[row]);
            }
            ledger.visit(|row| steps[row], &c, &residuals, &sizes);
            ledger.report(steps.iter().max().copied().unwrap_or(0), &residuals, observer);
            ledger.enforce();
        }
        Ok(ledger.close())
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
