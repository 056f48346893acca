//! Requests that are impossible.

use crate::Outcome;

/// A request that cannot be met. Numerical failure is an [`Outcome`] and becomes an error only where one is asked for,
/// by [`Solution::into_converged`](crate::Solution::into_converged).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting has a value with no meaning.
    #[error("`{setting}` is {found}, expected {expected}; {remedy}")]
    Setting {
        /// The full name of the setting.
        setting: &'static str,
        /// The value it has.
        found: String,
        /// The values it may have.
        expected: &'static str,
        /// What to do about it.
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
    /// The guess of a linear solve is not of the shape of its right-hand side.
    #[error(
        "the guess has shape {found:?}, expected that of the right-hand side, {expected:?}; leave it out if there is none"
    )]
    Guess {
        /// Rows and width of the guess.
        found: [usize; 2],
        /// Rows and width of the right-hand side.
        expected: [usize; 2],
    },
    /// A state is too wide for a solver that writes its system down.
    #[error(
        "the state has n = {width} numbers a row, and `{setting}` is {limit}: writing a system down takes n applications and \
         n² numbers for every row; use a Krylov method such as GMRES, or raise the limit"
    )]
    Wide {
        /// The setting that says how wide it may be.
        setting: &'static str,
        /// The width of the state.
        width: usize,
        /// The largest that is allowed.
        limit: usize,
    },
    /// The energy did not return one number for every row.
    #[error("the energy returned {found} numbers, expected one for each of {expected} rows")]
    Energy {
        /// How many numbers it returned.
        found: usize,
        /// How many rows there are.
        expected: usize,
    },
    /// At least one row did not converge, and only converged rows were asked for.
    #[error(
        "{failed} of {rows} rows did not converge; the first, row {row}, ended as {outcome} after {steps} steps with \
         residual {residual:.3e} (relative {relative:.3e}): {advice}"
    )]
    Unconverged {
        /// The first row that failed.
        row: usize,
        /// How it ended.
        outcome: Outcome,
        /// What can be done about it.
        advice: &'static str,
        /// Its steps.
        steps: usize,
        /// Its smallest residual `‖g(x) - x‖`.
        residual: f64,
        /// That residual relative to what the tolerance measures it against.
        relative: f64,
        /// How many rows failed.
        failed: usize,
        /// How many rows there are.
        rows: usize,
    },
}

impl Error {
    /// An error about the setting unless `valid`.
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
