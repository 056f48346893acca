//! The cost of a solve with a fixed number of steps: floating-point operations, and bytes that have to move.

use banach::program::{Program, Var, hoist, operations};

const BYTES_OF_A_NUMBER: f64 = 4.0;

/// What a solve costs on any machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    pub(super) operations: f64,
    /// The inputs and outputs of the prologue once, and those of the loop in every step, in single precision. Traffic
    /// is less where they stay in a cache, and more where intermediate results do not.
    pub(super) bytes: f64,
}

impl Cost {
    /// The cost of so many steps of an update, given as a program with the state as its first input.
    pub(super) fn of(program: &Program, steps: usize) -> Self {
        let (parts, steps) = (hoist(program, &[0]), steps as f64);
        let whole = |of: fn(&Program) -> f64| of(&parts.prologue) + steps * of(&parts.body);
        Self { operations: whole(|program| operations(program) as f64), bytes: whole(moved) }
    }

    pub(super) fn operations_per_byte(self) -> f64 {
        self.operations / self.bytes
    }
}

/// The bytes of the inputs that equations of a program read, and of the outputs that they write.
fn moved(program: &Program) -> f64 {
    let equations = program.equations();
    let is_read = |var: &&Var| equations.iter().any(|equation| equation.operands.contains(var));
    let is_written = |var: &&Var| equations.iter().any(|equation| equation.result == **var);
    let ends = program.inputs().iter().filter(is_read).chain(program.outputs().iter().filter(is_written));
    ends.map(|&var| BYTES_OF_A_NUMBER * program.type_of(var).len() as f64).sum()
}
