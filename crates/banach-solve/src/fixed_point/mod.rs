//! Solves of `x = g(x)`, with and without the derivative of `g`.

mod auto;
mod choice;
mod handover;
mod newton;
mod user;

pub use auto::{Auto, AutoMemory};
pub use choice::FixedPointSolver;
pub use handover::Handover;
pub use newton::forcing::Forcing;
pub use newton::{Newton, NewtonInner};
pub use user::{FixedPointProblem, UserSolver};

use crate::iterate::iterate;
use crate::map::MapReference;
use crate::{
    Error, Map, Observe, Progress, Rows, Settings, Smooth, Solution, Solver, SolverKind, Unobserved,
};
use web_time::Instant;

/// Solves `x = map(x)` in every row, from `x0` of shape `[rows, n]`.
///
/// # Errors
///
/// [`Error::Setting`] for invalid settings and for a solver that needs a derivative ([`Newton`]),
/// [`Error::Shape`] for a map that changes the shape. A row that does not converge is no error: see
/// [`Solution::outcomes`].
pub fn fixed_point<R: Rows>(
    map: &(impl Map<R> + ?Sized),
    x0: &R,
    settings: &Settings<FixedPointSolver>,
) -> Result<Solution<R>, Error> {
    fixed_point_observed(map, x0, settings, &mut Unobserved)
}

/// [`fixed_point`] with an observer, which is called after every step and may end the solve.
pub fn fixed_point_observed<R: Rows>(
    map: &(impl Map<R> + ?Sized),
    x0: &R,
    settings: &Settings<FixedPointSolver>,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    solve(&MapReference::new(map), x0, settings, observer)
}

fn solve<R: Rows>(
    map: &dyn Map<R>,
    x0: &R,
    settings: &Settings<FixedPointSolver>,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    settings.solver.validate()?;
    let solution = match &settings.solver {
        FixedPointSolver::Picard(picard) => fixed_point_with(map, x0, picard, settings, observer),
        FixedPointSolver::Anderson(anderson) => fixed_point_with(map, x0, anderson, settings, observer),
        FixedPointSolver::Broyden(broyden) => fixed_point_with(map, x0, broyden, settings, observer),
        FixedPointSolver::Squarem(squarem) => fixed_point_with(map, x0, squarem, settings, observer),
        FixedPointSolver::Auto(auto) => fixed_point_with(map, x0, auto, settings, observer),
        FixedPointSolver::User(user) => {
            let rules = settings.rules();
            rules.validate()?;
            user::solve(&*user.0, map, x0, rules, observer)
        }
        FixedPointSolver::Newton(_) => Err(Error::Setting {
            setting: "solver",
            found: settings.solver.to_string(),
            expected: "a solver that needs no derivative of the map",
            remedy: "use Anderson, or give the map its derivative and call `fixed_point_smooth`",
        }),
    };
    Ok(solution?.by(SolverKind::from(&settings.solver)))
}

/// Solves `x = map(x)` in every row by any solver, [`Newton`] included, for a map with a derivative.
///
/// # Errors
///
/// As for [`fixed_point`], with every solver allowed; [`Error::Energy`] for an energy without exactly one
/// value a row, [`Error::Wide`] for rows too wide for a [`Dense`](NewtonInner::Dense) inner solve.
pub fn fixed_point_smooth<R: Rows>(
    map: &(impl Smooth<R> + ?Sized),
    x0: &R,
    settings: &Settings<FixedPointSolver>,
) -> Result<Solution<R>, Error> {
    fixed_point_smooth_observed(map, x0, settings, &mut Unobserved)
}

/// [`fixed_point_smooth`] with an observer, which is called after every step and may end the solve.
pub fn fixed_point_smooth_observed<R: Rows>(
    map: &(impl Smooth<R> + ?Sized),
    x0: &R,
    settings: &Settings<FixedPointSolver>,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    let kind = SolverKind::from(&settings.solver);
    if let FixedPointSolver::Newton(newton) = &settings.solver {
        settings.validate()?;
        return Ok(newton.solve(&MapReference::whole(map), x0, settings.rules(), observer)?.by(kind));
    }
    let started = Instant::now();
    let first = fixed_point_observed(map, x0, settings, observer)?;
    let Some(handover) = Handover::new(&first, settings, started) else { return Ok(first) };
    let (steps, evaluations) = (first.statistics.steps.iter().max().copied(), first.statistics.evaluations);
    let mut later = |progress: &Progress<'_>| {
        let step = steps.unwrap_or(0) + progress.step;
        observer.observe(&Progress { step, evaluations: evaluations + progress.evaluations, ..*progress })
    };
    let second = fixed_point_smooth_observed(map, x0, handover.settings(), &mut later)?;
    Ok(handover.joined(first, second))
}

/// [`fixed_point_observed`] with a user-defined [`Solver`] instead of that of `settings`.
pub fn fixed_point_with<R: Rows, S: Solver<R>, T>(
    map: &(impl Map<R> + ?Sized),
    x0: &R,
    solver: &S,
    settings: &Settings<T>,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    let rules = settings.rules();
    rules.validate()?;
    let map: &dyn Map<R> = &MapReference::new(map);
    Ok(iterate(map, x0, solver, None, rules, observer)?.0)
}

/// [`fixed_point_with`] that also returns the final memory of the solver, for which all rows stay in the
/// batch.
pub fn fixed_point_remembered<R: Rows, S: Solver<R>, T>(
    map: &(impl Map<R> + ?Sized),
    x0: &R,
    solver: &S,
    settings: &Settings<T>,
    observer: &mut dyn Observe,
) -> Result<(Solution<R>, S::Memory), Error> {
    let rules = settings.rules();
    rules.validate()?;
    let map: &dyn Map<R> = &MapReference::whole(map);
    iterate(map, x0, solver, None, rules, observer)
}
