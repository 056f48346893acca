//! Storage plans of chains: every value lies in an input, an output or a scratch slot, reused after its last
//! use.

use super::operation::{Binary, Operation, Step, Unary};
use std::collections::HashMap;
use std::fmt;

/// The reason why steps do not form a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidChain {
    /// The step at this position reads an unwritten register.
    Unwritten(usize),
    /// The step at this position has the wrong number of operands.
    Operands(usize),
    /// The output at this position reads an unwritten register.
    Output(usize),
    /// The chain has no output, or more live values than scratch memory can hold.
    Size,
}

impl fmt::Display for InvalidChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidChain::Unwritten(step) => write!(f, "step {step} reads a register that nothing wrote"),
            InvalidChain::Operands(step) => write!(f, "step {step} has the wrong number of operands"),
            InvalidChain::Output(output) => write!(f, "output {output} reads a register that nothing wrote"),
            InvalidChain::Size => write!(f, "the chain has no output or too many values at once"),
        }
    }
}

impl std::error::Error for InvalidChain {}

/// The storage of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Input(usize),
    Slot(usize),
    Output(usize),
}

/// An operation, or two operations in one pass, each with its own rounding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Work {
    One(Operation),
    Then(First, Second),
}

/// The first of two operations in one pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum First {
    Add,
    Subtract,
    Multiply,
}

/// The second of two operations in one pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Second {
    Relu,
    Sigmoid,
    Tanh,
}

/// A step with assigned storage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction {
    pub(super) work: Work,
    /// The operands, followed by unused entries.
    pub(super) operands: [Storage; 3],
    pub(super) result: Storage,
}

/// The instructions of a chain, and the number of slots.
///
/// Output 0 is written after the last read of input 0, so that they may share memory.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) instructions: Vec<Instruction>,
    pub(super) slots: usize,
}

/// A step in single-assignment form: values `0..inputs` are the inputs, and each step defines the next value.
#[derive(Clone, Debug)]
struct Definition {
    work: Work,
    operands: Vec<usize>,
    value: usize,
}

pub(super) fn plan(inputs: usize, steps: &[Step], outputs: &[usize]) -> Result<Plan, InvalidChain> {
    if outputs.is_empty() {
        return Err(InvalidChain::Size);
    }
    let (definitions, outputs) = single_assignment(inputs, steps, outputs)?;
    let definitions = joined(needed(definitions, &outputs), &outputs);
    Ok(Allocation::new(inputs, &definitions, &outputs).run(definitions))
}

fn single_assignment(
    inputs: usize,
    steps: &[Step],
    outputs: &[usize],
) -> Result<(Vec<Definition>, Vec<usize>), InvalidChain> {
    let mut held: HashMap<usize, usize> = (0..inputs).map(|input| (input, input)).collect();
    let mut definitions = Vec::with_capacity(steps.len());
    for (position, step) in steps.iter().enumerate() {
        if step.operands.len() != step.operation.arity() {
            return Err(InvalidChain::Operands(position));
        }
        let operands: Option<Vec<usize>> =
            step.operands.iter().map(|register| held.get(register).copied()).collect();
        let operands = operands.ok_or(InvalidChain::Unwritten(position))?;
        let value = inputs + position;
        definitions.push(Definition { work: Work::One(step.operation), operands, value });
        held.insert(step.result, value);
    }
    let mut values = Vec::with_capacity(outputs.len());
    for (position, register) in outputs.iter().enumerate() {
        values.push(*held.get(register).ok_or(InvalidChain::Output(position))?);
    }
    Ok((definitions, values))
}

/// The definitions that outputs depend on.
fn needed(mut definitions: Vec<Definition>, outputs: &[usize]) -> Vec<Definition> {
    let mut needed: Vec<usize> = outputs.to_vec();
    let mut kept = Vec::with_capacity(definitions.len());
    while let Some(definition) = definitions.pop() {
        if needed.contains(&definition.value) {
            needed.extend(&definition.operands);
            kept.push(definition);
        }
    }
    kept.reverse();
    kept
}

