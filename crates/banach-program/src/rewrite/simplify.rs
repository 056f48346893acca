//! Simplification: common subexpressions, constant folding and dead-code elimination.
//!
//! Every rule preserves the value of every element, including NaN, infinities, roundings and signs of zeros.
//! So `x + 0`, which turns -0 into 0, `(x + a) + b`, which rounds twice, and `x / 3`, which is not `x (1/3)`,
//! are kept. A product with zero is kept because `0 · NaN` is NaN; derivatives omit structural zeros by
//! construction. One rule is exact up to the sign of a zero: a sum of disjoint parts becomes a concatenation.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a rule speaks of few primitives and leaves the rest as they are"
)]

mod blocks;
mod elementwise;

use crate::language::builder::Builder;
use crate::language::geometry::Span;
use crate::language::primitive::{Bilinear, Elementwise, Primitive, Structure};
use crate::language::program::{Equation, Program, Var};
use crate::language::tensor_type::{Constant, Literal, Type};
use crate::rewrite::folding::folded;
use std::collections::HashMap;
use std::sync::Arc;

/// Returns an equivalent program with fewer equations.
pub fn simplify(program: &Program) -> Program {
    let mut program = live(program);
    for _ in 0..4 {
        let shorter = live(&rewritten(&program));
        let done = shorter.equations().len() == program.equations().len();
        program = shorter;
        if done {
            break;
        }
    }
    program
}

/// Removes the equations on which no output depends. Inputs stay.
fn live(program: &Program) -> Program {
    let mut needed = vec![false; program.variables()];
    for output in program.outputs() {
        needed[output.0] = true;
    }
    for equation in program.equations().iter().rev().filter(|equation| equation.result.0 < usize::MAX) {
        if needed[equation.result.0] {
            for operand in &equation.operands {
                needed[operand.0] = true;
            }
        }
    }
    let mut builder = Builder::new();
    let mut here = vec![Var(usize::MAX); program.variables()];
    for &input in program.inputs() {
        here[input.0] = builder.input(program.type_of(input).clone());
    }
    for equation in program.equations().iter().filter(|equation| needed[equation.result.0]) {
        let operands: Vec<Var> = equation.operands.iter().map(|operand| here[operand.0]).collect();
        here[equation.result.0] = builder.push(equation.primitive.clone(), &operands);
    }
    let outputs = program.outputs().iter().map(|output| here[output.0]).collect();
    builder.finish(outputs)
}

fn rewritten(program: &Program) -> Program {
    let mut uses = vec![0; program.variables()];
    let read = program.equations().iter().flat_map(|equation| &equation.operands).chain(program.outputs());
    read.for_each(|var| uses[var.0] += 1);
    let mut rewriter = Rewriter { builder: Builder::new(), source: HashMap::new(), seen: HashMap::new() };
    let mut here = vec![Var(usize::MAX); program.variables()];
    for &input in program.inputs() {
        here[input.0] = rewriter.builder.input(program.type_of(input).clone());
    }
    let once: HashMap<Var, bool> =
        program.equations().iter().map(|equation| (equation.result, uses[equation.result.0] == 1)).collect();
    for equation in program.equations() {
        let operands: Vec<Var> = equation.operands.iter().map(|operand| here[operand.0]).collect();
        let single = equation.operands.first().is_some_and(|operand| once.get(operand) == Some(&true));
        here[equation.result.0] = rewriter.line(&equation.primitive, &operands, single);
    }
    let outputs = program.outputs().iter().map(|output| here[output.0]).collect();
    rewriter.builder.finish(outputs)
}

struct Rewriter {
    builder: Builder,
    /// The equation that defines each variable.
    source: HashMap<Var, Equation>,
    /// Lines already written.
    seen: HashMap<(String, Vec<Var>), Var>,
}

impl Rewriter {
    /// Writes a line in its simplest form. `single` says that nothing else reads the first operand.
    fn line(&mut self, primitive: &Primitive, operands: &[Var], single: bool) -> Var {
        let folded = self.folded(primitive, operands);
        let known = folded.or_else(|| self.algebra(primitive, operands));
        known
            .or_else(|| self.moved(primitive, operands, single))
            .unwrap_or_else(|| self.push(primitive, operands))
    }

    /// Writes a function of every element.
    fn function(&mut self, function: Elementwise, operands: &[Var]) -> Var {
        self.line(&function.into(), operands, false)
    }

    fn push(&mut self, primitive: &Primitive, operands: &[Var]) -> Var {
        let name = match primitive {
            Primitive::Constant(Constant { ty, literal: Literal::Data(data) }) => {
                format!("data {ty} at {:p}", Arc::as_ptr(data))
            }
            Primitive::Custom(custom) => format!("custom at {:p}", Arc::as_ptr(&custom.0)),
            other => format!("{other:?}"),
        };
        let key = (name, operands.to_vec());
        if let Some(&same) = self.seen.get(&key) {
            return same;
        }
        let result = self.builder.push(primitive.clone(), operands);
        let operands = operands.to_vec();
        self.source.insert(result, Equation { primitive: primitive.clone(), operands, result });
        self.seen.insert(key, result);
        result
    }

    fn full(&mut self, ty: Type, number: f64) -> Var {
        self.push(&Primitive::Constant(Constant { ty, literal: Literal::Full(number) }), &[])
    }

    /// The number a variable holds everywhere, if it is known.
    fn number(&self, var: Var) -> Option<f64> {
        match self.source.get(&var)?.primitive {
            Primitive::Constant(Constant { literal: Literal::Full(number), .. }) => Some(number),
            _ => None,
        }
    }

