//! Forward mode and reverse mode: linearization composed with the tangent program or its transpose.

use crate::derive::linearize::linearize;
use crate::derive::transpose::transpose;
use crate::language::builder::Builder;
use crate::language::linear::LinearProgram;
use crate::language::program::{Program, Var};
use crate::rewrite::simplify::simplify;

/// Returns the forward-mode program: from inputs and tangents t of the chosen inputs to outputs and tangents
/// `J t`.
pub fn jvp(program: &Program, inputs: &[usize]) -> Program {
    let parts = linearize(program, inputs);
    compose(program, &parts.primal, &parts.tangent)
}

/// Returns the reverse-mode program: from inputs and cotangents v of the outputs to outputs and cotangents
/// `Jᵀ v` of the chosen inputs.
pub fn vjp(program: &Program, inputs: &[usize]) -> Program {
    let parts = linearize(program, inputs);
    compose(program, &parts.primal, &transpose(&parts.tangent))
}

fn compose(program: &Program, primal: &Program, linear: &LinearProgram) -> Program {
    let mut builder = Builder::new();
    let inputs: Vec<Var> = program.input_types().map(|ty| builder.input(ty.clone())).collect();
    let directions: Vec<Var> = linear.input_types().map(|ty| builder.input(ty.clone())).collect();
    let mut outputs = builder.inline(primal, &inputs);
    let residuals = outputs.split_off(program.outputs().len());
    let operands: Vec<Var> = residuals.into_iter().chain(directions).collect();
    outputs.extend(builder.inline(&linear.into_program(), &operands));
    simplify(&builder.finish(outputs))
}
