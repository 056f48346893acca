//! Linear programs, whose coefficients at the point of linearization are residuals.

use crate::language::builder::Builder;
use crate::language::geometry::Span;
use crate::language::primitive::{Elementwise, Linear, Primitive, Structure};
use crate::language::program::{Program, Var};
use crate::language::shape::result_type;
use crate::language::tensor_type::{Kind, Type};

/// An equation of a linear program: linear in its operands, with its residuals as coefficients.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearEquation {
    /// The operation that is applied.
    pub operation: Linear,
    /// The operands in which the equation is linear.
    pub operands: Vec<Var>,
    /// The coefficients.
    pub residuals: Vec<Var>,
    /// The variable that this equation defines.
    pub result: Var,
}

/// A linear map as data: outputs are linear in the inputs, and residuals are the coefficients.
///
/// Only a linear program can be transposed; the types say so.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearProgram {
    pub(crate) types: Vec<Type>,
    pub(crate) residuals: Vec<Var>,
    pub(crate) inputs: Vec<Var>,
    pub(crate) equations: Vec<LinearEquation>,
    pub(crate) outputs: Vec<Option<Var>>,
    pub(crate) output_types: Vec<Type>,
}

impl LinearProgram {
    /// Returns the equations, in order of execution.
    pub fn equations(&self) -> &[LinearEquation] {
        &self.equations
    }

    /// Returns the number of coefficients of the map.
    pub fn residual_count(&self) -> usize {
        self.residuals.len()
    }

    /// The types of the inputs.
    pub fn input_types(&self) -> impl Iterator<Item = &Type> {
        self.inputs.iter().map(|var| &self.types[var.0])
    }

    /// The types of the outputs.
    pub fn output_types(&self) -> impl Iterator<Item = &Type> {
        self.output_types.iter()
    }

    /// Converts the map to an ordinary program whose inputs are the residuals, then the inputs of the map.
    pub fn into_program(&self) -> Program {
        let mut builder = Builder::new();
        let mut here = vec![Var(usize::MAX); self.types.len()];
        for var in self.residuals.iter().chain(&self.inputs) {
            here[var.0] = builder.input(self.types[var.0].clone());
        }
        for equation in &self.equations {
            let (primitive, operands) = equation.operation.primitive(&equation.operands, &equation.residuals);
            let operands: Vec<Var> = operands.iter().map(|var| here[var.0]).collect();
            here[equation.result.0] = builder.push(primitive, &operands);
        }
        let outputs = self.outputs.iter().zip(&self.output_types);
        let outputs = outputs.map(|(out, ty)| match out {
            Some(var) => here[var.0],
            None => builder.full(ty.clone(), 0.0),
        });
        let outputs = outputs.collect();
        builder.finish(outputs)
    }
}

/// Builder of a linear program. `None` is a structural zero, which needs no equation.
#[derive(Debug)]
pub(crate) struct LinearBuilder {
    pub(crate) program: LinearProgram,
}

impl LinearBuilder {
    pub(crate) fn new() -> Self {
        LinearBuilder {
            program: LinearProgram {
                types: vec![],
                residuals: vec![],
                inputs: vec![],
                equations: vec![],
                outputs: vec![],
                output_types: vec![],
            },
        }
    }

    pub(crate) fn input(&mut self, ty: Type) -> Var {
        let var = self.variable(ty);
        self.program.inputs.push(var);
        var
    }

    pub(crate) fn residual(&mut self, ty: Type) -> Var {
        let var = self.variable(ty);
        self.program.residuals.push(var);
        var
    }

    pub(crate) fn type_of(&self, var: Var) -> &Type {
        &self.program.types[var.0]
    }

    /// Appends an equation and returns its result.
    pub(crate) fn push(&mut self, operation: Linear, operands: &[Var], residuals: &[Var]) -> Var {
        let (primitive, all) = operation.primitive(operands, residuals);
        let types: Vec<&Type> = all.iter().map(|&var| self.type_of(var)).collect();
        let ty = result_type(&primitive, &types)
            .unwrap_or_else(|found| panic!("building a linear program: {primitive:?} of {types:?}: {found}"));
        let result = self.variable(ty);
        let (operands, residuals) = (operands.to_vec(), residuals.to_vec());
        self.program.equations.push(LinearEquation { operation, operands, residuals, result });
        result
    }

