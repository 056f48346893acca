//! The truncated Neumann series, a phantom gradient.

use super::start::Start;
use crate::ledger::picked;
use crate::present::Present;
use crate::settings::Rules;
use crate::{Error, Map, Observe, Outcome, Rows, Solution, Tolerance};
use serde::{Deserialize, Serialize};

/// Exactly `terms` of the damped Neumann series: a phantom gradient.
///
/// `c = λ (v + B v + B² v + ... + Bᵏ⁻¹ v)` with `B = λ A + (1 - λ) I`, where `k` is `terms` and `λ` is `damping`. It is
/// reached from zeros by `k` steps `c ← c + λ (A c + v - c)`, the first of which takes no application. With a guess
/// ([`solve_linear_from`](crate::solve_linear_from)) the steps begin there, and each takes one.
///
/// **When.** A direction of descent suffices, and it must be had for little. **Cost.** `terms - 1` applications, three
/// states of memory. **Needs.** Nothing; the better `A` contracts, the less is missing.
///
/// Rows end as [`Approximate`](Outcome::Approximate), whatever the tolerance; a row in which a residual of zero is met on
/// the way (as where `v` is zero) is [`Converged`](Outcome::Converged). Nobody looks at the residual of the answer, which
/// would take one application more: it is NaN in the statistics. What is observed on the way are those of the sums
/// before.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`terms`](Self::terms) | `5` | `>= 1` | how many terms are added |
/// | [`damping`](Self::damping) | `0.5` | `(0, 1]` | λ; smaller ones shrink terms whose sign alternates |
///
/// ```
/// use banach_solve::{LinearSolver, Outcome, Settings, Truncated, solve_linear};
/// use burn::tensor::{Device, Tensor};
///
/// let settings = Settings::new(LinearSolver::Truncated(Truncated { terms: 3, damping: 1.0 }));
/// let v = Tensor::<2>::ones([1, 1], &Device::flex());
/// let solution = solve_linear(&|c: &Tensor<2>| c.clone() * 0.5, &v, &settings)?;
/// assert_eq!((solution.outcomes[0], solution.statistics.evaluations), (Outcome::Approximate, 2));
/// assert_eq!(solution.value.into_scalar::<f32>(), 1.75);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// Reference: Z. Geng, X. Zhang, S. Bai, Y. Wang and Z. Lin, On training implicit models, NeurIPS (2021), the phantom
/// gradient based on the Neumann series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Truncated {
    /// How many terms are added.
    pub terms: usize,
    /// The part of every step that is taken.
    pub damping: f64,
}

impl Default for Truncated {
    fn default() -> Self {
        Self { terms: 5, damping: 0.5 }
    }
}

impl Truncated {
    /// This number of terms, and the default damping.
    pub fn new(terms: usize) -> Self {
        Self { terms, ..Self::default() }
    }

    /// `v` itself.
    pub(super) const FIRST: Self = Self { terms: 1, damping: 1.0 };

    /// Refuses an empty sum, and a damping outside `(0, 1]`.
    pub fn validate(&self) -> Result<(), Error> {
        Error::unless(
            self.terms > 0,
            "truncated.terms",
            self.terms,
            "at least 1",
            "use Identity for `v` itself",
        )?;
        let valid = self.damping > 0.0 && self.damping <= 1.0;
        Error::unless(valid, "truncated.damping", self.damping, "a number in (0, 1]", "use 1 for no damping")
    }

    pub(super) fn solve<R: Rows>(
        &self,
        map: &(impl Map<R> + ?Sized),
        v: &R,
        c0: Option<&R>,
        rules: Rules,
        observer: &mut dyn Observe,
    ) -> Result<Solution<R>, Error> {
        // What was asked for is so many terms: nothing but an exact answer ends them early.
        let tolerance = Tolerance { absolute: 0.0, relative: 0.0, ..rules.tolerance };
        let rules = Rules { tolerance, patience: None, divergence: None, ..rules };
        let mut present = Present::new(map);
        let (start, mut ledger) = Start::measured(&present, v, c0, rules)?;
        start.look(&mut ledger, observer);
        let Start { mut c, mut remainder, mut residuals, mut sizes } = start;
        let mut v = v.clone();
        for term in 1..=self.terms {
            if ledger.finished() {
                break;
            }
            let factors = vec![self.damping; residuals.len()];
            c = ledger.freeze(c.add_scaled(&[(&factors, &remainder)]));
            if term < self.terms {
                remainder = v.minus(&present.apply_shifted(&c, &mut ledger)?);
                residuals = R::norms(&[&remainder]).swap_remove(0);
                ledger.visit(|_| term, &c, &residuals, &sizes);
            } else {
                let lengths = R::norms(&[&c]).swap_remove(0);
                let lost = (0..lengths.len()).filter(|position| !lengths[*position].is_finite());
                lost.for_each(|position| ledger.end(position, Outcome::NonFinite));
                ledger.accept(term, &c);
            }
            ledger.report(term, &residuals, observer);
            ledger.enforce();
            if let Some(keep) = present.narrow(ledger.batch(), ledger.actives()) {
                ledger.narrow(&keep);
                (c, v, remainder) = (c.gather(&keep), v.gather(&keep), remainder.gather(&keep));
                (residuals, sizes) = (picked(&residuals, &keep), picked(&sizes, &keep));
            }
        }
        Ok(ledger.close())
    }
}
