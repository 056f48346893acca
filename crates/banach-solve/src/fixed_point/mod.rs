//! Solvers of `x = g(x)`. A solver is memory and a step; the loop does the rest.

mod anderson;
mod auto;
mod broyden;
mod handover;
mod newton;
mod picard;
mod squarem;

pub use anderson::{Anderson, AndersonMemory};
pub use auto::{Auto, AutoMemory};
pub use broyden::{Broyden, BroydenMemory, BroydenUpdate};
pub use handover::Handover;
pub use newton::forcing::Forcing;
pub use newton::{Newton, NewtonInner};
pub use picard::{Picard, PicardMemory};
pub use squarem::{Squarem, SquaremMemory};

use crate::iterate::iterate;
use crate::{
    Error, Map, Observe, Progress, Rows, Settings, Smooth, Solution, SolverKind, Switch, Unobserved,
};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::fmt;
use std::time::Instant;

/// A point the loop has already paid for.
#[derive(Debug)]
pub struct Visit<'a, R> {
    /// The state, `[rows, n]`.
    pub x: &'a R,
    /// Its image `g(x)`, `[rows, n]`.
    pub gx: &'a R,
    /// `‖g(x) - x‖` of every row, in the Euclidean norm.
    pub residuals: &'a [f64],
    /// Which rows are under way; what a step says about the others is ignored.
    pub active: &'a [bool],
    /// How many times what the tolerance allows the residual of every row is, both in the tolerance's norm: a row of 1
    /// meets it, and where nothing is allowed it is infinite.
    pub excess: &'a [f64],
    difference: OnceCell<R>,
}

impl<'a, R: Rows> Visit<'a, R> {
    /// All of them of the same rows.
    pub fn new((x, gx): (&'a R, &'a R), residuals: &'a [f64], active: &'a [bool], excess: &'a [f64]) -> Self {
        Self { x, gx, residuals, active, excess, difference: OnceCell::new() }
    }

    /// The same point for fewer rows under way.
    pub(crate) fn among<'b>(&'b self, active: &'b [bool]) -> Visit<'b, R> {
        Visit { active, difference: OnceCell::from(self.difference().clone()), ..*self }
    }

    /// `g(x) - x`, `[rows, n]`; computed when first asked for.
    pub fn difference(&self) -> &R {
        self.difference.get_or_init(|| self.gx.minus(self.x))
    }
}

/// How to move on from a visited point. Stopping, freezing and failing are not its concern.
pub trait Solver<R: Rows> {
    /// What the solver remembers between steps.
    type Memory;

    /// The memory before the first step.
    fn start(&self, x0: &R) -> Self::Memory;

    /// The next state, `[rows, n]`.
    fn step(&self, visit: &Visit<'_, R>, memory: &mut Self::Memory) -> R;

    /// Keeps what is remembered of the rows at these positions, in increasing order; the others leave the batch.
    fn narrow(&self, memory: &mut Self::Memory, keep: &[usize]);

    /// Forgets what the row at this position has shown, so that its next step is plain. The loop calls it where steps beyond plain
    /// ones led the row astray. A solver whose steps are plain has nothing to forget.
    fn restart(&self, memory: &mut Self::Memory, row: usize) {
        let _ = (memory, row);
    }

    /// Whether the last step of the row at this position went beyond a plain one, `x + β (g(x) - x)`. A row that such a step leads
    /// to where `g` is not finite, or to where the residual or the state explodes, goes back to its best point, takes a plain step
    /// and starts again from an empty memory ([`restart`](Self::restart)); after a plain step it ends there. So does a row whose energy
    /// such a step raises, from the point before. By default no step is.
    fn extrapolated(&self, memory: &Self::Memory, row: usize) -> bool {
        let _ = (memory, row);
        false
    }

    /// What rows have changed their method in the last step, for [`Statistics::switches`](crate::Statistics::switches):
    /// `row` is the position in the batch, and the loop fills in the step. Most solvers are one method.
    fn switches(&self, memory: &mut Self::Memory) -> Vec<Switch> {
        let _ = memory;
        Vec::new()
    }
}

/// The solvers of `x = g(x)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum FixedPointSolver {
    /// Plain or damped iteration.
    Picard(Picard),
    /// Anderson acceleration, the default.
    Anderson(Anderson),
    /// Broyden's method: what past steps say about the inverse of the derivative.
    Broyden(Broyden),
    /// Squared extrapolation of plain iteration.
    Squarem(Squarem),
    /// Plain iteration, Anderson or Broyden, as each row needs; Newton where the map has a derivative and nothing else helps.
    Auto(Auto),
    /// Newton's method, only for [`fixed_point_smooth`].
    Newton(Newton),
}

impl Default for FixedPointSolver {
    fn default() -> Self {
        Self::Anderson(Anderson::default())
    }
}

