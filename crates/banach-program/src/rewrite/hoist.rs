//! Hoisting: the part of a program that does not depend on the changing inputs moves out of the loop.

use crate::language::builder::Builder;
use crate::language::geometry::Span;
use crate::language::primitive::{Bilinear, Binary, Elementwise, Primitive, Structure};
use crate::language::program::{Equation, Program, Var};
use crate::language::tensor_type::{Constant, Literal};
use crate::rewrite::simplify::simplify;

/// A program split into a prologue and the body of a loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Hoisted {
    /// Runs once: the fixed inputs (in their order) to the values the body needs.
    pub prologue: Program,
    /// Runs every time: the changing inputs (in their order), then the prologue's outputs, to the program's
    /// outputs.
    pub body: Program,
}

/// Splits a program whose inputs at the given positions change from one run to the next.
///
/// A product or convolution of a concatenation of changing and fixed parts is split first, so that
/// `linear(cat([z, x]))` pays for `z` once.
pub fn hoist(program: &Program, changing: &[usize]) -> Hoisted {
    let program = &split_concatenations(program, &varying(program, changing));
    let program = &regrouped(program, &varying(program, changing));
    let varies = varying(program, changing);
    let (mut prologue, mut body) = (Builder::new(), Builder::new());
    let mut once = vec![None; program.variables()];
    let mut again = vec![None; program.variables()];
    for &input in program.inputs().iter().filter(|input| !varies[input.0]) {
        once[input.0] = Some(prologue.input(program.type_of(input).clone()));
    }
    for &position in changing {
        let input = program.inputs()[position];
        again[input.0] = Some(body.input(program.type_of(input).clone()));
    }
    let repeated = repeated(program, &varies);
    let mut carried = vec![];
    // Inputs come first in a program, so what crosses the border is collected before the body is written.
    let in_body = |var: &Var| varies[var.0] || repeated[var.0];
    let readers = program.equations().iter().filter(|equation| in_body(&equation.result));
    let crossing = readers.flat_map(|equation| &equation.operands).chain(program.outputs());
    for &var in crossing.filter(|var| !in_body(var)) {
        if again[var.0].is_none() {
            again[var.0] = Some(body.input(program.type_of(var).clone()));
            carried.push(var);
        }
    }
    for equation in program.equations() {
        let result = equation.result;
        let write = |builder: &mut Builder, here: &mut Vec<Option<Var>>| {
            let operands: Vec<Var> = equation.operands.iter().filter_map(|operand| here[operand.0]).collect();
            here[result.0] = Some(builder.push(equation.primitive.clone(), &operands));
        };
        if in_body(&result) {
            write(&mut body, &mut again);
        }
        if !varies[result.0] {
            write(&mut prologue, &mut once);
        }
    }
    let known = |here: &[Option<Var>], vars: &[Var]| vars.iter().filter_map(|var| here[var.0]).collect();
    let body = simplify(&body.finish(known(&again, program.outputs())));
    // What simplification made superfluous is not carried.
    let (body, read) = without_unread(body, changing.len());
    let carried: Vec<Var> =
        carried.into_iter().zip(read).filter(|(_, read)| *read).map(|(var, _)| var).collect();
    let prologue = prologue.finish(known(&once, &carried));
    Hoisted { prologue: simplify(&prologue), body }
}

/// Fixed lines that cost nothing and would be large to carry: numbers and repetitions the body reads.
fn repeated(program: &Program, varies: &[bool]) -> Vec<bool> {
    let mut wanted = vec![false; program.variables()];
    let mut repeated = vec![false; program.variables()];
    program.outputs().iter().for_each(|output| wanted[output.0] = true);
    for equation in program.equations().iter().rev() {
        let light = matches!(
            &equation.primitive,
            Primitive::Constant(Constant { literal: Literal::Full(_), .. })
                | Primitive::Structure(Structure::Broadcast(_))
        );
        let result = equation.result.0;
        repeated[result] = !varies[result] && light && wanted[result];
        if varies[result] || repeated[result] {
            equation.operands.iter().for_each(|operand| wanted[operand.0] = true);
        }
    }
    repeated
}

/// The program without those inputs from `first` on that nothing reads, and which of them are read.
fn without_unread(mut program: Program, first: usize) -> (Program, Vec<bool>) {
    let mut read = vec![false; program.variables()];
    let operands = program.equations.iter().flat_map(|equation| &equation.operands).chain(&program.outputs);
    operands.for_each(|var| read[var.0] = true);
    let kept: Vec<bool> = program.inputs[first..].iter().map(|var| read[var.0]).collect();
    let mut position = 0;
    program.inputs.retain(|var| {
        position += 1;
        position <= first || read[var.0]
    });
    (program, kept)
}

