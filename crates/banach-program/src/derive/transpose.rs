//! Transposition: the table of cotangents, fourth of the four tables.
//!
//! Every equation `y = A x` of a linear program becomes `x̄ += Aᵀ ȳ`, in reverse order. The table is total: a
//! program that is linear by type can always be transposed.

use crate::language::custom::CustomOp;
use crate::language::geometry::Span;
use crate::language::linear::{LinearBuilder, LinearEquation, LinearProgram};
use crate::language::primitive::{Bilinear, Index, Linear, Side, Structure};
use crate::language::program::Var;
use crate::language::tensor_type::{Kind, Type};

/// Returns the transposed linear map, from cotangents of the outputs to cotangents of the inputs. Residuals
/// are those of `program`.
pub fn transpose(program: &LinearProgram) -> LinearProgram {
    let mut builder = LinearBuilder::new();
    let mut residuals = vec![Var(usize::MAX); program.types.len()];
    for var in &program.residuals {
        residuals[var.0] = builder.residual(program.types[var.0].clone());
    }
    let mut cotangents: Vec<Option<Var>> = vec![None; program.types.len()];
    for (output, ty) in program.outputs.iter().zip(&program.output_types) {
        let cotangent = builder.input(ty.clone());
        if let Some(var) = output {
            cotangents[var.0] = builder.add(cotangents[var.0], Some(cotangent));
        }
    }
    for equation in program.equations.iter().rev() {
        let Some(cotangent) = cotangents[equation.result.0] else { continue };
        let here: Vec<Var> = equation.residuals.iter().map(|var| residuals[var.0]).collect();
        let types: Vec<&Type> = equation.operands.iter().map(|var| &program.types[var.0]).collect();
        let parts = pull_back(&mut builder, equation, &types, &here, cotangent);
        for (operand, part) in equation.operands.iter().zip(parts) {
            cotangents[operand.0] = builder.add(cotangents[operand.0], Some(part));
        }
    }
    builder.program.outputs = program.inputs.iter().map(|var| cotangents[var.0]).collect();
    builder.program.output_types = program.inputs.iter().map(|var| program.types[var.0].clone()).collect();
    builder.program
}

/// The table of cotangents: the cotangent of each operand, given the cotangent of the result.
fn pull_back(
    b: &mut LinearBuilder,
    equation: &LinearEquation,
    operands: &[&Type],
    residuals: &[Var],
    cotangent: Var,
) -> Vec<Var> {
    match &equation.operation {
        Linear::Add => vec![cotangent, cotangent],
        Linear::Scale(factor) => vec![b.scale(cotangent, *factor)],
        Linear::Cast(_) => match operands[0].kind {
            Kind::Float(dtype) => vec![b.push(Linear::Cast(dtype), &[cotangent], &[])],
            Kind::Int(_) | Kind::Bool => unreachable!("only floats have tangents"),
        },
        Linear::Erase => vec![b.push(Linear::Erase, &[cotangent], residuals)],
        Linear::Structure(structure) => {
            let transposed = transposed_structure(structure, &operands[0].shape);
            vec![b.structure(transposed, cotangent)]
        }
        Linear::Index(index) => {
            let transposed = transposed_index(index, &operands[0].shape);
            vec![b.push(Linear::Index(transposed), &[cotangent], residuals)]
        }
        Linear::Concat(axis) => {
            let mut start = 0;
            let whole = b.type_of(cotangent).shape.clone();
            let part = |ty: &&Type| {
                let size = ty.shape[*axis];
                let spans = Span::along(&whole, *axis, start, size);
                start += size;
                b.structure(Structure::Slice(spans), cotangent)
            };
            operands.iter().map(part).collect()
        }
        Linear::Custom(map) => {
            vec![b.push(Linear::Custom(CustomOp(map.0.transposed())), &[cotangent], residuals)]
        }
        Linear::Partial(form, side) => {
            vec![transposed_partial(b, *form, *side, &operands[0].shape, residuals[0], cotangent)]
        }
    }
}

