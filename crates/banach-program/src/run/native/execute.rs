//! How is one instruction carried out? The target is taken out of memory, everything else is read.

mod elementwise;
mod products;
mod sums;

use super::index;
use super::instruction::{Instruction, Start, Work};
use super::loops::{copy, extremes};
use super::machine::Machine;
use super::memory::Slot;
use super::packed::{Made, Packed};
use super::plan::Known;
use super::view::Buffer;
use super::whole;
use super::workspace::Workspace;
use crate::error::Error;
use crate::language::custom::Custom;
use crate::language::primitive::{Comparison, Index};
use crate::language::tensor_type::{Kind, Type};
use crate::language::value::Value;
use crate::run::operand::{Operand, Target};
use crate::run::value::number::Number;

/// A run of a machine.
pub(super) struct Run<'r, 'i, 'o, T> {
    pub(super) machine: &'r Machine<T>,
    pub(super) workspace: &'r mut Workspace<T>,
    pub(super) packed: &'r Packed<T>,
    pub(super) inputs: &'r [Operand<'i, T>],
    /// The inputs as tensors, where they were given as such.
    pub(super) values: &'r [Value],
    pub(super) outputs: &'r mut [Target<'o, T>],
}

/// The memory of a target, taken out while it is written.
enum Taken<'a, T> {
    Real(Vec<T>),
    Whole(Vec<i64>),
    RealOutput(&'a mut [T]),
    WholeOutput(&'a mut [i64]),
}

impl<T> Taken<'_, T> {
    fn real(&mut self, len: usize) -> &mut [T] {
        match self {
            Taken::Real(numbers) => &mut numbers[..len],
            Taken::RealOutput(numbers) => {
                assert_eq!(numbers.len(), len, "numbers of an output");
                numbers
            }
            Taken::Whole(_) | Taken::WholeOutput(_) => panic!("real numbers written to memory of integers"),
        }
    }

    fn whole(&mut self, len: usize) -> &mut [i64] {
        match self {
            Taken::Whole(numbers) => &mut numbers[..len],
            Taken::WholeOutput(numbers) => {
                assert_eq!(numbers.len(), len, "numbers of an output");
                numbers
            }
            Taken::Real(_) | Taken::RealOutput(_) => panic!("integers written to memory of real numbers"),
        }
    }
}

