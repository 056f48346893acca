//! Linearization: the table of tangents, third of the four tables over primitives.
//!
//! `linearize` splits a program into the primal program, which also returns the residuals, and the derivative
//! `J` as a linear program whose coefficients are the residuals. Reverse mode needs no table of its own: it
//! is the transpose of the linear program.

mod binary;
mod rules;

use crate::derive::branch::{absorb_along_paths, behind_branches};
use crate::derive::range::Ranges;
use crate::language::builder::Builder;
use crate::language::custom::{CustomLinear, CustomOp, TangentBuilder};
use crate::language::linear::{LinearBuilder, LinearProgram, as_linear};
use crate::language::primitive::{Bilinear, Index, Linear, Primitive, Side};
use crate::language::program::{Equation, Program, Var};
use std::collections::HashMap;
use std::sync::Arc;

/// A program and its derivative at the point where the primal is evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Linearization {
    /// Computes the outputs, then the residuals.
    pub primal: Program,
    /// The derivative: tangents of the chosen inputs to tangents of the outputs.
    pub tangent: LinearProgram,
}

/// Linearizes all outputs with respect to the inputs at the given positions.
pub fn linearize(program: &Program, inputs: &[usize]) -> Linearization {
    let mut state = Linearizer::new(program);
    for &position in inputs {
        let var = program.inputs[position];
        if program.type_of(var).kind.is_float() {
            let tangent = state.tangent.input(program.type_of(var).clone());
            state.tangents.insert(var, tangent);
        } else {
            state.tangent.input(program.type_of(var).clone());
        }
    }
    let behind_branch = behind_branches(program);
    for equation in program.equations() {
        state.behind_branch = behind_branch[equation.result.0];
        let operands: Vec<Var> = equation.operands.iter().map(|var| state.values[var.0]).collect();
        let result = state.primal.push(equation.primitive.clone(), &operands);
        state.values[equation.result.0] = result;
        if let Some(tangent) = state.tangent_of(equation) {
            state.tangents.insert(equation.result, tangent);
        }
    }
    state.finish(program)
}

/// A linearization under way: the primal and the tangent program written so far.
#[derive(Debug)]
struct Linearizer {
    primal: Builder,
    tangent: LinearBuilder,
    /// The primal variable of each variable of the original program.
    values: Vec<Var>,
    /// The tangent of each variable of the original program that has one.
    tangents: HashMap<Var, Var>,
    /// The residual of each primal variable that the tangent program reads.
    residuals: HashMap<Var, Var>,
    order: Vec<Var>,
    /// Bounds of the primal's values.
    ranges: Ranges,
    /// Whether a later equation selects part of the result of the current equation.
    behind_branch: bool,
}

impl Linearizer {
    fn new(program: &Program) -> Self {
        let mut primal = Builder::new();
        let mut values = vec![Var(usize::MAX); program.variables()];
        for &input in program.inputs() {
            values[input.0] = primal.input(program.type_of(input).clone());
        }
        let (tangents, residuals) = (HashMap::new(), HashMap::new());
        Linearizer {
            primal,
            tangent: LinearBuilder::new(),
            values,
            tangents,
            residuals,
            order: vec![],
            ranges: Ranges::default(),
            behind_branch: false,
        }
    }

    fn finish(mut self, program: &Program) -> Linearization {
        let tangents = program.outputs().iter().map(|var| self.tangents.get(var).copied());
        self.tangent.program.outputs = tangents.collect();
        self.tangent.program.output_types = program.output_types().cloned().collect();
        let outputs = program.outputs().iter().map(|var| self.values[var.0]);
        let outputs = outputs.chain(self.order.iter().copied()).collect();
        let mut tangent = self.tangent.program;
        absorb_along_paths(&mut tangent);
        Linearization { primal: self.primal.finish(outputs), tangent }
    }

    /// Returns the residual of a primal variable in the tangent program.
    fn residual(&mut self, primal: Var) -> Var {
        if let Some(&known) = self.residuals.get(&primal) {
            return known;
        }
        let var = self.tangent.residual(self.primal.type_of(primal).clone());
        self.residuals.insert(primal, var);
        self.order.push(primal);
        var
    }

    fn value(&self, var: Var) -> Var {
        self.values[var.0]
    }

