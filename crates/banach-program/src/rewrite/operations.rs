//! Counts of floating-point operations, from shapes alone.

use crate::language::geometry::Pool;
use crate::language::primitive::{Bilinear, Elementwise, Index, Primitive, Structure};
use crate::language::program::{Equation, Program, Var};

/// Counts the floating-point operations of a program: the sum of [`operations_of`] over its equations.
pub fn operations(program: &Program) -> u64 {
    program.equations().iter().map(|equation| operations_of(program, equation)).sum()
}

/// Counts the floating-point operations of one equation of a program.
///
/// | equation | operations |
/// | :-- | :-- |
/// | product of `[m, k]` and `[k, n]` | `2 m k n` for each product of the batch |
/// | convolution, and its gradients of input and weight | 2 for each output of the forward convolution, tap and input channel of a group |
/// | sum, extreme, adding to given positions | 1 for each element read |
/// | largest element of windows | 1 for each element of each window |
/// | constant, structure, moving elements, detaching, integers and masks among themselves | 0 |
/// | any other, expensive functions included | 1 for each element of the result |
/// | custom primitive | 0, since its cost is unknown here |
pub fn operations_of(program: &Program, equation: &Equation) -> u64 {
    let shape = |var: Var| program.type_of(var).shape.as_slice();
    let read = |operand: usize| elements(shape(equation.operands[operand]));
    let written = elements(shape(equation.result));
    let mut touched = equation.operands.iter().chain([&equation.result]);
    if !touched.any(|&var| program.type_of(var).kind.is_float()) {
        return 0;
    }
    match &equation.primitive {
        Primitive::Bilinear(form) => {
            let [left, right] = [equation.operands[0], equation.operands[1]].map(shape);
            bilinear(form, left, right, shape(equation.result))
        }
        Primitive::Structure(Structure::Sum(_))
        | Primitive::Index(Index::GatherTransposed(..) | Index::SelectTransposed(..))
        | Primitive::Extreme { .. }
        | Primitive::ArgExtreme { .. } => read(0),
        Primitive::MaxPoolIndices(Pool { kernel, .. }) => written * elements(kernel),
        Primitive::Constant(_)
        | Primitive::Elementwise(Elementwise::Detach)
        | Primitive::Structure(_)
        | Primitive::Index(Index::Gather(_) | Index::Select(_))
        | Primitive::Concat(_)
        | Primitive::Custom(_) => 0,
        Primitive::Elementwise(_) => written,
    }
}

fn bilinear(form: &Bilinear, left: &[usize], right: &[usize], result: &[usize]) -> u64 {
    match form {
        Bilinear::Multiply | Bilinear::AbsorbingProduct => elements(result),
        Bilinear::Matmul([turned, _]) => {
            let summed = left[left.len() - if *turned { 2 } else { 1 }];
            2 * elements(result) * summed as u64
        }
        Bilinear::Convolution(_) => convolution(result, right),
        Bilinear::ConvolutionInput(..) => convolution(left, right),
        Bilinear::ConvolutionWeight(..) => convolution(right, result),
    }
}

/// Of the three tensors of a convolution, the outputs and the weight `[out, in of a group, height, width]`
/// say it all.
fn convolution(outputs: &[usize], weight: &[usize]) -> u64 {
    2 * elements(outputs) * elements(&weight[1..])
}

fn elements(shape: &[usize]) -> u64 {
    shape.iter().map(|&size| size as u64).product()
}
