//! Inputs and outputs of native machines as slices of numbers.

/// An input in row-major order; truth values are 0 and 1.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a, T> {
    /// Real numbers or truth values.
    Real(&'a [T]),
    /// Integers.
    Whole(&'a [i64]),
}

/// Memory for an output, in row-major order.
#[derive(Debug)]
pub enum Target<'a, T> {
    /// Real numbers or truth values.
    Real(&'a mut [T]),
    /// Integers.
    Whole(&'a mut [i64]),
}
