//! Operands packed for kernels, which stay valid over many runs.

use super::instruction::Pack;
use super::view::Buffer;
use crate::run::value::number::Number;
use banach_kernels::{PackedWeights, Panels};
use std::sync::Arc;

/// An operand packed for its kernel.
#[derive(Debug)]
pub(super) enum PackedOperand<T> {
    Matrix(Panels<T>),
    Weights(PackedWeights<T>),
    Elements(Vec<T>),
}

impl<T: Number> PackedOperand<T> {
    pub(super) fn bytes(&self) -> usize {
        match self {
            PackedOperand::Matrix(panels) => panels.bytes(),
            PackedOperand::Weights(weights) => weights.bytes(),
            PackedOperand::Elements(numbers) => size_of_val(&numbers[..]),
        }
    }
}

/// The packed form of inputs that stay fixed over many runs.
#[derive(Clone, Debug)]
pub struct Packed<T> {
    pub(super) packs: Vec<Pack>,
    pub(super) made: Vec<Option<Arc<PackedOperand<T>>>>,
}

impl<T> Packed<T> {
    /// Returns an empty set of packs.
    pub fn nothing() -> Self {
        Packed { packs: vec![], made: vec![] }
    }

    /// Returns an existing pack of an input; its position differs between machines for different numbers of
    /// rows.
    pub(super) fn of_input(&self, pack: &Pack) -> Option<Arc<PackedOperand<T>>> {
        let input = matches!(pack.buffer(), Buffer::Input(_));
        let at = self.packs.iter().position(|known| input && known == pack)?;
        self.made[at].clone()
    }

    pub(super) fn numbers(&self, pack: usize) -> &[T] {
        match self.made[pack].as_deref() {
            Some(PackedOperand::Elements(numbers)) => numbers,
            Some(PackedOperand::Matrix(_) | PackedOperand::Weights(_)) | None => {
                panic!("bug: pack {pack} holds no numbers")
            }
        }
    }
}
