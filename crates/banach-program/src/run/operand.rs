//! Inputs and outputs of native machines as slices of numbers.

/// An input of a machine, in row-major order; truth values are 0 and 1.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a, T> {
    /// Real numbers or truth values.
    Real(&'a [T]),
    /// Integers.
    Integer(&'a [i64]),
}

/// Memory for an output of a machine, in row-major order.
#[derive(Debug)]
pub enum Target<'a, T> {
    /// Real numbers or truth values.
    Real(&'a mut [T]),
    /// Integers.
    Integer(&'a mut [i64]),
}