    /// Appends the equations of another linear program. `None` marks inputs and outputs that are zero.
    pub(crate) fn inline(
        &mut self,
        program: &LinearProgram,
        residuals: &[Var],
        inputs: &[Option<Var>],
    ) -> Vec<Option<Var>> {
        let mut here: Vec<Option<Var>> = vec![None; program.types.len()];
        for (var, &given) in program.residuals.iter().zip(residuals) {
            here[var.0] = Some(given);
        }
        for (var, &given) in program.inputs.iter().zip(inputs) {
            here[var.0] = given;
        }
        for equation in &program.equations {
            let residuals: Vec<Var> = equation.residuals.iter().filter_map(|var| here[var.0]).collect();
            let operands: Vec<Option<Var>> = equation.operands.iter().map(|var| here[var.0]).collect();
            here[equation.result.0] =
                self.line(&equation.operation, &operands, &residuals, program, equation);
        }
        program.outputs.iter().map(|output| output.and_then(|var| here[var.0])).collect()
    }

    /// Appends an equation some of whose operands may be structural zeros.
    fn line(
        &mut self,
        operation: &Linear,
        operands: &[Option<Var>],
        residuals: &[Var],
        program: &LinearProgram,
        equation: &LinearEquation,
    ) -> Option<Var> {
        if let Some(all) = operands.iter().copied().collect::<Option<Vec<Var>>>() {
            return Some(self.push(operation.clone(), &all, residuals));
        }
        match operation {
            Linear::Add => operands[0].or(operands[1]),
            Linear::Concat(axis) => {
                let sizes: Vec<usize> =
                    equation.operands.iter().map(|var| program.types[var.0].shape[*axis]).collect();
                let mut sum = None;
                for (position, operand) in operands.iter().enumerate() {
                    let Some(operand) = *operand else { continue };
                    let placed = self.placed(*axis, &sizes, position, operand);
                    sum = self.add(sum, Some(placed));
                }
                sum
            }
            Linear::Scale(_)
            | Linear::Cast(_)
            | Linear::Erase
            | Linear::Structure(_)
            | Linear::Index(_)
            | Linear::Partial(..)
            | Linear::Custom(_) => None,
        }
    }

    /// Places one part of a concatenation among zeros.
    pub(crate) fn placed(&mut self, axis: usize, sizes: &[usize], position: usize, part: Var) -> Var {
        let mut shape = self.type_of(part).shape.clone();
        shape[axis] = sizes.iter().sum();
        let start = sizes[..position].iter().sum();
        let spans = Span::along(&shape, axis, start, sizes[position]);
        self.structure(Structure::Place(shape, spans), part)
    }

    pub(crate) fn add(&mut self, a: Option<Var>, b: Option<Var>) -> Option<Var> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.push(Linear::Add, &[a, b], &[])),
            (one, other) => one.or(other),
        }
    }

    pub(crate) fn scale(&mut self, x: Var, factor: f64) -> Var {
        self.push(Linear::Scale(factor), &[x], &[])
    }

    pub(crate) fn structure(&mut self, structure: Structure, x: Var) -> Var {
        self.push(Linear::Structure(structure), &[x], &[])
    }

    fn variable(&mut self, ty: Type) -> Var {
        self.program.types.push(ty);
        Var(self.program.types.len() - 1)
    }
}

/// Returns the linear operation of a primitive that is linear at every point.
pub(crate) fn as_linear(primitive: &Primitive) -> Option<Linear> {
    match primitive {
        Primitive::Elementwise(Elementwise::Scale(factor)) => Some(Linear::Scale(*factor)),
        Primitive::Elementwise(Elementwise::Cast(Kind::Float(dtype))) => Some(Linear::Cast(*dtype)),
        Primitive::Structure(structure) => Some(Linear::Structure(structure.clone())),
        Primitive::Index(index) => Some(Linear::Index(index.clone())),
        Primitive::Constant(_)
        | Primitive::Elementwise(_)
        | Primitive::Bilinear(_)
        | Primitive::Concat(_)
        | Primitive::Extreme { .. }
        | Primitive::ArgExtreme { .. }
        | Primitive::MaxPoolIndices(_)
        | Primitive::Custom(_) => None,
    }
}
