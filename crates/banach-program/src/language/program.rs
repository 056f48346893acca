//! Programs: inputs, equations and outputs in static single assignment form.

use crate::language::primitive::Primitive;
use crate::language::tensor_type::{Constant, Literal, Type};

/// A variable of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub struct Var(pub(crate) usize);

impl Var {
    /// Returns the position among the program's variables.
    pub fn index(self) -> usize {
        self.0
    }
}

/// An equation of a program: `result = primitive(operands)`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub struct Equation {
    /// The primitive that is applied.
    pub primitive: Primitive,
    /// The operands, in the order of the primitive.
    pub operands: Vec<Var>,
    /// The variable that this equation defines.
    pub result: Var,
}

/// Straight-line tensor code in static single assignment form.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub struct Program {
    pub(crate) types: Vec<Type>,
    pub(crate) inputs: Vec<Var>,
    pub(crate) equations: Vec<Equation>,
    pub(crate) outputs: Vec<Var>,
}

impl Program {
    /// Returns the input variables.
    pub fn inputs(&self) -> &[Var] {
        &self.inputs
    }

    /// Returns the equations, in order of execution.
    pub fn equations(&self) -> &[Equation] {
        &self.equations
    }

    /// Returns the output variables.
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

    /// Returns the number of variables.
    pub fn variables(&self) -> usize {
        self.types.len()
    }

    /// Estimates the memory of the program in bytes, including its constants.
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

    /// Returns the program with only the outputs at the given positions.
    pub fn with_outputs(mut self, positions: &[usize]) -> Program {
        self.outputs = positions.iter().map(|&position| self.outputs[position]).collect();
        self
    }
}
