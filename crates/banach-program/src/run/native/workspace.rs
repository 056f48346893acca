//! Workspaces: the memory of a machine between its inputs and its outputs.

use super::packed::{Packed, PackedOperand};
use crate::error::Error;
use crate::run::value::number::Number;
use banach_kernels::Panels;
use std::fmt::{Debug, Formatter};

/// The memory of a machine between its inputs and its outputs, reused by every run.
pub struct Workspace<T> {
    pub(super) real: Vec<Vec<T>>,
    pub(super) integers: Vec<Vec<i64>>,
    pub(super) made: Vec<Option<PackedOperand<T>>>,
    /// The packed inputs of the last call, whose memory the next one takes.
    pub(super) given: Packed<T>,
    pub(super) scratch: Panels<T>,
    pub(super) sums: Vec<f64>,
}

impl<T> Debug for Workspace<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "Workspace of {} numbers", self.real.iter().map(Vec::len).sum::<usize>())
    }
}

impl<T: Number> Workspace<T> {
    pub(super) fn bytes(&self) -> usize {
        let real: usize = self.real.iter().map(|numbers| size_of_val(&numbers[..])).sum();
        let integers: usize = self.integers.iter().map(|numbers| size_of_val(&numbers[..])).sum();
        let made: usize = self.made.iter().flatten().map(PackedOperand::bytes).sum();
        let given: usize = self.given.made.iter().flatten().map(|packed| packed.bytes()).sum();
        real + integers + made + given + self.scratch.bytes() + size_of_val(&self.sums[..])
    }
}

/// Allocates a buffer of `len` copies of `zero`.
pub(super) fn zeros<E: Clone>(len: usize, zero: E) -> Result<Vec<E>, Error> {
    let mut numbers = vec![];
    let bytes = len.saturating_mul(size_of::<E>());
    numbers.try_reserve_exact(len).map_err(|_| Error::Memory { bytes })?;
    numbers.resize(len, zero);
    Ok(numbers)
}
