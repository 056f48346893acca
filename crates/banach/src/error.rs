//! What can be asked of a layer that is impossible?

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
    /// The update contains a layer that is no function.
    #[error(
        "the update contains {found} in training mode, which is no function of x and z (whatever its rate); move it \
         out of the update, or freeze that layer alone with `Module::freeze`"
    )]
    NoFunction {
        /// The layer.
        found: String,
    },
    /// A tensor of the layer holds quantized numbers.
    #[error("a quantized tensor has no derivative and cannot be traced; dequantize the update and its input")]
    Quantized,
    /// A layer is called inside the update of another, where tensors have no numbers to iterate on.
    #[error(
        "a fixed point was asked for inside the update of another; solve for both states in one update: \
         g((x, y), z) = (g1(x, y, z), g2(x, y, z))"
    )]
    Nested,
}
