//! Machines: programs compiled for the CPU.

use super::instruction::{Instruction, Pack};
use super::loops::copy;
use super::memory::{Layout, Slot};
use super::packed::{Packed, PackedOperand};
use super::parallel::{MOVED, on_all_cores, pays};
use super::plan::{ConstantData, Plan, plan};
use super::view::{Buffer, View, tail};
use super::workspace::{Workspace, zeros};
use crate::error::{Error, Unsuitable};
use crate::language::program::Program;
use crate::language::tensor_type::Type;
use crate::run::operand::Operand;
use crate::run::value::number::Number;
use banach_kernels::{ConvolutionMethod, Level, PackedWeights, Panels, StridedMatrix};
use std::sync::{Arc, Mutex, PoisonError};

/// A program compiled for the CPU.
#[derive(Clone, Debug)]
pub struct Machine<T> {
    pub(super) inputs: Vec<Type>,
    pub(super) outputs: Vec<Type>,
    pub(super) plan: Plan<T>,
    pub(super) layout: Layout,
    pub(super) level: Level,
    pub(super) method: ConvolutionMethod,
    /// Whether one instruction may use several cores.
    pub(super) spread: bool,
    /// Workspaces released by earlier runs.
    idle: Arc<Mutex<Vec<Workspace<T>>>>,
}

impl<T: Number> Machine<T> {
    /// Compiles a program whose inputs at the positions `fixed` stay the same over many runs.
    ///
    /// # Errors
    /// [`Unsuitable`] if the program holds an operation that the engine does not support.
    pub fn new(program: &Program, fixed: &[usize]) -> Result<Self, Unsuitable> {
        let plan = plan(program, fixed)?;
        let layout = Layout::new(&plan);
        let (inputs, outputs) = (program.input_types().cloned(), program.output_types().cloned());
        let (inputs, outputs) = (inputs.collect(), outputs.collect());
        Ok(Machine {
            inputs,
            outputs,
            plan,
            layout,
            level: Level::best(),
            method: ConvolutionMethod::default(),
            spread: false,
            idle: Arc::default(),
        })
    }

    /// Spreads large instructions over cores. No result depends on the number of cores.
    #[must_use]
    pub fn spread(mut self) -> Self {
        self.spread = true;
        self
    }

    /// Selects the instruction set of the processor.
    #[must_use]
    pub fn at(mut self, level: Level) -> Self {
        self.level = level;
        self.idle = Arc::default();
        self
    }

    /// Selects the method of convolutions and their gradients.
    #[must_use]
    pub fn convolving(mut self, method: ConvolutionMethod) -> Self {
        self.method = method;
        self
    }

    /// The types of the outputs.
    pub fn output_types(&self) -> impl Iterator<Item = &Type> {
        self.outputs.iter()
    }