/// Slice and place, sum and broadcast are each other's transposes; a permutation's is its inverse.
fn transposed_structure(structure: &Structure, operand: &[usize]) -> Structure {
    match structure {
        Structure::Reshape(_) => Structure::Reshape(operand.to_vec()),
        Structure::Permute(axes) => {
            let mut inverse = vec![0; axes.len()];
            for (position, &axis) in axes.iter().enumerate() {
                inverse[axis] = position;
            }
            Structure::Permute(inverse)
        }
        Structure::Broadcast(shape) => {
            let repeated = (0..shape.len()).filter(|&axis| operand[axis] != shape[axis]);
            Structure::Sum(repeated.collect())
        }
        Structure::Sum(_) => Structure::Broadcast(operand.to_vec()),
        Structure::Slice(spans) => Structure::Place(operand.to_vec(), spans.clone()),
        Structure::Place(_, spans) => Structure::Slice(spans.clone()),
        Structure::Flip(axes) => Structure::Flip(axes.clone()),
    }
}

fn transposed_index(index: &Index, operand: &[usize]) -> Index {
    match index {
        Index::Gather(axis) => Index::GatherTransposed(*axis, operand.to_vec()),
        Index::GatherTransposed(axis, _) => Index::Gather(*axis),
        Index::Select(axis) => Index::SelectTransposed(*axis, operand.to_vec()),
        Index::SelectTransposed(axis, _) => Index::Select(*axis),
    }
}

/// The other sides of each bilinear form `b(left, right)`, seen from the result.
fn transposed_partial(
    b: &mut LinearBuilder,
    form: Bilinear,
    side: Side,
    operand: &[usize],
    residual: Var,
    cotangent: Var,
) -> Var {
    let kernel = || [operand[2], operand[3]];
    let (form, side) = match (form, side) {
        (Bilinear::Multiply | Bilinear::AbsorbingProduct, _) => (form, Side::Left),
        (Bilinear::Matmul(turned), side) => transposed_product(turned, side),
        // y = conv(x, w): x̄ = convᵀ(ȳ, w), w̄ = correlate(x, ȳ).
        (Bilinear::Convolution(window), Side::Left) => {
            (Bilinear::ConvolutionInput(window, kernel()), Side::Left)
        }
        (Bilinear::Convolution(window), Side::Right) => {
            (Bilinear::ConvolutionWeight(window, kernel()), Side::Right)
        }
        // x = convᵀ(y, w): ȳ = conv(x̄, w), w̄ = correlate(x̄, y).
        (Bilinear::ConvolutionInput(window, _), Side::Left) => (Bilinear::Convolution(window), Side::Left),
        (Bilinear::ConvolutionInput(window, _), Side::Right) => {
            (Bilinear::ConvolutionWeight(window, kernel()), Side::Left)
        }
        // w = correlate(x, y): x̄ = convᵀ(y, w̄), ȳ = conv(x, w̄).
        (Bilinear::ConvolutionWeight(window, _), Side::Left) => {
            (Bilinear::ConvolutionInput(window, kernel()), Side::Right)
        }
        (Bilinear::ConvolutionWeight(window, _), Side::Right) => (Bilinear::Convolution(window), Side::Right),
    };
    b.push(Linear::Partial(form, side), &[cotangent], &[residual])
}

/// y = a b: ā = ȳ bᵀ and b̄ = aᵀ ȳ; where an operand was turned, its cotangent is turned: (ȳ bᵀ)ᵀ = b ȳᵀ.
fn transposed_product([left, right]: [bool; 2], side: Side) -> (Bilinear, Side) {
    match (side, left, right) {
        (Side::Left, false, other) => (Bilinear::Matmul([false, !other]), Side::Left),
        (Side::Left, true, other) => (Bilinear::Matmul([other, true]), Side::Right),
        (Side::Right, other, false) => (Bilinear::Matmul([!other, false]), Side::Right),
        (Side::Right, other, true) => (Bilinear::Matmul([true, other]), Side::Left),
    }
}