/// Joins sums, differences and products with the function that alone reads them.
fn joined(definitions: Vec<Definition>, outputs: &[usize]) -> Vec<Definition> {
    let uses = |value: usize| {
        let reads = definitions.iter().flat_map(|definition| &definition.operands);
        reads.chain(outputs).filter(|&&read| read == value).count()
    };
    let mut joined: Vec<Definition> = Vec::with_capacity(definitions.len());
    for definition in &definitions {
        let mut definition = definition.clone();
        if let (Some(second), Some(&operand)) = (second(definition.work), definition.operands.first())
            && uses(operand) == 1
            && let Some(position) = joined.iter().position(|earlier| earlier.value == operand)
            && let Some(first) = first(joined[position].work)
        {
            definition.operands = joined.remove(position).operands;
            definition.work = Work::Then(first, second);
        }
        joined.push(definition);
    }
    joined
}

fn first(work: Work) -> Option<First> {
    match work {
        Work::One(Operation::Binary(Binary::Add)) => Some(First::Add),
        Work::One(Operation::Binary(Binary::Subtract)) => Some(First::Subtract),
        Work::One(Operation::Binary(Binary::Multiply)) => Some(First::Multiply),
        Work::One(_) | Work::Then(..) => None,
    }
}

fn second(work: Work) -> Option<Second> {
    match work {
        Work::One(Operation::Unary(Unary::Relu)) => Some(Second::Relu),
        Work::One(Operation::Unary(Unary::Sigmoid)) => Some(Second::Sigmoid),
        Work::One(Operation::Unary(Unary::Tanh)) => Some(Second::Tanh),
        Work::One(_) | Work::Then(..) => None,
    }
}

/// The assignment of storage to values.
struct Allocation<'a> {
    outputs: &'a [usize],
    /// The position of the last read of each value; the copy to an output counts as a read at the end.
    last: HashMap<usize, usize>,
    storages: HashMap<usize, Storage>,
    free: Vec<usize>,
    slots: usize,
}

impl<'a> Allocation<'a> {
    fn new(inputs: usize, definitions: &[Definition], outputs: &'a [usize]) -> Self {
        let mut last = HashMap::new();
        for (position, definition) in definitions.iter().enumerate() {
            last.extend(definition.operands.iter().map(|&operand| (operand, position)));
        }
        last.extend(outputs.iter().map(|&value| (value, definitions.len())));
        let storages = (0..inputs).map(|input| (input, Storage::Input(input))).collect();
        Allocation { outputs, last, storages, free: Vec::new(), slots: 0 }
    }

    fn run(mut self, definitions: Vec<Definition>) -> Plan {
        let mut instructions = Vec::with_capacity(definitions.len() + self.outputs.len());
        for (position, definition) in definitions.iter().enumerate() {
            let mut operands = [Storage::Input(0); 3];
            for (storage, operand) in operands.iter_mut().zip(&definition.operands) {
                *storage = self.storages[operand];
            }
            for operand in &definition.operands {
                if self.last[operand] == position
                    && let Some(Storage::Slot(slot)) = self.storages.get(operand)
                    && !self.free.contains(slot)
                {
                    self.free.push(*slot);
                }
            }
            let result = self.storage_of_result(definition.value, position);
            self.storages.insert(definition.value, result);
            instructions.push(Instruction { work: definition.work, operands, result });
        }
        // Output 0 last, since it may share memory with input 0.
        for (output, value) in self.outputs.iter().enumerate().rev() {
            let (storage, result) = (self.storages[value], Storage::Output(output));
            if storage != result {
                let work = Work::One(Operation::Copy);
                instructions.push(Instruction { work, operands: [storage; 3], result });
            }
        }
        Plan { instructions, slots: self.slots }
    }

    fn storage_of_result(&mut self, value: usize, position: usize) -> Storage {
        let input_read = self.last.get(&0).is_none_or(|&last| last <= position);
        let output = self.outputs.iter().position(|&output| output == value);
        match output {
            Some(output) if output > 0 || input_read => Storage::Output(output),
            _ => Storage::Slot(self.free.pop().unwrap_or_else(|| {
                self.slots += 1;
                self.slots - 1
            })),
        }
    }
}