    /// Returns a workspace, reusing one of an earlier run if possible.
    ///
    /// # Errors
    /// [`Error::Memory`] if the allocation fails.
    pub fn workspace(&self) -> Result<Workspace<T>, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(idle) = idle {
            return Ok(idle);
        }
        Ok(Workspace {
            real: self.layout.real.iter().map(|&len| zeros(len, T::ZERO)).collect::<Result<_, _>>()?,
            integers: self.layout.integers.iter().map(|&len| zeros(len, 0)).collect::<Result<_, _>>()?,
            made: self.plan.packs.iter().map(|_| None).collect(),
            given: Packed::nothing(),
            scratch: Panels::empty(self.level),
            sums: vec![],
        })
    }

    /// Estimates the memory of the machine in bytes: instructions, constants, and released workspaces with what is packed in them.
    pub fn bytes(&self) -> usize {
        let constant = |known: &ConstantData<T>| match known {
            ConstantData::Real(numbers) => size_of_val(&numbers[..]),
            ConstantData::Integer(numbers) => size_of_val(&numbers[..]),
        };
        let constants: usize = self.plan.constants.iter().map(constant).sum();
        let instructions = self.plan.instructions.len() * 2 * size_of::<Instruction<T>>();
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        instructions + constants + idle.iter().map(Workspace::bytes).sum::<usize>()
    }

    /// Releases a workspace for later runs.
    pub fn keep(&self, workspace: Workspace<T>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
    }

    /// Packs the fixed inputs that `which` selects. Packs of inputs that are already in `known` are reused.
    pub fn pack(
        &self,
        inputs: &[Operand<'_, T>],
        known: &Packed<T>,
        which: impl Fn(usize) -> bool + Sync,
    ) -> Packed<T> {
        self.pack_into(inputs, known, which, Packed::nothing())
    }

    /// [`pack`](Self::pack), into the memory of packs made before.
    pub(super) fn pack_into(
        &self,
        inputs: &[Operand<'_, T>],
        known: &Packed<T>,
        which: impl Fn(usize) -> bool + Sync,
        before: Packed<T>,
    ) -> Packed<T> {
        let numbers = |pack: &Pack| match pack.buffer() {
            Buffer::Input(position) if self.plan.fixed[position] && which(position) => match inputs[position]
            {
                Operand::Real(numbers) => Some(numbers),
                Operand::Integer(_) => panic!("bug: integers are not packed"),
            },
            Buffer::Constant(constant) => Some(self.constant(constant)),
            Buffer::Input(_) | Buffer::Packed(_) | Buffer::Temporary(_) => None,
        };
        let known = |pack: &Pack| known.of_input(pack);
        let make = |(pack, before): (&Pack, Option<Arc<PackedOperand<T>>>)| {
            let before = before.and_then(Arc::into_inner);
            known(pack).or_else(|| numbers(pack).map(|numbers| Arc::new(self.make(pack, numbers, before))))
        };
        let packs = self.plan.packs.clone();
        let mut before = before.made;
        before.resize_with(packs.len(), || None);
        let work: usize =
            packs.iter().filter(|pack| known(pack).is_none()).filter_map(numbers).map(<[T]>::len).sum();
        let made = if self.spread && pays::<T>(work * MOVED) {
            on_all_cores(packs.iter().zip(before), make)
        } else {
            packs.iter().zip(before).map(make).collect()
        };
        let mut packed = Packed { made, packs };
        // Packs of packs come after these.
        for (at, pack) in self.plan.packs.iter().enumerate() {
            if let Buffer::Packed(other) = pack.buffer()
                && packed.made[other].is_some()
            {
                packed.made[at] = Some(Arc::new(self.make(pack, packed.numbers(other), None)));
            }
        }
        packed
    }

    pub(super) fn constant(&self, constant: usize) -> &[T] {
        match &self.plan.constants[constant] {
            ConstantData::Real(numbers) => numbers,
            ConstantData::Integer(_) => panic!("bug: constant {constant} holds integers"),
        }
    }

    /// Packs the elements of an operand, into the memory of the same pack made before.
    pub(super) fn make(
        &self,
        pack: &Pack,
        numbers: &[T],
        before: Option<PackedOperand<T>>,
    ) -> PackedOperand<T> {
        match pack {
            Pack::Matrix(matrix) => {
                let mut panels = match before {
                    Some(PackedOperand::Matrix(panels)) if panels.level() == self.level => panels,
                    _ => Panels::empty(self.level),
                };
                panels.repack(StridedMatrix {
                    data: tail(numbers, matrix.start.offset),
                    rows: matrix.rows,
                    columns: matrix.columns,
                    row_stride: matrix.strides[0],
                    column_stride: matrix.strides[1],
                });
                PackedOperand::Matrix(panels)
            }
            Pack::Weights { convolution, transposed, start, strides } => {
                let weights = tail(numbers, start.offset);
                let is_alike = |packed: &PackedWeights<T>| {
                    packed.convolution() == convolution
                        && packed.transposed() == *transposed
                        && packed.level() == self.level
                        && packed.method() == self.method.of_images(convolution)
                };
                if let Some(PackedOperand::Weights(mut packed)) = before
                    && is_alike(&packed)
                {
                    packed.repack(weights, *strides);
                    return PackedOperand::Weights(packed);
                }
                let pack = if *transposed { PackedWeights::pack_transposed } else { PackedWeights::pack };
                PackedOperand::Weights(pack(self.level, *convolution, self.method, weights, *strides))
            }
            Pack::Elements { view, order } => {
                let mut laid_out = match before {
                    Some(PackedOperand::Elements(numbers)) if numbers.len() == view.len() => numbers,
                    _ => vec![T::ZERO; view.len()],
                };
                copy(view, numbers, &View::ordered(view.buffer, &view.shape, order), &mut laid_out);
                PackedOperand::Elements(laid_out)
            }
        }
    }

    pub(super) fn slot(&self, temporary: usize) -> Slot {
        self.layout.slots[temporary]
    }
}
