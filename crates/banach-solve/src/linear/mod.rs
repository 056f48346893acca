//! How is `(I - A) c = v` solved, when `A` is known only by application?

mod conjugate;
mod conjugate_gradient;
mod gmres;
mod hessenberg;
mod neumann;

pub(crate) use conjugate::{Bend, Conjugate};
pub use conjugate_gradient::ConjugateGradient;
pub use gmres::Gmres;
pub use neumann::Neumann;

use crate::rows::choose;
use crate::{Error, Map, Observe, Rows, Settings, Solution, Unobserved};
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
    /// Conjugate gradients, for symmetric `A` with positive definite `I - A`.
    ConjugateGradient(ConjugateGradient),
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
            Self::ConjugateGradient(conjugate_gradient) => conjugate_gradient.validate(),
        }
    }
}

impl fmt::Display for LinearSolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Neumann(_) => "neumann",
            Self::Gmres(_) => "gmres",
            Self::ConjugateGradient(_) => "conjugate gradient",
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
/// [`Error::Setting`] for settings with no meaning, [`Error::Shape`] for a map that changes the shape.
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
    settings.validate()?;
    match &settings.solver {
        LinearSolver::Neumann(neumann) => neumann.solve(map, v, settings.rules(), observer),
        LinearSolver::Gmres(gmres) => gmres.solve(map, v, settings.rules(), observer),
        LinearSolver::ConjugateGradient(conjugate_gradient) => {
            conjugate_gradient.solve(map, v, settings.rules(), observer)
        }
    }
}

/// Open rows scaled to unit length, zeros elsewhere.
pub(crate) fn normalized<R: Rows>(w: &R, lengths: &[f64], open: &[bool]) -> R {
    let factor = |(length, open): (&f64, &bool)| if *open { length.recip() } else { 0.0 };
    let scaled = w.scaled(&lengths.iter().zip(open).map(factor).collect::<Vec<_>>());
    if open.contains(&false) { choose(open, &scaled, &scaled.zeros()) } else { scaled }
}
