//! Errors of impossible requests, with the found value, the expected value and the remedy.

/// An impossible request.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The traced code uses an operation outside the closed set of primitives.
    #[error("operation {position} of the traced code, `{operation}`, is not supported: {hint}")]
    Unsupported {
        /// The operation, in Burn's name for it.
        operation: String,
        /// Its position among the recorded operations, from 0.
        position: usize,
        /// The remedy.
        hint: String,
    },
    /// The traced code read the elements of a tensor, which do not exist during a trace.
    #[error(
        "the traced code reads a tensor's value ({found}); there are no values during a trace: replace \
         `into_data`, `into_scalar` and `if` on numbers by tensor operations such as `mask_where`"
    )]
    HostRead {
        /// Burn's message.
        found: String,
    },
    /// An operation of the traced code has operands that do not fit it.
    #[error(
        "operation {}of the traced code, `{operation}`: found {found}, expected {expected}",
        position.map_or_else(String::new, |position| format!("{position} "))
    )]
    Operands {
        /// The operation, in Burn's name for it.
        operation: String,
        /// Its position among the recorded operations, from 0; none if Burn refused to record it.
        position: Option<usize>,
        /// The types of its operands, or Burn's message.
        found: String,
        /// The operands that the operation takes.
        expected: String,
    },
    /// An index points outside the axis it selects from.
    #[error("found index {found} into an axis of {size}, expected one from 0 to {size} - 1")]
    Index {
        /// The index.
        found: i64,
        /// The size of the axis.
        size: usize,
    },
    /// The traced code panicked.
    #[error("the traced code panicked: {message}")]
    Panicked {
        /// The message of the panic.
        message: String,
    },
    /// The traced code used a tensor that is not on the recording device.
    #[error(
        "the traced code mixes in a tensor from another device ({found}): pass it as an input; where a closure captures a \
         module, pass the module in, whose parameters become inputs (`Function::of_module`, `Objective`, a layer's update)"
    )]
    ForeignTensor {
        /// Burn's message.
        found: String,
    },
    /// A trace could not be finished.
    #[error("the trace could not be finished: {found}")]
    Trace {
        /// Burn's message.
        found: String,
    },
    /// The wrong number of tensors was given.
    #[error("{what}: found {found} tensors, expected {expected}")]
    Count {
        /// Where.
        what: String,
        /// How many were found.
        found: usize,
        /// How many were expected.
        expected: usize,
    },
    /// A tensor of the wrong shape or dtype was given.
    #[error("{what}: found {found}, expected {expected}")]
    Mismatch {
        /// Which tensor.
        what: String,
        /// The type that was found.
        found: String,
        /// The type that was expected.
        expected: String,
    },
    /// Inputs of one program are on different devices.
    #[error("tensor {position} is on {found}, expected {expected} like the first; move it with `to_device`")]
    Devices {
        /// Which tensor, from 0.
        position: usize,
        /// Its device.
        found: String,
        /// The device of the first.
        expected: String,
    },
    /// A custom primitive failed.
    #[error("{primitive}: {found}")]
    Failed {
        /// The primitive.
        primitive: String,
        /// The cause.
        found: String,
    },
    /// A custom primitive has one fixed precision.
    #[error("{primitive} is not available in {expected}: run the program in the precision it was traced in")]
    Precision {
        /// The primitive.
        primitive: String,
        /// The requested precision.
        expected: String,
    },
    /// An allocation failed.
    #[error("{bytes} bytes for one tensor of a program could not be allocated: use smaller batches")]
    Memory {
        /// The size of the allocation.
        bytes: usize,
    },
    /// A program or a tensor is not for the native engine.
    #[error(transparent)]
    Native(#[from] Unsuitable),
    /// A program is not well formed, which is a bug of its builder.
    #[error("malformed program at {place}: {found}")]
    Malformed {
        /// The equation or boundary.
        place: String,
        /// The defect.
        found: String,
    },
}

/// The reason why the native engine cannot run a program or read a tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not for the native engine: {reason}")]
pub struct Unsuitable {
    reason: String,
}

impl Unsuitable {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Unsuitable { reason: reason.into() }
    }
}
