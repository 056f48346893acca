//! Solvers of `(I - A) c = v` that users define, and the problem that such a solver receives.

use super::system::LinearSystem;
use crate::settings::StoppingRules;
use crate::{Budget, Error, Map, Matrix, Outcome, Rows, Solution, Tolerance};
use std::fmt::Debug;

/// A solver of `(I - A) c = v` that a user defines, for [`Settings`](crate::Settings) and `with_adjoint` of a
/// layer.
///
/// It sees the batch as a [`Matrix`] of `f64` in memory, as a [`UserSolver`](crate::UserSolver) does, and the
/// problem applies tolerance, budget, patience and observers in the same way.
///
/// ```
/// use banach_solve::{Error, LinearProblem, LinearSolver, Matrix, Rows, Settings, UserLinearSolver, solve_linear};
///
/// /// Plain steps c ← c + r along the remainder r = v - (c - A c): the Neumann series.
/// #[derive(Debug)]
/// struct Series;
///
/// impl UserLinearSolver for Series {
///     fn name(&self) -> &str {
///         "series"
///     }
///
///     fn solve(&self, problem: &mut LinearProblem<'_>) -> Result<(), Error> {
///         let mut c = problem.start().clone();
///         while let Some(remainder) = problem.evaluate(&c)? {
///             c = c.plus(&remainder);
///         }
///         Ok(())
///     }
/// }
///
/// let half = |c: &Matrix<f64>| c.scaled(&[0.5]);
/// let settings = Settings::<LinearSolver> { solver: Series.into(), ..Settings::default() };
/// let c = solve_linear(&half, &Matrix::new(1, 2, vec![1.0, -3.0]), &settings)?.into_converged()?;
/// assert!((c.as_slice()[0] - 2.0).abs() < 1e-3 && (c.as_slice()[1] + 6.0).abs() < 1e-3);
/// # Ok::<(), Error>(())
/// ```
pub trait UserLinearSolver: Debug + Send + Sync {
    /// Returns the name of the solver, for reports.
    fn name(&self) -> &str;

    /// Refuses invalid settings of the solver.
    ///
    /// # Errors
    /// [`Error::UserSolver`], with what was found and what was expected.
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Solves every row, by evaluations of the problem. Rows that are active when it returns end as
    /// [`Outcome::Unsolved`].
    ///
    /// # Errors
    /// Those of the problem; [`Error::UserSolver`] where there can be no solve. A row that does not converge
    /// is no error.
    fn solve(&self, problem: &mut LinearProblem<'_>) -> Result<(), Error>;
}

/// The linear systems `(I - A) c = v` of a batch, for a [`UserLinearSolver`].
pub struct LinearProblem<'a> {
    start: Matrix<f64>,
    right_side: Matrix<f64>,
    system: &'a mut dyn Evaluate,
}

impl LinearProblem<'_> {
    /// Returns v, `[rows, n]`.
    pub fn right_side(&self) -> &Matrix<f64> {
        &self.right_side
    }

    /// Returns the start of the solve: a guess of c where there is one, else zeros.
    pub fn start(&self) -> &Matrix<f64> {
        &self.start
    }

    /// Returns the remainder `v - (c - A c)`, and records c as an iterate: applies the stopping rules to the
    /// norm of every active row of the remainder, and calls the observer. Returns `None` once every row has
    /// ended.
    ///
    /// Rows that have ended are evaluated at their best iterates, whatever c holds there.
    ///
    /// # Errors
    /// [`Error::UserSolver`] for a c of another shape than v, [`Error::Shape`] for a map that changes the
    /// shape.
    pub fn evaluate(&mut self, c: &Matrix<f64>) -> Result<Option<Matrix<f64>>, Error> {
        self.system.evaluate(c)
    }

    /// Returns `A t`, which counts as an evaluation. Returns `None` once every row has ended, or the budget
    /// of evaluations or time is spent.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn apply(&mut self, t: &Matrix<f64>) -> Result<Option<Matrix<f64>>, Error> {
        self.system.apply(t)
    }

    /// Returns which rows are active.
    pub fn active(&self) -> &[bool] {
        self.system.active()
    }

    /// Returns the definition of converged. [`evaluate`](Self::evaluate) applies it.
    pub fn tolerance(&self) -> Tolerance {
        self.system.rules().tolerance
    }

    /// Returns the budget of the whole solve. [`evaluate`](Self::evaluate) applies it; every evaluation after
    /// the start is a step.
    pub fn budget(&self) -> Budget {
        self.system.rules().budget
    }
}