/// `(v + f₁) + f₂ = v + (f₁ + f₂)` where v changes and f₁, f₂ do not: one sum less in the loop.
///
/// Only sums that hold a product of matrices or a convolution are regrouped, whose order of summation is the
/// engine's anyway. Other sums are rounded as they were written.
fn regrouped(program: &Program, varies: &[bool]) -> Program {
    let mut builder = Builder::new();
    let mut here = vec![Var(usize::MAX); program.variables()];
    for &input in program.inputs() {
        here[input.0] = builder.input(program.type_of(input).clone());
    }
    let holds_product = holding_products(program);
    // For a sum of a changing and a fixed part: where the two stand in the new program.
    let mut parts: Vec<Option<(Var, Var)>> = vec![None; program.variables()];
    for equation in program.equations() {
        let operands: Vec<Var> = equation.operands.iter().map(|operand| here[operand.0]).collect();
        let result = equation.result.0;
        if equation.primitive != Elementwise::Binary(Binary::Add).into() {
            here[result] = builder.push(equation.primitive.clone(), &operands);
            continue;
        }
        let [a, b] = [equation.operands[0].0, equation.operands[1].0];
        let mixed = match (varies[a], varies[b]) {
            (true, false) => Some((a, operands[0], operands[1])),
            (false, true) => Some((b, operands[1], operands[0])),
            (true, true) | (false, false) => None,
        };
        let Some((changing, mut moving, mut fixed)) = mixed else {
            here[result] = builder.add(operands[0], operands[1]);
            continue;
        };
        if let Some((inner, other)) = parts[changing] {
            (moving, fixed) = (inner, builder.add(other, fixed));
        }
        if holds_product[changing] {
            parts[result] = Some((moving, fixed));
        }
        here[result] = builder.add(moving, fixed);
    }
    let outputs = program.outputs().iter().map(|output| here[output.0]).collect();
    builder.finish(outputs)
}

/// Which variables are products of matrices or convolutions, in another shape perhaps, or sums that hold one.
fn holding_products(program: &Program) -> Vec<bool> {
    let mut holds = vec![false; program.variables()];
    for equation in program.equations() {
        let inherits = matches!(
            &equation.primitive,
            Primitive::Structure(_)
                | Primitive::Elementwise(Elementwise::Binary(Binary::Add | Binary::Subtract))
        );
        let product =
            matches!(&equation.primitive, Primitive::Bilinear(_)) && !equation.primitive.is_elementwise();
        holds[equation.result.0] =
            product || (inherits && equation.operands.iter().any(|operand| holds[operand.0]));
    }
    holds
}

/// Which variables depend on the inputs that change.
fn varying(program: &Program, changing: &[usize]) -> Vec<bool> {
    let mut varies = vec![false; program.variables()];
    for &position in changing {
        varies[program.inputs()[position].0] = true;
    }
    for equation in program.equations() {
        varies[equation.result.0] = equation.operands.iter().any(|operand| varies[operand.0]);
    }
    varies
}

/// `[a, b] w = a w₁ + b w₂` where one of a, b changes and the other does not.
fn split_concatenations(program: &Program, varies: &[bool]) -> Program {
    let mut builder = Builder::new();
    let mut here = vec![Var(usize::MAX); program.variables()];
    for &input in program.inputs() {
        here[input.0] = builder.input(program.type_of(input).clone());
    }
    let mut source: Vec<Option<&Equation>> = vec![None; program.variables()];
    for equation in program.equations() {
        source[equation.result.0] = Some(equation);
        let operands: Vec<Var> = equation.operands.iter().map(|operand| here[operand.0]).collect();
        let concatenation = equation.operands.first().and_then(|left| source[left.0]);
        let mixed = concatenation.filter(|concatenation| {
            let changing = concatenation.operands.iter().filter(|part| varies[part.0]).count();
            changing > 0 && changing < concatenation.operands.len()
        });
        let split = mixed.and_then(|concatenation| {
            let Primitive::Concat(axis) = concatenation.primitive else { return None };
            let weight_axis =
                weight_axis(&equation.primitive, axis, builder.type_of(operands[0]).shape.len())?;
            let parts: Vec<Var> = concatenation.operands.iter().map(|part| here[part.0]).collect();
            Some(split(&mut builder, &equation.primitive, &parts, axis, operands[1], weight_axis))
        });
        here[equation.result.0] =
            split.unwrap_or_else(|| builder.push(equation.primitive.clone(), &operands));
    }
    let outputs = program.outputs().iter().map(|output| here[output.0]).collect();
    builder.finish(outputs)
}

/// The axis of the second operand that is summed against the concatenated axis of the first, if it is.
fn weight_axis(primitive: &Primitive, axis: usize, rank: usize) -> Option<usize> {
    let Primitive::Bilinear(form) = primitive else { return None };
    match form {
        Bilinear::Matmul([false, turned]) if axis == rank - 1 => {
            Some(if *turned { rank - 1 } else { rank - 2 })
        }
        Bilinear::Convolution(window) if axis == 1 && window.groups == 1 => Some(1),
        Bilinear::Matmul(_)
        | Bilinear::Multiply
        | Bilinear::AbsorbingProduct
        | Bilinear::Convolution(_)
        | Bilinear::ConvolutionInput(..)
        | Bilinear::ConvolutionWeight(..) => None,
    }
}

fn split(
    builder: &mut Builder,
    primitive: &Primitive,
    parts: &[Var],
    axis: usize,
    weight: Var,
    weight_axis: usize,
) -> Var {
    let mut start = 0;
    let mut sum = None;
    for &part in parts {
        let size = builder.type_of(part).shape[axis];
        let spans = Span::along(&builder.shape(weight), weight_axis, start, size);
        let own = builder.structure(Structure::Slice(spans), weight);
        let product = builder.push(primitive.clone(), &[part, own]);
        sum = Some(sum.map_or(product, |sum| builder.add(sum, product)));
        start += size;
    }
    sum.unwrap_or(weight)
}
