//! Fixed operands of a loop: its inputs, and what the prologue computed of them.

use crate::engine::compiled_map::CompiledMap;
use crate::engine::failure::Failure;
use crate::engine::number::Number;
use crate::engine::origin::Origin;
use banach_program::{Kind, Operand, Packed, Target, Type};
use std::sync::Arc;

/// The elements of a computed tensor.
#[derive(Debug)]
pub(crate) enum Elements<T> {
    Real(Vec<T>),
    Integer(Vec<i64>),
}

impl<T: Number> Elements<T> {
    pub(crate) fn zeros(ty: &Type) -> Self {
        match ty.kind {
            Kind::Int(_) => Elements::Integer(vec![0; ty.len()]),
            Kind::Float(_) | Kind::Bool => Elements::Real(vec![T::ZERO; ty.len()]),
        }
    }

    pub(crate) fn target(&mut self) -> Target<'_, T> {
        match self {
            Elements::Real(elements) => Target::Real(elements),
            Elements::Integer(elements) => Target::Integer(elements),
        }
    }

    pub(crate) fn operand(&self) -> Operand<'_, T> {
        match self {
            Elements::Real(elements) => Operand::Real(elements),
            Elements::Integer(elements) => Operand::Integer(elements),
        }
    }
}

/// The operands that follow x in the maps of a loop, for all rows.
#[derive(Debug)]
pub(crate) struct Operands<'a, T> {
    /// The origin of each operand.
    pub(crate) origins: Vec<Origin>,
    pub(crate) inputs: Vec<Operand<'a, T>>,
    pub(crate) computed: Vec<Elements<T>>,
    /// The first error of a run; its results are NaN.
    pub(crate) failure: Failure,
}

impl<T: Number> Operands<'_, T> {
    /// Returns the operand at a position of the map's inputs, where x is at 0.
    pub(crate) fn get(&self, position: usize) -> Operand<'_, T> {
        match self.origins[position - 1] {
            Origin::Input(input) => self.inputs[input],
            Origin::Computed(computed) => self.computed[computed].operand(),
        }
    }
}

/// A map with its operands, for all rows.
#[derive(Clone, Debug)]
pub(crate) struct BoundMap<'a, T> {
    pub(crate) map: &'a CompiledMap<T>,
    pub(crate) operands: Arc<Operands<'a, T>>,
    /// The packed operands that all batch slices share.
    pub(crate) packed: Arc<Packed<T>>,
    /// The rows of x and of the operands with one row for each.
    pub(crate) rows: usize,
}

impl<'a, T: Number> BoundMap<'a, T> {
    /// Packs the operands that all rows share, for batch slices of a number of rows.
    pub(crate) fn new(map: &'a CompiledMap<T>, operands: &Arc<Operands<'a, T>>, slice: usize) -> Self {
        let others = (1..=operands.origins.len()).map(|position| operands.get(position));
        let inputs: Vec<Operand<'_, T>> = std::iter::once(Operand::Real(&[])).chain(others).collect();
        let packed = map.machine(slice).pack(&inputs, &Packed::nothing(), |input| !map.is_per_row(input));
        BoundMap { map, operands: Arc::clone(operands), packed: Arc::new(packed), rows: map.rows() }
    }
}
