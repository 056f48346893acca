//! Solvers of `(I - A) c = v`, where `A` is known by application alone.

mod bicgstab;
mod by_iteration;
mod conjugate;
mod conjugate_gradient;
mod dense;
mod factors;
mod gmres;
mod hessenberg;
mod neumann;
mod recurrence;
mod start;
mod truncated;

pub use bicgstab::Bicgstab;
pub(crate) use conjugate::{Bend, Conjugate};
pub use conjugate_gradient::ConjugateGradient;
pub use dense::Dense;
pub(crate) use dense::{corrections, factored};
pub use gmres::Gmres;
pub use neumann::Neumann;
pub(crate) use start::Start;
pub use truncated::Truncated;

use crate::ledger::Ledger;
use crate::rows::choose;
use crate::{Anderson, Broyden, Error, Map, Observe, Rows, Settings, Solution, SolverKind, Unobserved};
use by_iteration::by_iteration;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The solvers of `(I - A) c = v`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum LinearSolver {
    /// The series `v + A v + A² v + ...`.
    Neumann(Neumann),
    /// Least residuals in a Krylov space, the default.
    Gmres(Gmres),
    /// Two short recurrences, for any `A` in little memory.
    Bicgstab(Bicgstab),
    /// Conjugate gradients, for symmetric `A` with positive definite `I - A`.
    ConjugateGradient(ConjugateGradient),
    /// `A` written down, and Gaussian elimination.
    Dense(Dense),
    /// Anderson acceleration of `c ← A c + v`, which does in a window what GMRES does in a cycle.
    Anderson(Anderson),
    /// Broyden's method on `c ← A c + v`.
    Broyden(Broyden),
    /// So many terms of the damped Neumann series, by choice: a phantom gradient.
    Truncated(Truncated),
    /// `c = v` without any application or look at `A`, by choice: Jacobian-free backpropagation. A guess does not change it.
    ///
    /// Rows end as [`Approximate`](crate::Outcome::Approximate), with a residual that is not known (NaN).
    ///
    /// Reference: S. Fung, H. Heaton, Q. Li, D. McKenzie, S. Osher and W. Yin, JFB: Jacobian-free backpropagation for
    /// implicit networks, AAAI (2022).
    Identity,
}

impl Default for LinearSolver {
    fn default() -> Self {
        Self::Gmres(Gmres::default())
    }
}

impl LinearSolver {
    /// Refuses settings with no meaning.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Neumann(neumann) => neumann.validate(),
            Self::Gmres(gmres) => gmres.validate(),
            Self::Bicgstab(_) => Ok(()),
            Self::ConjugateGradient(conjugate_gradient) => conjugate_gradient.validate(),
            Self::Dense(dense) => dense.validate(),
            Self::Anderson(anderson) => anderson.validate(),
            Self::Broyden(broyden) => broyden.validate(),
            Self::Truncated(truncated) => truncated.validate(),
            Self::Identity => Ok(()),
        }
    }
}

impl fmt::Display for LinearSolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Neumann(_) => "neumann",
            Self::Gmres(_) => "gmres",
            Self::Bicgstab(_) => "bicgstab",
            Self::ConjugateGradient(_) => "conjugate gradient",
            Self::Dense(_) => "dense",
            Self::Anderson(_) => "anderson",
            Self::Broyden(_) => "broyden",
            Self::Truncated(_) => "truncated",
            Self::Identity => "identity",
        })
    }
}

