//! How is a program written down? Inputs, equations, outputs; every variable is given once.

use crate::language::primitive::Primitive;
use crate::language::tensor_type::{Constant, Literal, Type};

/// A variable of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var(pub(crate) usize);

impl Var {
    /// Its position among the program's variables.
    pub fn index(self) -> usize {
        self.0
    }
}

/// One line of a program: `result = primitive(operands)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Equation {
    /// What is computed.
    pub primitive: Primitive,
    /// From what.
    pub operands: Vec<Var>,
    /// The variable given here.
    pub result: Var,
}

/// Straight-line tensor code as data.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    pub(crate) types: Vec<Type>,
    pub(crate) inputs: Vec<Var>,
    pub(crate) equations: Vec<Equation>,
    pub(crate) outputs: Vec<Var>,
}

impl Program {
    /// The variables the caller gives.
    pub fn inputs(&self) -> &[Var] {
        &self.inputs
    }

    /// The lines, in order.
    pub fn equations(&self) -> &[Equation] {
        &self.equations
    }

    /// The variables the caller gets.
    pub fn outputs(&self) -> &[Var] {
        &self.outputs
    }

    /// The type of a variable.
    pub fn type_of(&self, var: Var) -> &Type {
        &self.types[var.0]
    }

    /// The types of the inputs.
    pub fn input_types(&self) -> impl Iterator<Item = &Type> {
        self.inputs.iter().map(|&var| self.type_of(var))
    }

    /// The types of the outputs.
    pub fn output_types(&self) -> impl Iterator<Item = &Type> {
        self.outputs.iter().map(|&var| self.type_of(var))
    }

    /// How many variables there are.
    pub fn variables(&self) -> usize {
        self.types.len()
    }

    /// An estimate of the bytes that the program takes, its constants included.
    pub fn bytes(&self) -> usize {
        let constant = |equation: &Equation| {
            let Primitive::Constant(Constant { literal: Literal::Data(data), .. }) = &equation.primitive
            else {
                return 0;
            };
            data.as_bytes().len()
        };
        let lines = self.equations.len() * size_of::<Equation>() + self.types.len() * 2 * size_of::<Type>();
        lines + self.equations.iter().map(constant).sum::<usize>()
    }

    /// The same program with only the outputs at the positions given.
    pub fn with_outputs(mut self, positions: &[usize]) -> Program {
        self.outputs = positions.iter().map(|&position| self.outputs[position]).collect();
        self
    }
}