    fn times(&mut self, tangent: Option<Var>, coefficient: Var) -> Option<Var> {
        let tangent = tangent?;
        let form = self.product(coefficient);
        let coefficient = self.residual(coefficient);
        Some(self.tangent.push(Linear::Partial(form, Side::Left), &[tangent], &[coefficient]))
    }

    /// Returns the product for a slope. Zero absorbs if the slope may not be finite, and behind a branch,
    /// where a tangent or cotangent may be zero because the value, finite or not, was not selected.
    fn product(&mut self, slope: Var) -> Bilinear {
        let finite = !self.behind_branch && self.ranges.is_finite(&self.primal.program, slope);
        if finite { Bilinear::Multiply } else { Bilinear::AbsorbingProduct }
    }

    /// The table of tangents: one exhaustive match.
    fn tangent_of(&mut self, equation: &Equation) -> Option<Var> {
        let operands = &equation.operands;
        if operands.iter().all(|var| self.tangent(*var).is_none()) {
            return None;
        }
        if let Some(linear) = as_linear(&equation.primitive) {
            let tangent = self.tangent(operands[0])?;
            let residuals: Vec<Var> = operands[1..].iter().map(|&var| self.value(var)).collect();
            let residuals: Vec<Var> = residuals.into_iter().map(|var| self.residual(var)).collect();
            return Some(self.tangent.push(linear, &[tangent], &residuals));
        }
        match &equation.primitive {
            Primitive::Elementwise(function) => self.elementwise(*function, operands, equation.result),
            Primitive::Bilinear(form) => self.bilinear(*form, operands[0], operands[1]),
            Primitive::Concat(axis) => self.concat(*axis, operands),
            Primitive::Extreme { axis, largest } => {
                let (axis, largest) = (*axis, *largest);
                let x = self.value(operands[0]);
                let position = self.primal.push(Primitive::ArgExtreme { axis, largest }, &[x]);
                let position = self.residual(position);
                let tangent = self.tangent(operands[0])?;
                Some(self.tangent.push(Linear::Index(Index::Gather(axis)), &[tangent], &[position]))
            }
            Primitive::Custom(custom) => {
                let operands: Vec<Var> = operands.clone();
                let custom = custom.clone();
                custom.0.tangent(self, &operands, equation.result)
            }
            Primitive::Constant(_) | Primitive::ArgExtreme { .. } | Primitive::MaxPoolIndices(_) => None,
            Primitive::Structure(_) | Primitive::Index(_) => {
                unreachable!("linear primitives are taken before the table")
            }
        }
    }
}

impl TangentBuilder for Linearizer {
    fn tangent(&self, var: Var) -> Option<Var> {
        self.tangents.get(&var).copied()
    }

    fn derivative(&mut self, program: &Program, at: &[Var], tangents: &[Option<Var>]) -> Vec<Option<Var>> {
        let which: Vec<usize> = (0..tangents.len()).filter(|&input| tangents[input].is_some()).collect();
        let parts = linearize(program, &which);
        let point: Vec<Var> = at.iter().map(|&var| self.value(var)).collect();
        let residuals = self.primal.inline(&parts.primal, &point).split_off(program.outputs().len());
        let residuals: Vec<Var> = residuals.into_iter().map(|var| self.residual(var)).collect();
        let inputs: Vec<Option<Var>> = which.iter().map(|&input| tangents[input]).collect();
        self.tangent.inline(&parts.tangent, &residuals, &inputs)
    }

    fn custom(&mut self, map: Arc<dyn CustomLinear>, tangent: Var, coefficients: &[Var]) -> Var {
        let coefficients: Vec<Var> = coefficients.iter().map(|&var| self.value(var)).collect();
        let residuals: Vec<Var> = coefficients.into_iter().map(|var| self.residual(var)).collect();
        self.tangent.push(Linear::Custom(CustomOp(map)), &[tangent], &residuals)
    }

    fn custom_of(&mut self, map: Arc<dyn CustomLinear>, tangent: Var, program: &Program, at: &[Var]) -> Var {
        let point: Vec<Var> = at.iter().map(|&var| self.value(var)).collect();
        let coefficients = self.primal.inline(program, &point);
        let residuals: Vec<Var> = coefficients.into_iter().map(|var| self.residual(var)).collect();
        self.tangent.push(Linear::Custom(CustomOp(map)), &[tangent], &residuals)
    }

    fn sum(&mut self, a: Option<Var>, b: Option<Var>) -> Option<Var> {
        self.tangent.add(a, b)
    }
}