/// Solves `c - map(c) = v` in every row, for a linear map and `v` of shape `[rows, n]`.
///
/// A row is converged when `‖v - (c - A c)‖ <= absolute + relative * ‖v‖`; rows of zeros are at the start.
///
/// ```
/// use banach_solve::{LinearSolver, Settings, solve_linear};
/// use burn::tensor::{Device, Tensor};
///
/// let v = Tensor::<2>::from_floats([[1.0, 0.0]], &Device::flex());
/// let turn = |c: &Tensor<2>| c.clone().flip([1]) * Tensor::<2>::from_floats([[-1.0, 1.0]], &Device::flex());
/// let solution = solve_linear(&turn, &v, &Settings::<LinearSolver>::default())?;
/// let c: Vec<f32> = solution.into_converged()?.into_data().iter::<f32>().collect();
/// assert!((c[0] - 0.5).abs() < 1e-5 && (c[1] - 0.5).abs() < 1e-5);
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Setting`] for settings with no meaning, [`Error::Shape`] for a map that changes the shape, [`Error::Wide`]
/// for a state too wide to be solved by [`Dense`].
pub fn solve_linear<R: Rows>(
    map: &(impl Map<R> + ?Sized),
    v: &R,
    settings: &Settings<LinearSolver>,
) -> Result<Solution<R>, Error> {
    solve_linear_observed(map, v, settings, &mut Unobserved)
}

/// [`solve_linear`], with an observer that is called after every step and may end it.
pub fn solve_linear_observed<R: Rows>(
    map: &(impl Map<R> + ?Sized),
    v: &R,
    settings: &Settings<LinearSolver>,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    solve_linear_from(map, v, None, settings, observer)
}

/// [`solve_linear_observed`] from a guess `c0` of the shape of `v`, such as the answer for a system nearby.
///
/// What suffices is the same as without one, measured against `‖v‖`. A guess is looked at first, for one application; a
/// row whose guess suffices takes no step, and a row whose guess is not finite starts as if there were none.
///
/// ```
/// use banach_solve::{LinearSolver, Settings, Unobserved, solve_linear, solve_linear_from};
/// use burn::tensor::{Device, Tensor};
///
/// let v = Tensor::<2>::from_floats([[1.0, 2.0]], &Device::flex());
/// let map = |c: &Tensor<2>| c.clone().flip([1]) * 0.5;
/// let settings = Settings::<LinearSolver>::default();
/// let c = solve_linear(&map, &v, &settings)?.into_converged()?;
/// let again = solve_linear_from(&map, &v, Some(&c), &settings, &mut Unobserved)?;
/// assert_eq!((again.converged(), again.statistics.evaluations), (true, 1));
/// # Ok::<(), banach_solve::Error>(())
/// ```
///
/// # Errors
///
/// As for [`solve_linear`]; [`Error::Guess`] for a guess of another shape.
pub fn solve_linear_from<R: Rows>(
    map: &(impl Map<R> + ?Sized),
    v: &R,
    c0: Option<&R>,
    settings: &Settings<LinearSolver>,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    settings.validate()?;
    let (found, expected) = (c0.unwrap_or(v), [v.rows(), v.width()]);
    let found = [found.rows(), found.width()];
    if found != expected {
        return Err(Error::Guess { found, expected });
    }
    let rules = settings.rules();
    if expected.contains(&0) {
        return Ok(Ledger::new(v, rules).close());
    }
    let solution = match &settings.solver {
        LinearSolver::Neumann(neumann) => by_iteration(&neumann.steps(), map, v, c0, rules, observer),
        LinearSolver::Gmres(gmres) => gmres.solve(map, v, c0, rules, observer),
        LinearSolver::Bicgstab(bicgstab) => bicgstab.solve(map, v, c0, rules, observer),
        LinearSolver::ConjugateGradient(conjugate_gradient) => {
            conjugate_gradient.solve(map, v, c0, rules, observer)
        }
        LinearSolver::Dense(dense) => dense.solve(map, v, c0, rules, observer),
        LinearSolver::Anderson(anderson) => by_iteration(anderson, map, v, c0, rules, observer),
        LinearSolver::Broyden(broyden) => by_iteration(broyden, map, v, c0, rules, observer),
        LinearSolver::Truncated(truncated) => truncated.solve(map, v, c0, rules, observer),
        LinearSolver::Identity => Truncated::FIRST.solve(map, v, None, rules, observer),
    };
    Ok(solution?.by(SolverKind::from(&settings.solver)))
}

/// Open rows scaled to unit length, zeros elsewhere.
pub(crate) fn normalized<R: Rows>(w: &R, lengths: &[f64], open: &[bool]) -> R {
    let factor = |(length, open): (&f64, &bool)| if *open { length.recip() } else { 0.0 };
    let scaled = w.scaled(&lengths.iter().zip(open).map(factor).collect::<Vec<_>>());
    if open.contains(&false) { choose(open, &scaled, &scaled.zeros()) } else { scaled }
}
