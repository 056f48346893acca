//! Requests to an optimisation layer that are impossible.

use crate::termination::Termination;

/// An impossible request to an optimisation layer, or a row without a solution where every row must have one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor operation failed.
    #[error(transparent)]
    Banach(#[from] banach::Error),
    /// A program of tensor operations failed.
    #[error(transparent)]
    Program(#[from] banach::program::Error),
    /// A tensor has the wrong shape or dtype.
    #[error("{what} is {found}, expected {expected}")]
    Tensor {
        /// The tensor.
        what: &'static str,
        /// The type that was found.
        found: String,
        /// The type that was expected.
        expected: String,
    },
    /// A setting has no meaning.
    #[error("the setting `{setting}` is {found}, expected {expected}")]
    Setting {
        /// The name of the setting.
        setting: &'static str,
        /// The value that was found.
        found: String,
        /// The values that are allowed.
        expected: &'static str,
    },
    /// Rows have no solution, and [`OnFailure::Error`](banach::OnFailure::Error) is set.
    #[error("{failed} of {rows} rows have no solution; the first, row {row}, is {termination}: {}", termination.advice())]
    Unsolved {
        /// The first such row.
        row: usize,
        /// How it ended.
        termination: Termination,
        /// The number of rows without a solution.
        failed: usize,
        /// The number of rows.
        rows: usize,
    },
}

impl Error {
    /// The error as one of a custom primitive.
    pub(crate) fn into_program(self, primitive: &str) -> banach::program::Error {
        match self {
            Error::Program(error) | Error::Banach(banach::Error::Program(error)) => error,
            Error::Banach(_) | Error::Tensor { .. } | Error::Setting { .. } | Error::Unsolved { .. } => {
                banach::program::Error::Failed { primitive: primitive.into(), found: self.to_string() }
            }
        }
    }
}

/// Refuses a setting that is not between 0 and 1.
pub(crate) fn fraction(setting: &'static str, found: f64) -> Result<(), Error> {
    if found > 0.0 && found < 1.0 {
        return Ok(());
    }
    Err(Error::Setting { setting, found: found.to_string(), expected: "a number between 0 and 1" })
}

/// Refuses a budget of nothing.
pub(crate) fn budget(setting: &'static str, found: usize) -> Result<(), Error> {
    if found > 0 {
        return Ok(());
    }
    Err(Error::Setting { setting, found: "0".into(), expected: "at least 1" })
}
