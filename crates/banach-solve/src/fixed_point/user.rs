//! Solvers of `x = g(x)` that users define, and the problem that such a solver receives.

use crate::active_map::check_shape;
use crate::ledger::Ledger;
use crate::settings::StoppingRules;
use crate::{Budget, Error, Map, Matrix, Observe, Outcome, Rows, Solution, Tolerance};
use std::fmt::Debug;

/// A solver of `x = g(x)` that a user defines, for [`Settings`](crate::Settings) and `with_solver` of a
/// layer.
///
/// It sees the batch as a [`Matrix`] of `f64` in memory, whatever the device and the precision of the state.
/// Tolerance, budget, patience, observers and the outcome of every row are those of the other solvers: the
/// problem applies them to the points that the solver evaluates. So a solver cannot claim what does not hold:
/// the solution is the best point of each row, with the residual that was measured there.
///
/// **When.** A method of your own, or of another crate. **Cost.** Each evaluation copies the state from and
/// to the host in `f64`. A layer on the native engine may call the solver on several cores at once, each with
/// a part of the rows.
///
/// ```
/// use banach_solve::{Error, FixedPointProblem, Matrix, Settings, UserSolver, fixed_point};
///
/// /// The mean of x and g(x).
/// #[derive(Debug)]
/// struct Halfway;
///
/// impl UserSolver for Halfway {
///     fn name(&self) -> &str {
///         "halfway"
///     }
///
///     fn solve(&self, problem: &mut FixedPointProblem<'_>) -> Result<(), Error> {
///         let mut x = problem.start().clone();
///         while let Some(image) = problem.evaluate(&x)? {
///             x.make_mut().iter_mut().zip(image.as_slice()).for_each(|(x, gx)| *x = 0.5 * (*x + gx));
///         }
///         Ok(())
///     }
/// }
///
/// // x = 2 - x², which plain iteration leaves.
/// let x0 = Matrix::new(1, 1, vec![0.9_f64]);
/// let map = |x: &Matrix<f64>| Matrix::new(1, 1, vec![2.0 - x.as_slice()[0].powi(2)]);
/// let solution = fixed_point(&map, &x0, &Settings::new(Halfway.into()))?;
/// assert!(solution.converged() && (solution.value.as_slice()[0] - 1.0).abs() < 1e-3);
/// # Ok::<(), Error>(())
/// ```
pub trait UserSolver: Debug + Send + Sync {
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
    fn solve(&self, problem: &mut FixedPointProblem<'_>) -> Result<(), Error>;
}

/// The fixed-point problems of a batch, for a [`UserSolver`].
pub struct FixedPointProblem<'a> {
    start: Matrix<f64>,
    evaluations: &'a mut dyn Evaluate,
}

impl FixedPointProblem<'_> {
    /// Returns the start x₀, `[rows, n]`.
    pub fn start(&self) -> &Matrix<f64> {
        &self.start
    }

    /// Returns `g(x)`, and records x as an iterate: measures the residual of every active row, applies the
    /// stopping rules, and calls the observer. Returns `None` once every row has ended.
    ///
    /// Rows that have ended are evaluated at their best iterates, whatever x holds there. A row in which
    /// `g(x)` is not finite ends as [`Outcome::NonFinite`]; [`image`](Self::image) tries a point first.
    ///
    /// # Errors
    /// [`Error::UserSolver`] for an x of another shape than the start, [`Error::Shape`] for a map that
    /// changes the shape.
    pub fn evaluate(&mut self, x: &Matrix<f64>) -> Result<Option<Matrix<f64>>, Error> {
        self.evaluations.evaluate(x)
    }

    /// Returns `g(x)` without recording x, such as a trial point of a line search. It counts as an
    /// evaluation. Returns `None` once every row has ended, or the budget of evaluations or time is spent.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn image(&mut self, x: &Matrix<f64>) -> Result<Option<Matrix<f64>>, Error> {
        self.evaluations.image(x)
    }

    /// Returns which rows are active.
    pub fn active(&self) -> &[bool] {
        self.evaluations.active()
    }

    /// Returns the definition of converged. [`evaluate`](Self::evaluate) applies it.
    pub fn tolerance(&self) -> Tolerance {
        self.evaluations.rules().tolerance
    }

    /// Returns the budget of the whole solve. [`evaluate`](Self::evaluate) applies it; every evaluation after
    /// the first is a step.
    pub fn budget(&self) -> Budget {
        self.evaluations.rules().budget
    }
}

