//! The truncated Neumann series, a phantom gradient.

use super::system::LinearSystem;
use crate::settings::StoppingRules;
use crate::{Error, Map, Outcome, Rows, Solution, Tolerance};
use serde::{Deserialize, Serialize};

/// A fixed number of terms of the damped Neumann series: a phantom gradient.
///
/// `c = λ (v + B v + B² v + ... + Bᵏ⁻¹ v)` with `B = λ A + (1 - λ) I`, where `k` is `terms` and `λ` is
/// `damping`. The sum results from zeros by `k` steps `c ← c + λ (A c + v - c)`, the first of which needs no
/// application. With a guess ([`solve_linear_from`](crate::solve_linear_from)) the steps start there, and
/// each needs one.
///
/// **When.** A cheap direction of descent suffices. **Cost.** `terms - 1` applications, three states of
/// memory. **Needs.** Nothing; the error falls with the contraction rate of `A`.
///
/// Rows end as [`Approximate`](Outcome::Approximate) for any tolerance; a row whose residual becomes zero (as
/// where `v` is zero) ends as [`Converged`](Outcome::Converged). The residual of the final sum, which would
/// take another application, is not computed and NaN in the statistics. Observers receive the residuals of
/// the partial sums before.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | [`terms`](Self::terms) | `5` | `>= 1` | the number of terms |
/// | [`damping`](Self::damping) | `0.5` | `(0, 1]` | λ; smaller values damp terms of alternating sign |
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
/// Reference: Z. Geng, X. Zhang, S. Bai, Y. Wang and Z. Lin, On training implicit models, NeurIPS (2021), the
/// phantom gradient based on the Neumann series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Truncated {
    /// The number of terms.
    pub terms: usize,
    /// The damping factor λ.
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

    /// The first term, `v`.
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

    /// The stopping rules of an exact number of terms: nothing but an exact solution ends the sum early.
    pub(super) fn rules(rules: StoppingRules) -> StoppingRules {
        let tolerance = Tolerance { absolute: 0.0, relative: 0.0, ..rules.tolerance };
        StoppingRules { tolerance, patience: None, divergence: None, ..rules }
    }

    pub(super) fn solve<R: Rows, M: Map<R> + ?Sized>(
        &self,
        mut system: LinearSystem<'_, '_, R, M>,
    ) -> Result<Solution<R>, Error> {
        for term in 1..=self.terms {
            if system.ledger.finished() {
                break;
            }
            let factors = vec![self.damping; system.residuals.len()];
            let c = system.c.add_scaled(&[(&factors, &system.remainder)]);
            if term < self.terms {
                system.move_to(c)?;
                system.record(|_| term);
            } else {
                system.c = system.ledger.freeze(c);
                let lengths = R::norms(&[&system.c]).swap_remove(0);
                let failed = (0..lengths.len()).filter(|position| !lengths[*position].is_finite());
                failed.for_each(|position| system.ledger.end(position, Outcome::NonFinite));
                system.ledger.accept(term, &system.c);
            }
            system.report(term);
            system.narrow();
        }
        Ok(system.ledger.close())
    }
}
