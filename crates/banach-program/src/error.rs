//! What can be asked of this crate that is impossible, and what should the user do instead?

/// An impossible request, with what was found and what to write instead.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The traced code uses an operation outside the closed set of primitives.
    #[error("operation {position} of the traced code, `{operation}`, is not supported: {hint}")]
    Unsupported {
        /// The operation, in Burn's name for it.
        operation: String,
        /// Where it stands among the recorded operations, from 0.
        position: usize,
        /// What to write instead.
        hint: String,
    },
    /// The traced code read a tensor's numbers, which do not exist while it is traced.
    #[error(
        "the traced code reads a tensor's value ({found}); while it is traced there are no values: replace \
         `into_data`, `into_scalar` and `if` on numbers by tensor operations such as `mask_where`"
    )]
    HostRead {
        /// What the read said.
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
        /// Where it stands among the recorded operations, from 0; none where Burn refused to record it.
        position: Option<usize>,
        /// The types of its operands, or what Burn said of them.
        found: String,
        /// What it takes.
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
    /// A tensor reached the trace that does not live on the tracing device.
    #[error(
        "the traced code mixes in a tensor from another device ({found}): pass it as an input; where a closure captures a \
         module, pass the module in, whose parameters become inputs (`Function::of_module`, `Objective`, a layer's update)"
    )]
    ForeignTensor {
        /// What Burn said.
        found: String,
    },
    /// A trace could not be finished.
    #[error("the trace could not be finished: {found}")]
    Trace {
        /// What Burn said.
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
    /// Tensors that meet in one program stand on different devices.
    #[error("tensor {position} is on {found}, expected {expected} like the first; move it with `to_device`")]
    Devices {
        /// Which tensor, from 0.
        position: usize,
        /// Its device.
        found: String,
        /// The device of the first.
        expected: String,
    },
    /// A primitive defined elsewhere has no result.
    #[error("{primitive}: {found}")]
    Failed {
        /// Which primitive.
        primitive: String,
        /// What went wrong.
        found: String,
    },
    /// A primitive defined elsewhere has one precision alone.
    #[error("{primitive} cannot be had in {expected}; run the program in the precision it was traced in")]
    Precision {
        /// Which primitive.
        primitive: String,
        /// The precision that was asked for.
        expected: String,
    },
    /// There is not enough memory.
    #[error("{bytes} bytes of memory for one tensor of a program are not to be had: use smaller batches")]
    Memory {
        /// What was asked for.
        bytes: usize,
    },
    /// A program or a tensor is not for the native engine.
    #[error(transparent)]
    Native(#[from] Unsuitable),
    /// A program is not well formed: a bug in whatever built it.
    #[error("malformed program at {place}: {found}")]
    Malformed {
        /// Which equation or boundary.
        place: String,
        /// What is wrong there.
        found: String,
    },
}

/// Why a program or a tensor is not for the native engine.
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
