//! Impossible requests to a layer.

use std::fmt::Display;

/// An impossible request to a layer. A row that does not converge is no error: see [`Report`](crate::Report).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The update could not be traced, or tensors do not fit it.
    #[error(transparent)]
    Program(#[from] banach_program::Error),
    /// A setting is outside its range, or rows that had to converge did not.
    #[error(transparent)]
    Solve(#[from] banach_solve::Error),
    /// The update returns a state of another shape than it takes.
    #[error(
        "state {position} of the update: found {found} as its argument and {returned} as its result, expected equal types; \
         make g return a state of the shape it takes"
    )]
    State {
        /// Position of the state tensor, from 0.
        position: usize,
        /// Its type as an argument.
        found: String,
        /// Its type as a result.
        returned: String,
    },
    /// The state is not made of float tensors of one dtype.
    #[error(
        "the state holds {found}, expected one or more float tensors of one dtype; keep the rest in the input z"
    )]
    StateKind {
        /// The types of the state.
        found: String,
    },
    /// The function to differentiate does not return a scalar.
    #[error(
        "the function returns {found}, expected one number, or one for every row; pair the outputs with cotangents first \
         (`paired`), or use `vjp`"
    )]
    NotScalar {
        /// The types of the outputs.
        found: String,
    },
    /// The energy is not one number for every row.
    #[error(
        "the energy returns {found}, expected one number for each of the {rows} rows, `[{rows}]`; sum over the other axes"
    )]
    Energy {
        /// The type of its result.
        found: String,
        /// The rows of the state.
        rows: usize,
    },
    /// The equation has other shapes than its unknowns.
    #[error(
        "the equation returns {found}, expected {expected}, the types of its unknowns; give one equation for every unknown"
    )]
    Equation {
        /// The types of its results.
        found: String,
        /// The types of the unknowns.
        expected: String,
    },
    /// The step size is outside its range.
    #[error("the step size of a gradient step is {found}, expected a finite number above 0")]
    Rate {
        /// The step size.
        found: f64,
    },
    /// The set to project onto is empty, or does not fit the state.
    #[error(
        "the projection has {found}; expected lower <= upper with one bound for all numbers of a row or one for each, a \
         positive radius, or a normal that is not zero with one number for each of a row"
    )]
    Projection {
        /// The bounds.
        found: String,
    },
    /// Adjoint solves that had to converge did not.
    #[error(
        "the adjoint of {failed} of {rows} rows was not solved; the first, row {row}, ended as {outcome} after {steps} steps with \
         residual {residual:.3e}: {advice}"
    )]
    Adjoint {
        /// The first row that failed.
        row: usize,
        /// Its outcome.
        outcome: banach_solve::Outcome,
        /// Advice.
        advice: &'static str,
        /// Its steps.
        steps: usize,
        /// Its residual.
        residual: f64,
        /// The number of failed rows.
        failed: usize,
        /// The number of rows.
        rows: usize,
    },
    /// Rows with solved adjoints have cotangents of z and θ that are not finite.
    #[error(
        "the gradient of {failed} of {rows} rows is not finite though their adjoints were solved; the first is row {row}: g \
         has no finite derivative by z or θ there (a root or power at 0, a division by 0, an overflow), change the update, \
         or bound its input"
    )]
    NonFiniteGradient {
        /// The first row without a finite gradient.
        row: usize,
        /// The number of rows without a finite gradient.
        failed: usize,
        /// The number of rows.
        rows: usize,
    },
    /// A setting is outside its range.
    #[error("the setting `{setting}` is {found}, expected {expected}")]
    Setting {
        /// The name of the setting.
        setting: String,
        /// Its value.
        found: String,
        /// The values it can have.
        expected: String,
    },
    /// The number of sample ids is not the number of rows of the state.
    #[error(
        "found {found} ids of samples for a state of {state}, expected one for each row of its first axis"
    )]
    Ids {
        /// The number of ids.
        found: usize,
        /// The types of the state.
        state: String,
    },
    /// The state cached for a sample does not fit the state of the layer.
    #[error(
        "found a cached state of {found} for sample {id}, expected {expected}; use separate `WarmStarts` for each layer, and \
         clear them when the state changes its shape or dtype"
    )]
    Remembered {
        /// The sample.
        id: u64,
        /// The types of the cached state, without the batch.
        found: String,
        /// The types of the state of the layer, without the batch.
        expected: String,
    },
    /// Traced code uses a layer that is not a function in training mode.
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
    /// The trace of code computes something else than the code does on Burn.
    #[error(
        "the trace of the {subject} differs from Burn: found a relative difference of {relative:.1e} in the {quantity}, \
         expected at most {tolerance:.0e}; {cause}"
    )]
    Untraced {
        /// What was traced: "update", "energy", "loss" or "function".
        subject: String,
        /// What differs: the value, or the gradient for an input.
        quantity: String,
        /// The difference, relative to the norm of the quantity.
        relative: f64,
        /// The largest difference that rounding explains.
        tolerance: f64,
        /// The likely cause, and what to write instead.
        cause: String,
    },
    /// A device of a data-parallel step failed: its server was lost, or the step panicked.
    #[error("the step on device {position}, {device}, failed: {message}")]
    Replica {
        /// Its position among the devices, from 0.
        position: usize,
        /// The device.
        device: String,
        /// The message of the panic.
        message: String,
    },
    /// There is no server at an address, or one that cannot be used.
    #[error("{address}: found {found}, expected {expected}")]
    Server {
        /// The host and port.
        address: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A tensor of the layer is quantized.
    #[error("a quantized tensor has no derivative and cannot be traced; dequantize the update and its input")]
    Quantized,
}

impl Error {
    /// Returns the error of a setting outside its range.
    pub(crate) fn setting(setting: &str, found: impl Display, expected: &str) -> Self {
        Error::Setting { setting: setting.into(), found: found.to_string(), expected: expected.into() }
    }

    /// Converts to an error of programs, for interfaces that can return no other.
    pub(crate) fn into_program(self) -> banach_program::Error {
        if let Error::Program(error) = self {
            return error;
        }
        let (primitive, found) = ("the update".into(), self.to_string());
        banach_program::Error::Failed { primitive, found }
    }
}
