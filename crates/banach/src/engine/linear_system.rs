//! Linear systems `c = A(q) c + b`.

use banach_program::Value;
use burn::tensor::Tensor;

/// The given values of a linear system `c = A(q) c + b`, with or without a guess of c.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinearSystem<'a> {
    pub(crate) b: &'a Tensor<2>,
    pub(crate) guess: Option<&'a Tensor<2>>,
    pub(crate) q: &'a [Value],
}

impl<'a> LinearSystem<'a> {
    /// Creates a system without a guess.
    pub(crate) fn new(b: &'a Tensor<2>, q: &'a [Value]) -> Self {
        LinearSystem { b, guess: None, q }
    }

    /// Sets the guess.
    pub(crate) fn with_guess(self, guess: Option<&'a Tensor<2>>) -> Self {
        LinearSystem { guess, ..self }
    }
}
