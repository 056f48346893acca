//! Solves of `(I - A) c = v`, where `A` is known by application alone.

mod bicgstab;
mod by_iteration;
mod choice;
mod conjugate;
mod conjugate_gradient;
mod dense;
mod factors;
mod gmres;
mod hessenberg;
mod neumann;
mod recurrence;
mod system;
mod truncated;
mod user;

pub use bicgstab::Bicgstab;
pub(crate) use by_iteration::{AffineMap, verified};
pub use choice::LinearSolver;
pub use conjugate_gradient::ConjugateGradient;
pub use dense::Dense;
pub(crate) use dense::{corrections, factorized};
pub use gmres::Gmres;
pub(crate) use gmres::end_closed;
pub(crate) use hessenberg::{Extension, Hessenberg};
pub use neumann::Neumann;
pub(crate) use system::LinearSystem;
pub use truncated::Truncated;
pub use user::{LinearProblem, UserLinearSolver};

use crate::ledger::Ledger;
use crate::map::MapReference;
use crate::{Error, Map, Observe, Rows, Settings, Solution, SolverKind, Unobserved};
use by_iteration::by_iteration;

/// Solves `c - map(c) = v` in every row, for a linear map and `v` of shape `[rows, n]`.
///
/// A row has converged when `‖v - (c - A c)‖ <= absolute + relative * ‖v‖`; a row of zeros has at the start.
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
/// [`Error::Setting`] for invalid settings, [`Error::Shape`] for a map that changes the shape,
/// [`Error::Wide`] for a state too wide for [`Dense`].
pub fn solve_linear<R: Rows>(
    map: &(impl Map<R> + ?Sized),
    v: &R,
    settings: &Settings<LinearSolver>,
) -> Result<Solution<R>, Error> {
    solve_linear_observed(map, v, settings, &mut Unobserved)
}

/// [`solve_linear`] with an observer, which is called after every step and may end the solve.
pub fn solve_linear_observed<R: Rows>(
    map: &(impl Map<R> + ?Sized),
    v: &R,
    settings: &Settings<LinearSolver>,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    solve_linear_from(map, v, None, settings, observer)
}

/// [`solve_linear_observed`] from a guess `c0` of the shape of `v`, such as the solution of a similar system.
///
/// The tolerance remains relative to `‖v‖`. The residual of the guess costs one application; a row whose
/// guess meets the tolerance takes no step, and a row whose guess is not finite starts without it.
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
    solve(&MapReference::new(map), v, c0, settings, observer)
}

fn solve<R: Rows>(
    map: &dyn Map<R>,
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
        LinearSolver::Neumann(neumann) => by_iteration(&neumann.iteration(), map, v, c0, rules, observer),
        LinearSolver::Anderson(anderson) => by_iteration(anderson, map, v, c0, rules, observer),
        LinearSolver::Broyden(broyden) => by_iteration(broyden, map, v, c0, rules, observer),
        LinearSolver::Gmres(gmres) => gmres.solve(LinearSystem::new(map, v, c0, rules, observer)?),
        LinearSolver::Bicgstab(bicgstab) => bicgstab.solve(LinearSystem::new(map, v, c0, rules, observer)?),
        LinearSolver::ConjugateGradient(conjugate_gradient) => {
            conjugate_gradient.solve(LinearSystem::new(map, v, c0, rules, observer)?)
        }
        LinearSolver::Dense(dense) => {
            dense.check_width(v.width())?;
            dense.solve(LinearSystem::new(map, v, c0, rules, observer)?)
        }
        LinearSolver::Truncated(truncated) => {
            truncated.solve(LinearSystem::new(map, v, c0, Truncated::rules(rules), observer)?)
        }
        LinearSolver::User(user) => user::solve(&*user.0, LinearSystem::new(map, v, c0, rules, observer)?),
        LinearSolver::Identity => {
            Truncated::FIRST.solve(LinearSystem::new(map, v, None, Truncated::rules(rules), observer)?)
        }
    };
    Ok(solution?.by(SolverKind::from(&settings.solver)))
}
