//! Requests to a layer that are impossible.

use std::fmt::Display;

/// An impossible request to a layer. That a row does not converge is none: see [`Report`](crate::Report).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The update could not be traced, or tensors do not fit it.
    #[error(transparent)]
    Program(#[from] banach_program::Error),
    /// A setting has no meaning, or rows that had to converge did not.
    #[error(transparent)]
    Solve(#[from] banach_solve::Error),
    /// The update gives a state of another shape than it takes.
    #[error(
        "state {position} of the update: found {found} going in and {returned} coming out; g must give a state of the \
         shape it takes"
    )]
    State {
        /// Which state tensor, from 0.
        position: usize,
        /// Its type as an argument.
        found: String,
        /// Its type as a result.
        returned: String,
    },
    /// The state cannot be solved for.
    #[error(
        "the state holds {found}, expected one or more float tensors of one dtype; keep the rest in the input z"
    )]
    StateKind {
        /// The types of the state.
        found: String,
    },
    /// A derivative was asked of something that is no scalar.
    #[error(
        "the function gives {found}, expected one number, or one for every row; pair the outputs with cotangents first \
         (`paired`), or use `vjp`"
    )]
    NotScalar {
        /// The types of the outputs.
        found: String,
    },
    /// An energy is not one number for every row.
    #[error(
        "the energy gives {found}, expected one number for each of the {rows} rows, `[{rows}]`; sum over the other axes"
    )]
    Energy {
        /// The type of what it gives.
        found: String,
        /// The rows of the state.
        rows: usize,
    },
    /// A step size has no meaning.
    #[error("the step size of a gradient step is {found}, expected a finite number above 0")]
    Rate {
        /// The step size.
        found: f64,
    },
    /// A set to project onto holds nothing, or does not fit the state.
    #[error(
        "the projection has {found}; expected lower <= upper with one bound for all numbers of a row or one for each, a \
         positive radius, or a normal that is not zero with one number for each of a row"
    )]
    Projection {
        /// The bounds.
        found: String,
    },
    /// Adjoints that had to be solved were not.
    #[error(
        "the adjoint of {failed} of {rows} rows was not solved; the first, row {row}, ended as {outcome} after {steps} steps with \
         residual {residual:.3e}: {advice}"
    )]
    Adjoint {
        /// The first such row.
        row: usize,
        /// How it ended.
        outcome: banach_solve::Outcome,
        /// What can be done about it.
        advice: &'static str,
        /// Its steps.
        steps: usize,
        /// Its residual.
        residual: f64,
        /// How many rows failed.
        failed: usize,
        /// How many there are.
        rows: usize,
    },
    /// Rows whose adjoints were solved have cotangents of z and θ that are not finite.
    #[error(
        "the gradient of {failed} of {rows} rows is not finite though their adjoints were solved; the first is row {row}: g \
         has no finite derivative by z or θ there (a root or power at 0, a division by 0, an overflow), change the update, \
         or bound its input"
    )]
    NonFiniteGradient {
        /// The first such row.
        row: usize,
        /// How many there are.
        failed: usize,
        /// How many rows there are.
        rows: usize,
    },
    /// A setting has no meaning.
    #[error("the setting `{setting}` is {found}, expected {expected}")]
    Setting {
        /// Its name.
        setting: String,
        /// What it is.
        found: String,
        /// What it can be.
        expected: String,
    },
    /// The ids of samples are not one for each row of the state.
    #[error(
        "found {found} ids of samples for a state of {state}, expected one for each row of its first axis"
    )]
    Ids {
        /// How many ids there are.
        found: usize,
        /// The types of the state.
        state: String,
    },
    /// What is remembered of a sample is no start for the state that is solved for.
    #[error(
        "of sample {id} a state of {found} is remembered for a row, expected {expected}; keep `WarmStarts` for each \
         layer, and clear them when the state changes its shape or dtype"
    )]
    Remembered {
        /// The sample.
        id: u64,
        /// The types of the state that is remembered, without the batch.
        found: String,
        /// Those of the state that is solved for.
        expected: String,
    },
    /// A layer that is no function while it is trained was used in traced code.
    #[error(
        "the {place} uses {found} in training mode, which is no function of its input; move it out of the {place}, or \
         freeze that layer alone with `Module::freeze`"
    )]
    NoFunction {
        /// What was traced: "update", "energy", "loss" or "function".
        place: String,
        /// The layer.
        found: String,
    },
    /// Traced code computes something that its trace does not show.
    #[error(
        "the trace of the {subject} differs from Burn: found a relative difference of {relative:.1e} in the {quantity}, \
         expected at most {tolerance:.0e}; {cause}"
    )]
    Untraced {
        /// What was traced: "update", "energy", "loss" or "function".
        subject: String,
        /// What differs: the value, or the gradient for an input.
        quantity: String,
        /// The difference, relative to the size of the quantity.
        relative: f64,
        /// What rounding explains.
        tolerance: f64,
        /// The likely cause, and what to write instead.
        cause: String,
    },
    /// A tensor of the layer holds quantized numbers.
    #[error("a quantized tensor has no derivative and cannot be traced; dequantize the update and its input")]
    Quantized,
}

impl Error {
    /// A setting with no meaning.
    pub(crate) fn setting(setting: &str, found: impl Display, expected: &str) -> Self {
        Error::Setting { setting: setting.into(), found: found.to_string(), expected: expected.into() }
    }

    /// The same error where only those of programs can pass.
    pub(crate) fn into_program(self) -> banach_program::Error {
        if let Error::Program(error) = self {
            return error;
        }
        let (primitive, found) = ("the update".into(), self.to_string());
        banach_program::Error::Failed { primitive, found }
    }
}