impl<'o, T: Number> Run<'_, '_, 'o, T> {
    pub(super) fn instruction(&mut self, instruction: &Instruction<T>) -> Result<(), Error> {
        let Some(temporary) = instruction.target else {
            if let Work::Pack(pack) = instruction.work {
                let job = &self.machine.plan.packs[pack];
                let made = self.machine.make(job, self.real(job.buffer()));
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

    fn take(&mut self, temporary: usize) -> Taken<'o, T> {
        let whole = self.machine.plan.temporaries[temporary].whole;
        match (self.machine.slot(temporary), whole) {
            (Slot::Own(slot), false) => Taken::Real(std::mem::take(&mut self.workspace.real[slot])),
            (Slot::Own(slot), true) => Taken::Whole(std::mem::take(&mut self.workspace.whole[slot])),
            (Slot::Output(output), _) => match &mut self.outputs[output] {
                Target::Real(numbers) => Taken::RealOutput(std::mem::take(numbers)),
                Target::Whole(numbers) => Taken::WholeOutput(std::mem::take(numbers)),
            },
            (Slot::Nowhere, _) => panic!("temporary {temporary} has no memory"),
        }
    }

    fn put_back(&mut self, temporary: usize, taken: Taken<'o, T>) {
        match (self.machine.slot(temporary), taken) {
            (Slot::Own(slot), Taken::Real(numbers)) => self.workspace.real[slot] = numbers,
            (Slot::Own(slot), Taken::Whole(numbers)) => self.workspace.whole[slot] = numbers,
            (Slot::Output(output), Taken::RealOutput(numbers)) => {
                self.outputs[output] = Target::Real(numbers)
            }
            (Slot::Output(output), Taken::WholeOutput(numbers)) => {
                self.outputs[output] = Target::Whole(numbers)
            }
            (_, _) => panic!("temporary {temporary} moved"),
        }
    }

    /// The real numbers or truth values of a buffer.
    pub(super) fn real(&self, buffer: Buffer) -> &[T] {
        match buffer {
            Buffer::Input(input) => match self.inputs[input] {
                Operand::Real(numbers) => numbers,
                Operand::Whole(_) => panic!("input {input} holds integers"),
            },
            Buffer::Constant(constant) => self.machine.constant(constant),
            Buffer::Packed(pack) => match &self.workspace.made[pack] {
                Some(Made::Numbers(numbers)) => numbers,
                Some(Made::Matrix(_) | Made::Weights(_)) | None => self.packed.numbers(pack),
            },
            Buffer::Temporary(temporary) => match self.machine.slot(temporary) {
                Slot::Own(slot) => &self.workspace.real[slot],
                Slot::Output(output) => match &self.outputs[output] {
                    Target::Real(numbers) => numbers,
                    Target::Whole(_) => panic!("output {output} holds integers"),
                },
                Slot::Nowhere => panic!("temporary {temporary} was never written"),
            },
        }
    }

    /// What is made of an operand: in this run, or beforehand.
    pub(super) fn made(&self, pack: usize) -> &Made<T> {
        let beforehand = || self.packed.made[pack].as_deref();
        let made = self.workspace.made[pack].as_ref().or_else(beforehand);
        made.unwrap_or_else(|| panic!("pack {pack} was not made"))
    }

    pub(super) fn from(&self, start: Start) -> &[T] {
        &self.real(start.buffer)[start.offset..]
    }

    fn whole(&self, buffer: Buffer) -> &[i64] {
        match buffer {
            Buffer::Input(input) => match self.inputs[input] {
                Operand::Whole(numbers) => numbers,
                Operand::Real(_) => panic!("input {input} holds real numbers"),
            },
            Buffer::Constant(constant) => match &self.machine.plan.constants[constant] {
                Known::Whole(numbers) => numbers,
                Known::Real(_) => panic!("constant {constant} holds real numbers"),
            },
            Buffer::Packed(pack) => panic!("pack {pack} holds real numbers"),
            Buffer::Temporary(temporary) => match self.machine.slot(temporary) {
                Slot::Own(slot) => &self.workspace.whole[slot],
                Slot::Output(output) => match &self.outputs[output] {
                    Target::Whole(numbers) => numbers,
                    Target::Real(_) => panic!("output {output} holds real numbers"),
                },
                Slot::Nowhere => panic!("temporary {temporary} was never written"),
            },
        }
    }

    fn is_whole(&self, buffer: Buffer) -> bool {
        match buffer {
            Buffer::Input(input) => matches!(self.inputs[input], Operand::Whole(_)),
            Buffer::Constant(constant) => matches!(self.machine.plan.constants[constant], Known::Whole(_)),
            Buffer::Packed(_) => false,
            Buffer::Temporary(temporary) => self.machine.plan.temporaries[temporary].whole,
        }
    }

    fn work(
        &self,
        instruction: &Instruction<T>,
        temporary: usize,
        taken: &mut Taken<'_, T>,
        (scratch, sums): (&mut banach_kernels::Panels<T>, &mut Vec<f64>),
    ) -> Result<(), Error> {
        let len = self.machine.plan.temporaries[temporary].len;
        match &instruction.work {
            Work::Elementwise(work) => self.elementwise(work, taken.real(len)),
            Work::Product(work) => self.product(work, taken.real(len), scratch),
            Work::Convolve(work) => self.convolve(work, taken.real(len)),
            Work::WeightGradient { convolution, images, x, y } => {
                self.weight_gradient(convolution, *images, [*x, *y], taken.real(len), scratch);
            }
            Work::Copy { source, target } if self.is_whole(source.buffer) => {
                copy(source, self.whole(source.buffer), target, taken.whole(len));
            }
            Work::Copy { source, target } => self.copy(source, target, taken.real(len)),
            Work::Fill(number) => match self.machine.plan.temporaries[temporary].whole {
                true => taken.whole(len).fill(*number as i64),
                false => taken.real(len).fill(T::from_f64(*number)),
            },
            Work::Sum { source, target } => self.sum(source, target, taken.real(len), sums),
            Work::Extreme { source, sizes, largest, position: false } => {
                let target = taken.real(len);
                extremes(self.from(*source), *sizes, *largest, |at, _, number| target[at] = number);
            }
            Work::Extreme { source, sizes, largest, position: true } => {
                let target = taken.whole(len);
                extremes(self.from(*source), *sizes, *largest, |at, position, _| {
                    target[at] = position as i64
                });
            }
            Work::Index { index, source, positions, shapes } => {
                self.index(index, (*source, *positions), shapes, taken, len)?;
            }
            Work::MaxPoolIndices { pool, source, shape, result } => {
                index::max_pool(pool, self.from(*source), *shape, *result, taken.whole(len));
            }
            Work::CompareWhole { comparison, left, right } => {
                self.compare(*comparison, *left, *right, taken.real(len));
            }
            Work::WholeToReal(source) => {
                let source = &self.whole(source.buffer)[source.offset..];
                taken.real(len).iter_mut().zip(source).for_each(|(out, x)| *out = T::of_whole(*x));
            }
            Work::RealToWhole(source, width) => {
                let source = self.from(*source);
                let numbers = taken.whole(len).iter_mut().zip(source);
                numbers.for_each(|(out, x)| *out = whole::from_real(x.to_f64(), *width));
            }
            Work::Narrow(source, width) => {
                let source = &self.whole(source.buffer)[source.offset..];
                let numbers = taken.whole(len).iter_mut().zip(source);
                numbers.for_each(|(out, x)| *out = whole::narrowed(*x, *width));
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
        (source, positions): (Start, Start),
        shapes: &[Vec<usize>; 2],
        taken: &mut Taken<'_, T>,
        len: usize,
    ) -> Result<(), Error> {
        let positions = &self.whole(positions.buffer)[positions.offset..];
        if self.is_whole(source.buffer) {
            let source = &self.whole(source.buffer)[source.offset..];
            let add = |a: i64, b: i64| a.wrapping_add(b);
            index::apply(index, source, positions, shapes, taken.whole(len), (add, 0))
        } else {
            let add = |a: T, b: T| T::from_f64(a.to_f64() + b.to_f64());
            index::apply(index, self.from(source), positions, shapes, taken.real(len), (add, T::ZERO))
        }
    }

    fn compare(&self, comparison: Comparison, left: Start, right: Result<Start, f64>, target: &mut [T]) {
        let left = &self.whole(left.buffer)[left.offset..];
        let right = right.map(|right| &self.whole(right.buffer)[right.offset..]);
        for (at, out) in target.iter_mut().enumerate() {
            let a = left[at];
            let b = right.map_or_else(|number| number as i64, |right| right[at]);
            let holds = match comparison {
                Comparison::Equal => a == b,
                Comparison::NotEqual => a != b,
                Comparison::Greater => a > b,
                Comparison::GreaterEqual => a >= b,
                Comparison::Less => a < b,
                Comparison::LessEqual => a <= b,
            };
            *out = if holds { T::ONE } else { T::ZERO };
        }
    }

    /// The tensor that was given as an input, if it is one as a whole.
    fn given(&self, start: Start, ty: &Type) -> Option<Value> {
        match start {
            Start { buffer: Buffer::Input(input), offset: 0 } => {
                self.values.get(input).filter(|value| value.ty() == *ty).cloned()
            }
            Start { .. } => None,
        }
    }

    /// A primitive defined elsewhere, on tensors.
    fn custom(
        &self,
        primitive: &dyn Custom,
        operands: &[(Start, Type)],
        target: &mut [T],
    ) -> Result<(), Error> {
        let values = operands.iter().map(|(start, ty)| {
            self.given(*start, ty).unwrap_or_else(|| match ty.kind {
                Kind::Int(_) => Value::of_whole(&self.whole(start.buffer)[start.offset..][..ty.len()], ty),
                Kind::Float(_) | Kind::Bool => Value::of_real(&self.from(*start)[..ty.len()], ty),
            })
        });
        let result = primitive.evaluate(values.collect())?;
        result.read_real(target);
        Ok(())
    }
}