    fn primitive_of(&self, var: Var) -> Option<(Primitive, Vec<Var>)> {
        self.source.get(&var).map(|equation| (equation.primitive.clone(), equation.operands.clone()))
    }

    fn function_of(&self, var: Var) -> Option<(Elementwise, Vec<Var>)> {
        match self.primitive_of(var)? {
            (Primitive::Elementwise(function), operands) => Some((function, operands)),
            _ => None,
        }
    }

    /// Lines whose operands are known numbers.
    fn folded(&mut self, primitive: &Primitive, operands: &[Var]) -> Option<Var> {
        let numbers: Vec<f64> = operands.iter().map(|&var| self.number(var)).collect::<Option<_>>()?;
        let ty = self.builder.type_of(*operands.first()?).clone();
        let (ty, number) = folded(primitive, ty, &numbers)?;
        Some(self.full(ty, number))
    }

    /// Lines that zero, one or a repetition make superfluous.
    fn algebra(&mut self, primitive: &Primitive, operands: &[Var]) -> Option<Var> {
        let x = *operands.first()?;
        let ty = self.builder.type_of(x).clone();
        let float = ty.kind.is_float();
        match primitive {
            Primitive::Elementwise(function) => self.elementwise(*function, operands, ty),
            Primitive::Bilinear(Bilinear::Multiply) if float => {
                let (number, other) = match (self.number(x), self.number(operands[1])) {
                    (Some(number), _) => (number, operands[1]),
                    (_, Some(number)) => (number, x),
                    _ => return None,
                };
                Some(self.function(Elementwise::Scale(number), &[other]))
            }
            Primitive::Bilinear(Bilinear::AbsorbingProduct) => self.absorbing_product(x, operands[1]),
            Primitive::Concat(_) if operands.len() == 1 => Some(x),
            Primitive::Concat(axis) => self.stacked_product(*axis, operands),
            Primitive::Structure(structure) => self.restructured(structure, x, &ty.shape),
            Primitive::Bilinear(Bilinear::Matmul(turned)) => self.turned_product(*turned, operands),
            _ => None,
        }
    }

    /// Structure that changes nothing, or that undoes what is below it.
    fn restructured(&mut self, structure: &Structure, x: Var, shape: &[usize]) -> Option<Var> {
        let whole = |(span, &size): (&Span, &usize)| *span == Span { start: 0, end: size, step: 1 };
        let nothing = match structure {
            Structure::Reshape(new) | Structure::Broadcast(new) => new == shape,
            Structure::Permute(axes) => axes.iter().enumerate().all(|(position, &axis)| position == axis),
            Structure::Sum(axes) => axes.iter().all(|&axis| shape[axis] == 1),
            Structure::Slice(spans) => spans.iter().zip(shape).all(whole),
            Structure::Place(new, spans) => new == shape && spans.iter().zip(new).all(whole),
            Structure::Flip(axes) => axes.iter().all(|&axis| shape[axis] <= 1),
        };
        if nothing {
            return Some(x);
        }
        let (Primitive::Structure(inner), operands) = self.primitive_of(x)? else { return None };
        let both = match (structure, inner) {
            (Structure::Reshape(new), Structure::Reshape(_)) => Structure::Reshape(new.clone()),
            (Structure::Broadcast(new), Structure::Broadcast(_)) => Structure::Broadcast(new.clone()),
            (Structure::Permute(outer), Structure::Permute(inner)) => {
                Structure::Permute(outer.iter().map(|&axis| inner[axis]).collect())
            }
            _ => return None,
        };
        Some(self.line(&Primitive::Structure(both), &operands, false))
    }

    /// A product reads a turned operand as it lies.
    fn turned_product(&mut self, turned: [bool; 2], operands: &[Var]) -> Option<Var> {
        let mut turned = turned;
        let mut straight = [operands[0], operands[1]];
        for (turn, operand) in turned.iter_mut().zip(&mut straight) {
            if let Some((Primitive::Structure(Structure::Permute(axes)), inner)) = self.primitive_of(*operand)
                && turns_last_two(&axes)
            {
                (*turn, *operand) = (!*turn, inner[0]);
            }
        }
        if straight == operands {
            return None;
        }
        Some(self.line(&Primitive::Bilinear(Bilinear::Matmul(turned)), &straight, false))
    }

    /// Columns of a product that nothing else reads: the product with those columns only.
    fn moved(&mut self, primitive: &Primitive, operands: &[Var], single: bool) -> Option<Var> {
        let Primitive::Structure(Structure::Slice(spans)) = primitive else { return None };
        let (Primitive::Bilinear(Bilinear::Matmul([left, right])), factors) =
            self.primitive_of(operands[0])?
        else {
            return None;
        };
        let shape = self.builder.shape(operands[0]);
        let rank = shape.len();
        let rows = Span { start: 0, end: shape[0], step: 1 };
        if !single || rank != 2 || spans[0] != rows {
            return None;
        }
        let mut columns = vec![Span { start: 0, end: self.builder.shape(factors[1])[0], step: 1 }; 2];
        columns[1] = Span { start: 0, end: self.builder.shape(factors[1])[1], step: 1 };
        columns[usize::from(!right)] = spans[1];
        let own = self.line(&Primitive::Structure(Structure::Slice(columns)), &[factors[1]], false);
        Some(self.push(&Primitive::Bilinear(Bilinear::Matmul([left, right])), &[factors[0], own]))
    }
}

fn turns_last_two(axes: &[usize]) -> bool {
    let rank = axes.len();
    rank >= 2
        && axes[rank - 2..] == [rank - 1, rank - 2]
        && axes[..rank - 2].iter().enumerate().all(|(position, &axis)| position == axis)
}
