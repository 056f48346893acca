//! Products in which zero absorbs: behind a branch, and beside a slope that may be infinite.

use crate::language::linear::LinearProgram;
use crate::language::primitive::{Bilinear, Elementwise, Index, Linear, Primitive, Structure};
use crate::language::program::Program;

/// Returns, for every variable, whether an equation that depends on it selects elements by a mask, a position
/// or a comparison.
///
/// Elements that are not selected may be infinite or NaN although all selected elements are finite.
pub(crate) fn behind_branches(program: &Program) -> Vec<bool> {
    let mut behind = vec![false; program.variables()];
    for equation in program.equations().iter().rev() {
        let inherited = behind[equation.result.0];
        for (position, operand) in equation.operands.iter().enumerate() {
            behind[operand.0] |= inherited || takes_some(&equation.primitive, position);
        }
    }
    behind
}

/// Returns whether an equation may ignore elements of its operand at a position.
fn takes_some(primitive: &Primitive, position: usize) -> bool {
    match primitive {
        Primitive::Elementwise(Elementwise::Choose | Elementwise::Erase) => position > 0,
        Primitive::Index(Index::Gather(_) | Index::Select(_)) => position == 0,
        Primitive::Structure(Structure::Slice(_)) | Primitive::Extreme { .. } => true,
        // A rectifier passes NaN on, and infinity is no finite value cut off.
        Primitive::Elementwise(_)
        | Primitive::Structure(_)
        | Primitive::Index(_)
        | Primitive::Constant(_)
        | Primitive::Bilinear(_)
        | Primitive::Concat(_)
        | Primitive::ArgExtreme { .. }
        | Primitive::MaxPoolIndices(_)
        | Primitive::Custom(_) => false,
    }
}

/// Makes every product absorbing that meets another absorbing product on some path through a linear program.
///
/// A slope that may be infinite gives tangents after it, and cotangents before it, that may be infinite.
/// Products with other slopes on the path must then take 0 · ∞ for 0, as a saturated function of an
/// exponential does in forward mode and a factor of zero under a root in reverse mode.
pub(crate) fn absorb_along_paths(program: &mut LinearProgram) {
    let absorbing = |operation: &Linear| matches!(operation, Linear::Partial(Bilinear::AbsorbingProduct, _));
    let mut after = vec![false; program.types.len()];
    for equation in &program.equations {
        let inherited = equation.operands.iter().any(|operand| after[operand.0]);
        after[equation.result.0] = inherited || absorbing(&equation.operation);
    }
    let mut before = vec![false; program.types.len()];
    for equation in program.equations.iter().rev() {
        let inherited = before[equation.result.0] || absorbing(&equation.operation);
        equation.operands.iter().for_each(|operand| before[operand.0] |= inherited);
    }
    for equation in &mut program.equations {
        if let Linear::Partial(form @ Bilinear::Multiply, _) = &mut equation.operation
            && (before[equation.result.0] || equation.operands.iter().any(|operand| after[operand.0]))
        {
            *form = Bilinear::AbsorbingProduct;
        }
    }
}