impl FixedPointSolver {
    /// Refuses settings with no meaning.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Picard(picard) => picard.validate(),
            Self::Anderson(anderson) => anderson.validate(),
            Self::Broyden(broyden) => broyden.validate(),
            Self::Squarem(squarem) => squarem.validate(),
            Self::Auto(auto) => auto.validate(),
            Self::Newton(newton) => newton.validate(),
        }
    }
}

impl fmt::Display for FixedPointSolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Picard(_) => "picard",
            Self::Anderson(_) => "anderson",
            Self::Broyden(_) => "broyden",
            Self::Squarem(_) => "squarem",
            Self::Auto(_) => "auto",
            Self::Newton(_) => "newton",
        })
    }
}

/// Solves `x = map(x)` in every row, from `x0` of shape `[rows, n]`.
///
/// # Errors
///
/// [`Error::Setting`] for settings with no meaning and for a solver that needs a derivative ([`Newton`]),
/// [`Error::Shape`] for a map that changes the shape. That a row does not converge is no error: see
/// [`Solution::outcomes`].
pub fn fixed_point<R: Rows>(
    map: &(impl Map<R> + ?Sized),
    x0: &R,
    settings: &Settings<FixedPointSolver>,
) -> Result<Solution<R>, Error> {
    fixed_point_observed(map, x0, settings, &mut Unobserved)
}

/// [`fixed_point`], with an observer that is called after every step and may end it.
pub fn fixed_point_observed<R: Rows>(
    map: &(impl Map<R> + ?Sized),
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
        FixedPointSolver::Newton(_) => Err(Error::Setting {
            setting: "solver",
            found: settings.solver.to_string(),
            expected: "a solver that needs no derivative of the map",
            remedy: "use Anderson, or give the map its derivative and call `fixed_point_smooth`",
        }),
    };
    Ok(solution?.by(SolverKind::from(&settings.solver)))
}

/// Solves `x = map(x)` in every row by any solver, [`Newton`] included, for a map that knows its derivative.
///
/// # Errors
///
/// As for [`fixed_point`], with every solver allowed; [`Error::Energy`] for an energy that is not one number a row,
/// [`Error::Wide`] for rows that are too wide for a [`Dense`](NewtonInner::Dense) inner solve.
pub fn fixed_point_smooth<R: Rows>(
    map: &(impl Smooth<R> + ?Sized),
    x0: &R,
    settings: &Settings<FixedPointSolver>,
) -> Result<Solution<R>, Error> {
    fixed_point_smooth_observed(map, x0, settings, &mut Unobserved)
}

/// [`fixed_point_smooth`], with an observer that is called after every step and may end it.
pub fn fixed_point_smooth_observed<R: Rows>(
    map: &(impl Smooth<R> + ?Sized),
    x0: &R,
    settings: &Settings<FixedPointSolver>,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    let kind = SolverKind::from(&settings.solver);
    if let FixedPointSolver::Newton(newton) = &settings.solver {
        settings.validate()?;
        return Ok(newton.solve(&Borrowed(map), x0, settings.rules(), observer)?.by(kind));
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

/// A map of any size as one of a known size, on all rows to the end unless it is smooth.
struct Borrowed<'a, M: ?Sized>(&'a M);

impl<R, M: Map<R> + ?Sized> Map<R> for Borrowed<'_, M> {
    fn apply(&self, x: &R) -> R {
        self.0.apply(x)
    }

    fn energy(&self, x: &R) -> Option<Vec<f64>> {
        self.0.energy(x)
    }

    fn image_and_energy(&self, x: &R) -> (R, Option<Vec<f64>>) {
        self.0.image_and_energy(x)
    }
}

impl<R, M: Smooth<R> + ?Sized> Smooth<R> for Borrowed<'_, M> {
    fn derivative<'a>(&'a self, x: &R) -> Box<dyn Map<R> + 'a> {
        self.0.derivative(x)
    }

    fn narrowed_smooth<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Smooth<R> + 'a>> {
        self.0.narrowed_smooth(rows)
    }
}

/// [`fixed_point_observed`] with a [`Solver`] of your own in place of the one that `settings` names.
pub fn fixed_point_with<R: Rows, S: Solver<R>, T>(
    map: &(impl Map<R> + ?Sized),
    x0: &R,
    solver: &S,
    settings: &Settings<T>,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    let rules = settings.rules();
    rules.validate()?;
    Ok(iterate(map, x0, solver, None, rules, observer)?.0)
}

/// [`fixed_point_with`], and what the solver remembers of every row at the end. No row leaves the batch before.
pub fn fixed_point_remembered<R: Rows, S: Solver<R>, T>(
    map: &(impl Map<R> + ?Sized),
    x0: &R,
    solver: &S,
    settings: &Settings<T>,
    observer: &mut dyn Observe,
) -> Result<(Solution<R>, S::Memory), Error> {
    let rules = settings.rules();
    rules.validate()?;
    iterate(&Borrowed(map), x0, solver, None, rules, observer)
}