impl Debug for FixedPointProblem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FixedPointProblem")
            .field("start", &self.start)
            .field("active", &self.active())
            .finish()
    }
}

/// The evaluations of a problem, for a state of any kind.
trait Evaluate {
    fn evaluate(&mut self, x: &Matrix<f64>) -> Result<Option<Matrix<f64>>, Error>;
    fn image(&mut self, x: &Matrix<f64>) -> Result<Option<Matrix<f64>>, Error>;
    fn active(&self) -> &[bool];
    fn rules(&self) -> StoppingRules;
}

/// A solve by a user's solver.
struct UserLoop<'s, R, M: ?Sized> {
    solver: &'s dyn UserSolver,
    map: &'s M,
    x0: &'s R,
    ledger: Ledger<R>,
    rules: StoppingRules,
    observer: &'s mut dyn Observe,
    /// The iterates recorded so far.
    recorded: usize,
}

impl<R: Rows, M: Map<R> + ?Sized> UserLoop<'_, R, M> {
    /// Copies x into the state.
    fn state(&self, x: &Matrix<f64>) -> Result<R, Error> {
        let (found, expected) = ([x.rows(), x.width()], [self.x0.rows(), self.x0.width()]);
        if found == expected {
            return Ok(self.x0.holding(x.as_slice()));
        }
        let problem = format!(
            "it evaluates at a state of shape {found:?}, expected {expected:?}, the shape of the start"
        );
        Err(Error::UserSolver { solver: self.solver.name().into(), problem })
    }

    fn image_of(&mut self, x: &R) -> Result<R, Error> {
        let image = self.map.apply(x);
        check_shape(&image, x)?;
        self.ledger.evaluated(x.rows());
        Ok(image)
    }

    /// Evaluates the map at x and records it.
    fn record(&mut self, x: R) -> Result<R, Error> {
        let x = self.ledger.freeze(x);
        let gx = self.image_of(&x)?;
        let (residuals, sizes) = gx.distances(&x);
        let (residuals, sizes) = self.rules.tolerance.norm.measured((&gx, &x), &residuals, sizes);
        let step = self.recorded;
        self.ledger.record(|_| step, &x, &residuals, &sizes);
        self.ledger.report(step, &residuals, self.observer);
        self.ledger.enforce();
        self.recorded += 1;
        Ok(gx)
    }
}

impl<R: Rows, M: Map<R> + ?Sized> Evaluate for UserLoop<'_, R, M> {
    fn evaluate(&mut self, x: &Matrix<f64>) -> Result<Option<Matrix<f64>>, Error> {
        let state = self.state(x)?;
        if self.ledger.finished() {
            return Ok(None);
        }
        let image = self.record(state)?;
        let going_on = !self.ledger.finished();
        Ok(going_on.then(|| Matrix::new(x.rows(), x.width(), image.numbers())))
    }

    fn image(&mut self, x: &Matrix<f64>) -> Result<Option<Matrix<f64>>, Error> {
        let state = self.state(x)?;
        if self.ledger.finished() || self.ledger.remaining() == 0 {
            return Ok(None);
        }
        let image = self.image_of(&self.ledger.freeze(state))?;
        Ok(Some(Matrix::new(x.rows(), x.width(), image.numbers())))
    }

    fn active(&self) -> &[bool] {
        self.ledger.actives()
    }

    fn rules(&self) -> StoppingRules {
        self.rules
    }
}

/// Solves by a user's solver. A solver that records no point is taken to give the start.
pub(super) fn solve<R: Rows>(
    solver: &dyn UserSolver,
    map: &(impl Map<R> + ?Sized),
    x0: &R,
    rules: StoppingRules,
    observer: &mut dyn Observe,
) -> Result<Solution<R>, Error> {
    let ledger = Ledger::new(x0, rules);
    let mut user = UserLoop { solver, map, x0, ledger, rules, observer, recorded: 0 };
    if !user.ledger.finished() {
        let start = Matrix::new(x0.rows(), x0.width(), x0.numbers());
        solver.solve(&mut FixedPointProblem { start, evaluations: &mut user })?;
        if user.recorded == 0 {
            user.record(x0.clone())?;
        }
    }
    for row in 0..x0.rows() {
        if user.ledger.actives()[row] {
            user.ledger.end(row, Outcome::Unsolved);
        }
    }
    Ok(user.ledger.close())
}
