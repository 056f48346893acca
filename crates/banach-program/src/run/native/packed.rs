//! Operands packed for kernels, which stay valid over many runs.

use super::instruction::Pack;
use super::view::Buffer;
use banach_kernels::{Panels, Taps};
use std::sync::Arc;

/// Something made of an operand.
#[derive(Debug)]
pub(super) enum Made<T> {
    Matrix(Panels<T>),
    Weights(Taps<T>),
    Numbers(Vec<T>),
}

/// What a machine has made of inputs that stay the same over many runs.
#[derive(Clone, Debug)]
pub struct Packed<T> {
    pub(super) packs: Vec<Pack>,
    pub(super) made: Vec<Option<Arc<Made<T>>>>,
}

impl<T> Packed<T> {
    /// Nothing is made yet.
    pub fn nothing() -> Self {
        Packed { packs: vec![], made: vec![] }
    }

    /// The same pack of an input, which machines for other numbers of rows have under other numbers.
    pub(super) fn of_input(&self, pack: &Pack) -> Option<Arc<Made<T>>> {
        let input = matches!(pack.buffer(), Buffer::Input(_));
        let at = self.packs.iter().position(|known| input && known == pack)?;
        self.made[at].clone()
    }

    pub(super) fn numbers(&self, pack: usize) -> &[T] {
        match self.made[pack].as_deref() {
            Some(Made::Numbers(numbers)) => numbers,
            Some(Made::Matrix(_) | Made::Weights(_)) | None => panic!("pack {pack} holds no numbers"),
        }
    }
}
