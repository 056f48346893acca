//! Execution of one instruction: its target is taken out of the workspace, and all other buffers are read.

mod elementwise;
mod products;
mod sums;

use super::index;
use super::instruction::{BufferOffset, Instruction, Work};
use super::integer;
use super::loops::{copy, extremes};
use super::machine::Machine;
use super::memory::Slot;
use super::packed::{Packed, PackedOperand};
use super::plan::ConstantData;
use super::view::{Buffer, tail};
use super::workspace::Workspace;
use crate::error::Error;
use crate::language::custom::Custom;
use crate::language::primitive::{Comparison, Index};
use crate::language::tensor_type::{Kind, Type};
use crate::language::value::Value;
use crate::run::operand::{Operand, Target};
use crate::run::value::number::Number;

/// The state of one run of a machine.
pub(super) struct Run<'r, 'i, 'o, T> {
    pub(super) machine: &'r Machine<T>,
    pub(super) workspace: &'r mut Workspace<T>,
    pub(super) packed: &'r Packed<T>,
    pub(super) inputs: &'r [Operand<'i, T>],
    /// The inputs as tensors, if the caller passed tensors.
    pub(super) values: &'r [Value],
    pub(super) outputs: &'r mut [Target<'o, T>],
}

/// The memory of a target, moved out of the workspace while it is written.
enum TargetMemory<'a, T> {
    Real(Vec<T>),
    Integer(Vec<i64>),
    RealOutput(&'a mut [T]),
    IntegerOutput(&'a mut [i64]),
}

impl<T> TargetMemory<'_, T> {
    fn real(&mut self, len: usize) -> &mut [T] {
        match self {
            TargetMemory::Real(numbers) => &mut numbers[..len],
            TargetMemory::RealOutput(numbers) => {
                assert_eq!(numbers.len(), len, "numbers of an output");
                numbers
            }
            TargetMemory::Integer(_) | TargetMemory::IntegerOutput(_) => {
                panic!("bug: real numbers written to memory of integers")
            }
        }
    }

    fn integers(&mut self, len: usize) -> &mut [i64] {
        match self {
            TargetMemory::Integer(numbers) => &mut numbers[..len],
            TargetMemory::IntegerOutput(numbers) => {
                assert_eq!(numbers.len(), len, "numbers of an output");
                numbers
            }
            TargetMemory::Real(_) | TargetMemory::RealOutput(_) => {
                panic!("bug: integers written to memory of real numbers")
            }
        }
    }
}

impl<'o, T: Number> Run<'_, '_, 'o, T> {
    pub(super) fn instruction(&mut self, instruction: &Instruction<T>) -> Result<(), Error> {
        let Some(temporary) = instruction.target else {
            if let Work::Pack(pack) = instruction.work {
                let job = &self.machine.plan.packs[pack];
                let before = self.workspace.made[pack].take();
                let made = self.machine.make(job, self.real(job.buffer()), before);
                self.workspace.made[pack] = Some(made);
            }
            return Ok(());
        };
        let mut scratch =
            std::mem::replace(&mut self.workspace.scratch, banach_kernels::Panels::empty(self.machine.level));
        let mut sums = std::mem::take(&mut self.workspace.sums);
        let mut taken = self.take(temporary);
        let done = self.work(instruction, temporary, &mut taken, (&mut scratch, &mut sums));
        self.put_back(temporary, taken);
        (self.workspace.scratch, self.workspace.sums) = (scratch, sums);
        done
    }