impl Debug for LinearProblem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut problem = f.debug_struct("LinearProblem");
        problem.field("right_side", &self.right_side).field("active", &self.active()).finish()
    }
}

/// The evaluations of a system, for a state of any kind.
trait Evaluate {
    fn evaluate(&mut self, c: &Matrix<f64>) -> Result<Option<Matrix<f64>>, Error>;
    fn apply(&mut self, t: &Matrix<f64>) -> Result<Option<Matrix<f64>>, Error>;
    fn active(&self) -> &[bool];
    fn rules(&self) -> StoppingRules;
}

/// A solve by a user's solver.
struct UserSystem<'s, 'o, 'm, R, M: ?Sized> {
    solver: &'s dyn UserLinearSolver,
    system: LinearSystem<'o, 'm, R, M>,
    /// The iterates recorded after the start.
    recorded: usize,
}

impl<R: Rows, M: Map<R> + ?Sized> UserSystem<'_, '_, '_, R, M> {
    /// Copies c into the state.
    fn state(&self, c: &Matrix<f64>) -> Result<R, Error> {
        let v = &self.system.v;
        let (found, expected) = ([c.rows(), c.width()], [v.rows(), v.width()]);
        if found == expected {
            return Ok(v.holding(c.as_slice()));
        }
        let problem = format!(
            "it evaluates at a state of shape {found:?}, expected {expected:?}, the shape of the right side"
        );
        Err(Error::UserSolver { solver: self.solver.name().into(), problem })
    }
}

impl<R: Rows, M: Map<R> + ?Sized> Evaluate for UserSystem<'_, '_, '_, R, M> {
    fn evaluate(&mut self, c: &Matrix<f64>) -> Result<Option<Matrix<f64>>, Error> {
        let state = self.state(c)?;
        if self.system.ledger.finished() {
            return Ok(None);
        }
        // The remainder of the start is known.
        if self.recorded > 0 || c.as_slice() != self.system.c.numbers() {
            let step = self.recorded + 1;
            self.system.move_to(state)?;
            self.system.record(|_| step);
            self.system.report(step);
            self.recorded = step;
        }
        let remainder = self.system.remainder.numbers();
        Ok((!self.system.ledger.finished()).then(|| Matrix::new(c.rows(), c.width(), remainder)))
    }

    fn apply(&mut self, t: &Matrix<f64>) -> Result<Option<Matrix<f64>>, Error> {
        let state = self.state(t)?;
        let LinearSystem { map, ledger, .. } = &mut self.system;
        if ledger.finished() || ledger.remaining() == 0 {
            return Ok(None);
        }
        let image = map.apply(&state, ledger)?;
        Ok(Some(Matrix::new(t.rows(), t.width(), image.numbers())))
    }

    fn active(&self) -> &[bool] {
        self.system.ledger.actives()
    }

    fn rules(&self) -> StoppingRules {
        self.system.rules
    }
}

/// Solves a system by a user's solver.
pub(super) fn solve<R: Rows, M: Map<R> + ?Sized>(
    solver: &dyn UserLinearSolver,
    system: LinearSystem<'_, '_, R, M>,
) -> Result<Solution<R>, Error> {
    let copied = |state: &R| Matrix::new(state.rows(), state.width(), state.numbers());
    let (start, right_side) = (copied(&system.c), copied(&system.v));
    let mut user = UserSystem { solver, system, recorded: 0 };
    if !user.system.ledger.finished() {
        solver.solve(&mut LinearProblem { start, right_side, system: &mut user })?;
    }
    for row in 0..user.system.ledger.actives().len() {
        if user.system.ledger.actives()[row] {
            user.system.ledger.end(row, Outcome::Unsolved);
        }
    }
    Ok(user.system.ledger.close())
}
