//! Programs for another number of rows, without a new trace.

use crate::language::builder::Builder;
use crate::language::geometry::Span;
use crate::language::primitive::{Bilinear, Index, Primitive, Structure};
use crate::language::program::{Equation, Program, Var};
use crate::language::tensor_type::{Constant, Literal, Type};
use crate::rewrite::rows::{RowAnalysis, RowAxis, RowPlacement};
use std::collections::HashMap;

/// The same program for another number of rows, where the rows of the inputs at the positions given are
/// independent of one another and nothing else in the program depends on how many they are.
pub fn with_rows(program: &Program, changing: &[usize], rows: usize) -> Option<Program> {
    let RowAnalysis { count, places } = RowAnalysis::new(program, changing)?;
    if count == rows {
        return Some(program.clone());
    }
    let source = program.equations().iter().map(|equation| (equation.result, equation)).collect();
    let mut resized =
        Resized { program, places, rows, source, builder: Builder::new(), here: HashMap::new() };
    if count < 2 {
        return None;
    }
    for &input in program.inputs() {
        let var = resized.builder.input(resized.ty(input));
        resized.here.insert(input, var);
    }
    for equation in program.equations() {
        resized.line(equation)?;
    }
    let outputs = program.outputs().iter().map(|output| resized.here[output]).collect();
    Some(resized.builder.finish(outputs))
}

/// A program while it is written again for another number of rows.
struct Resized<'p> {
    program: &'p Program,
    places: Vec<RowPlacement>,
    rows: usize,
    source: HashMap<Var, &'p Equation>,
    builder: Builder,
    here: HashMap<Var, Var>,
}

impl Resized<'_> {
    fn ty(&self, var: Var) -> Type {
        let mut ty = self.program.type_of(var).clone();
        if let RowPlacement::Rows(RowAxis { axis, each }) = self.places[var.0] {
            ty.shape[axis] = self.rows * each;
        }
        ty
    }

    fn line(&mut self, equation: &Equation) -> Option<()> {
        let result = equation.result;
        let mut operands: Vec<Var> = equation.operands.iter().map(|operand| self.here[operand]).collect();
        if let RowPlacement::Rows(_) = self.places[result.0] {
            let beside = equation.operands.iter().find_map(|operand| match self.places[operand.0] {
                RowPlacement::Rows(along) => Some(along),
                RowPlacement::Fixed | RowPlacement::Mixed => None,
            })?;
            let meeting = meeting(&equation.primitive, self.program.type_of(result).shape.len(), beside.axis);
            for (at, &operand) in equation.operands.iter().enumerate() {
                if meeting && self.places[operand.0] == RowPlacement::Fixed {
                    operands[at] = self.spread(operand, beside.axis, self.rows * beside.each)?;
                }
            }
        }
        let primitive = self.primitive(equation)?;
        let var = self.builder.push(primitive, &operands);
        self.here.insert(result, var);
        Some(())
    }

    /// The primitive for the new number of rows.
    fn primitive(&self, equation: &Equation) -> Option<Primitive> {
        let shape = || self.ty(equation.result).shape;
        let spans = |spans: &[Span], full: Var| {
            let mut spans = spans.to_vec();
            if let RowPlacement::Rows(RowAxis { axis, each }) = self.places[full.0] {
                spans[axis] = Span { start: 0, end: self.rows * each, step: 1 };
            }
            spans
        };
        let structure = |structure: &Structure| match structure {
            Structure::Reshape(_) => Structure::Reshape(shape()),
            Structure::Broadcast(_) => Structure::Broadcast(shape()),
            Structure::Slice(old) => Structure::Slice(spans(old, equation.operands[0])),
            Structure::Place(_, old) => Structure::Place(shape(), spans(old, equation.result)),
            Structure::Permute(_) | Structure::Sum(_) | Structure::Flip(_) => structure.clone(),
        };
        let index = |index: &Index| match index {
            Index::GatherTransposed(axis, _) => Index::GatherTransposed(*axis, shape()),
            Index::SelectTransposed(axis, _) => Index::SelectTransposed(*axis, shape()),
            Index::Gather(_) | Index::Select(_) => index.clone(),
        };
        let primitive = &equation.primitive;
        if let Primitive::Structure(old) = primitive {
            return Some(Primitive::Structure(structure(old)));
        }
        if let Primitive::Index(old) = primitive {
            return Some(Primitive::Index(index(old)));
        }
        // What is defined elsewhere holds programs for its own number of rows.
        (!matches!(primitive, Primitive::Custom(_))).then(|| primitive.clone())
    }

    /// A fixed variable that is the same along an axis, for another size of that axis.
    fn spread(&mut self, var: Var, axis: usize, size: usize) -> Option<Var> {
        let mut ty = self.program.type_of(var).clone();
        if ty.shape[axis] == size {
            return Some(self.here[&var]);
        }
        ty.shape[axis] = size;
        let equation = *self.source.get(&var)?;
        let primitive = &equation.primitive;
        if let Primitive::Constant(Constant { literal: Literal::Full(number), .. }) = primitive {
            return Some(self.builder.full(ty, *number));
        }
        if let Primitive::Structure(Structure::Broadcast(_)) = primitive {
            let operand = equation.operands[0];
            let one = self.program.type_of(operand).shape[axis] == 1;
            return one.then(|| self.builder.structure(Structure::Broadcast(ty.shape), self.here[&operand]));
        }
        if !primitive.is_elementwise() {
            return None;
        }
        let operands: Option<Vec<Var>> =
            equation.operands.iter().map(|&operand| self.spread(operand, axis, size)).collect();
        Some(self.builder.push(primitive.clone(), &operands?))
    }
}

/// Whether operands of this primitive must agree along the axis of the rows.
fn meeting(primitive: &Primitive, rank: usize, axis: usize) -> bool {
    if let Primitive::Bilinear(Bilinear::Matmul(_)) = primitive {
        return axis + 2 < rank;
    }
    let gathered = matches!(primitive, Primitive::Index(Index::Gather(_) | Index::GatherTransposed(..)));
    gathered || matches!(primitive, Primitive::Concat(_)) || primitive.is_elementwise()
}
