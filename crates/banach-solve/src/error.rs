//! Errors: requests that cannot be met.

use crate::Outcome;

/// A request that cannot be met. A numerical failure is an [`Outcome`]; only
/// [`Solution::into_converged`](crate::Solution::into_converged) turns it into an error.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting has an invalid value.
    #[error("`{setting}` is {found}, expected {expected}; {remedy}")]
    Setting {
        /// The full name of the setting.
        setting: &'static str,
        /// Its value.
        found: String,
        /// Its valid values.
        expected: &'static str,
        /// The remedy.
        remedy: &'static str,
    },
    /// The map changed the shape of the state.
    #[error(
        "the map returned shape {found:?}, expected the state's {expected:?}; an update must keep its shape"
    )]
    Shape {
        /// Rows and width of the image.
        found: [usize; 2],
        /// Rows and width of the state.
        expected: [usize; 2],
    },
    /// The guess of a linear solve and its right-hand side differ in shape.
    #[error(
        "the guess has shape {found:?}, expected the shape of the right-hand side, {expected:?}; pass None for no guess"
    )]
    Guess {
        /// Rows and width of the guess.
        found: [usize; 2],
        /// Rows and width of the right-hand side.
        expected: [usize; 2],
    },
    /// A state is too wide for a dense solver.
    #[error(
        "the state has n = {width} numbers a row, and `{setting}` is {limit}: assembling a dense matrix takes n applications and \
         n² numbers for every row; use a Krylov method such as GMRES, or raise the limit"
    )]
    Wide {
        /// The setting that limits the width.
        setting: &'static str,
        /// The width of the state.
        width: usize,
        /// The largest allowed width.
        limit: usize,
    },
    /// The energy did not return one value for every row.
    #[error(
        "the energy returned {found} values, expected {expected}, one for every row; an energy must not couple rows"
    )]
    Energy {
        /// The number of values.
        found: usize,
        /// The number of rows.
        expected: usize,
    },
    /// A solver defined by the user cannot solve.
    #[error("the solver `{solver}` failed: {problem}")]
    UserSolver {
        /// The name of the solver.
        solver: String,
        /// The problem: what was found, what was expected, what to do.
        problem: String,
    },
    /// At least one row did not converge, though only converged rows are acceptable.
    #[error(
        "{failed} of {rows} rows did not converge; the first, row {row}, ended as {outcome} after {steps} steps with \
         residual {residual:.3e} (relative {relative:.3e}): {advice}"
    )]
    Unconverged {
        /// The first row that failed.
        row: usize,
        /// Its outcome.
        outcome: Outcome,
        /// The remedy.
        advice: &'static str,
        /// Its steps.
        steps: usize,
        /// Its smallest residual `‖g(x) - x‖`.
        residual: f64,
        /// Its smallest residual divided by the scale of the tolerance.
        relative: f64,
        /// The number of rows that failed.
        failed: usize,
        /// The number of rows.
        rows: usize,
    },
}

impl Error {
    /// Returns an error about the setting unless `valid`.
    pub(crate) fn unless(
        valid: bool,
        setting: &'static str,
        found: impl ToString,
        expected: &'static str,
        remedy: &'static str,
    ) -> Result<(), Self> {
        if valid {
            Ok(())
        } else {
            Err(Self::Setting { setting, found: found.to_string(), expected, remedy })
        }
    }
}