    fn take(&mut self, temporary: usize) -> TargetMemory<'o, T> {
        let integers = self.machine.plan.temporaries[temporary].integers;
        match (self.machine.slot(temporary), integers) {
            (Slot::Own(slot), false) => TargetMemory::Real(std::mem::take(&mut self.workspace.real[slot])),
            (Slot::Own(slot), true) => {
                TargetMemory::Integer(std::mem::take(&mut self.workspace.integers[slot]))
            }
            (Slot::Output(output), _) => match &mut self.outputs[output] {
                Target::Real(numbers) => TargetMemory::RealOutput(std::mem::take(numbers)),
                Target::Integer(numbers) => TargetMemory::IntegerOutput(std::mem::take(numbers)),
            },
            (Slot::Unused, _) => panic!("bug: temporary {temporary} has no memory"),
        }
    }

    fn put_back(&mut self, temporary: usize, taken: TargetMemory<'o, T>) {
        match (self.machine.slot(temporary), taken) {
            (Slot::Own(slot), TargetMemory::Real(numbers)) => self.workspace.real[slot] = numbers,
            (Slot::Own(slot), TargetMemory::Integer(numbers)) => self.workspace.integers[slot] = numbers,
            (Slot::Output(output), TargetMemory::RealOutput(numbers)) => {
                self.outputs[output] = Target::Real(numbers)
            }
            (Slot::Output(output), TargetMemory::IntegerOutput(numbers)) => {
                self.outputs[output] = Target::Integer(numbers)
            }
            (_, _) => panic!("bug: temporary {temporary} changed its slot"),
        }
    }

    /// The real numbers or truth values of a buffer.
    pub(super) fn real(&self, buffer: Buffer) -> &[T] {
        match buffer {
            Buffer::Input(input) => match self.inputs[input] {
                Operand::Real(numbers) => numbers,
                Operand::Integer(_) => panic!("bug: input {input} holds integers"),
            },
            Buffer::Constant(constant) => self.machine.constant(constant),
            Buffer::Packed(pack) => match &self.workspace.made[pack] {
                Some(PackedOperand::Elements(numbers)) => numbers,
                Some(PackedOperand::Matrix(_) | PackedOperand::Weights(_)) | None => {
                    self.packed.numbers(pack)
                }
            },
            Buffer::Temporary(temporary) => match self.machine.slot(temporary) {
                Slot::Own(slot) => &self.workspace.real[slot],
                Slot::Output(output) => match &self.outputs[output] {
                    Target::Real(numbers) => numbers,
                    Target::Integer(_) => panic!("bug: output {output} holds integers"),
                },
                Slot::Unused => panic!("bug: temporary {temporary} was never written"),
            },
        }
    }

    /// Returns a packed operand, of this run or packed beforehand.
    pub(super) fn made(&self, pack: usize) -> &PackedOperand<T> {
        let beforehand = || self.packed.made[pack].as_deref();
        let made = self.workspace.made[pack].as_ref().or_else(beforehand);
        made.unwrap_or_else(|| panic!("bug: pack {pack} was not made"))
    }

    pub(super) fn from(&self, start: BufferOffset) -> &[T] {
        tail(self.real(start.buffer), start.offset)
    }

    fn integers(&self, buffer: Buffer) -> &[i64] {
        match buffer {
            Buffer::Input(input) => match self.inputs[input] {
                Operand::Integer(numbers) => numbers,
                Operand::Real(_) => panic!("bug: input {input} holds real numbers"),
            },
            Buffer::Constant(constant) => match &self.machine.plan.constants[constant] {
                ConstantData::Integer(numbers) => numbers,
                ConstantData::Real(_) => panic!("bug: constant {constant} holds real numbers"),
            },
            Buffer::Packed(pack) => panic!("bug: pack {pack} holds real numbers"),
            Buffer::Temporary(temporary) => match self.machine.slot(temporary) {
                Slot::Own(slot) => &self.workspace.integers[slot],
                Slot::Output(output) => match &self.outputs[output] {
                    Target::Integer(numbers) => numbers,
                    Target::Real(_) => panic!("bug: output {output} holds real numbers"),
                },
                Slot::Unused => panic!("bug: temporary {temporary} was never written"),
            },
        }
    }

    fn is_integer(&self, buffer: Buffer) -> bool {
        match buffer {
            Buffer::Input(input) => matches!(self.inputs[input], Operand::Integer(_)),
            Buffer::Constant(constant) => {
                matches!(self.machine.plan.constants[constant], ConstantData::Integer(_))
            }
            Buffer::Packed(_) => false,
            Buffer::Temporary(temporary) => self.machine.plan.temporaries[temporary].integers,
        }
    }

    fn work(
        &self,
        instruction: &Instruction<T>,
        temporary: usize,
        taken: &mut TargetMemory<'_, T>,
        (scratch, sums): (&mut banach_kernels::Panels<T>, &mut Vec<f64>),
    ) -> Result<(), Error> {
        let len = self.machine.plan.temporaries[temporary].len;
        match &instruction.work {
            Work::Chain(work) => self.elementwise(work, taken.real(len)),
            Work::Product(work) => self.product(work, taken.real(len), scratch),
            Work::Convolve(work) => self.convolve(work, taken.real(len)),
            Work::WeightGradient { convolution, images, x, y } => {
                self.weight_gradient(convolution, *images, [*x, *y], taken.real(len), scratch);
            }
            Work::Copy { source, target } if self.is_integer(source.buffer) => {
                copy(source, self.integers(source.buffer), target, taken.integers(len));
            }
            Work::Copy { source, target } => self.copy(source, target, taken.real(len)),
            Work::Fill(number) => match self.machine.plan.temporaries[temporary].integers {
                true => taken.integers(len).fill(*number as i64),
                false => taken.real(len).fill(T::from_f64(*number)),
            },
            Work::Sum { source, target } => self.sum(source, target, taken.real(len), sums),
            Work::Extreme { source, sizes, largest, position: false } => {
                let target = taken.real(len);
                extremes(self.from(*source), *sizes, *largest, |at, _, number| target[at] = number);
            }
            Work::Extreme { source, sizes, largest, position: true } => {
                let target = taken.integers(len);
                extremes(self.from(*source), *sizes, *largest, |at, position, _| {
                    target[at] = position as i64
                });
            }
            Work::Index { index, source, positions, shapes } => {
                self.index(index, (*source, *positions), shapes, taken, len)?;
            }
            Work::MaxPoolIndices { pool, source, shape, result } => {
                index::max_pool(pool, self.from(*source), *shape, *result, taken.integers(len));
            }
            Work::CompareIntegers { comparison, left, right } => {
                self.compare(*comparison, *left, *right, taken.real(len));
            }
            Work::IntegerToReal(source) => {
                let source = tail(self.integers(source.buffer), source.offset);
                taken.real(len).iter_mut().zip(source).for_each(|(out, x)| *out = T::from_integer(*x));
            }
            Work::RealToInteger(source, width) => {
                let source = self.from(*source);
                let numbers = taken.integers(len).iter_mut().zip(source);
                numbers.for_each(|(out, x)| *out = integer::from_real(x.to_f64(), *width));
            }
            Work::Narrow(source, width) => {
                let source = tail(self.integers(source.buffer), source.offset);
                let numbers = taken.integers(len).iter_mut().zip(source);
                numbers.for_each(|(out, x)| *out = integer::narrowed(*x, *width));
            }
            Work::Custom { primitive, operands } => {
                self.custom(primitive.0.as_ref(), operands, taken.real(len))?;
            }
            Work::Pack(_) => unreachable!("a pack has no target"),
        }
        Ok(())
    }

    fn index(
        &self,
        index: &Index,
        (source, positions): (BufferOffset, BufferOffset),
        shapes: &[Vec<usize>; 2],
        taken: &mut TargetMemory<'_, T>,
        len: usize,
    ) -> Result<(), Error> {
        let positions = tail(self.integers(positions.buffer), positions.offset);
        if self.is_integer(source.buffer) {
            let source = tail(self.integers(source.buffer), source.offset);
            let add = |a: i64, b: i64| a.wrapping_add(b);
            index::apply(index, source, positions, shapes, taken.integers(len), (add, 0))
        } else {
            let add = |a: T, b: T| T::from_f64(a.to_f64() + b.to_f64());
            index::apply(index, self.from(source), positions, shapes, taken.real(len), (add, T::ZERO))
        }
    }

    fn compare(
        &self,
        comparison: Comparison,
        left: BufferOffset,
        right: Result<BufferOffset, f64>,
        target: &mut [T],
    ) {
        let left = tail(self.integers(left.buffer), left.offset);
        let right = right.map(|right| tail(self.integers(right.buffer), right.offset));
        for (at, out) in target.iter_mut().enumerate() {
            let a = left[at];
            let b = right.map_or_else(|number| number as i64, |right| right[at]);
            *out = if comparison.holds(a, b) { T::ONE } else { T::ZERO };
        }
    }

    /// Returns the input tensor at a position, if the operand is the whole input.
    fn given(&self, start: BufferOffset, ty: &Type) -> Option<Value> {
        match start {
            BufferOffset { buffer: Buffer::Input(input), offset: 0 } => {
                self.values.get(input).filter(|value| value.ty() == *ty).cloned()
            }
            BufferOffset { .. } => None,
        }
    }

    /// Evaluates a custom primitive on tensors.
    fn custom(
        &self,
        primitive: &dyn Custom,
        operands: &[(BufferOffset, Type)],
        target: &mut [T],
    ) -> Result<(), Error> {
        let values = operands.iter().map(|(start, ty)| {
            self.given(*start, ty).unwrap_or_else(|| match ty.kind {
                Kind::Int(_) => {
                    Value::from_integers(&tail(self.integers(start.buffer), start.offset)[..ty.len()], ty)
                }
                Kind::Float(_) | Kind::Bool => Value::from_reals(&self.from(*start)[..ty.len()], ty),
            })
        });
        let result = primitive.evaluate(values.collect())?;
        result.read_real(target);
        Ok(())
    }
}
