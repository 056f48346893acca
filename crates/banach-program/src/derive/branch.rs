//! Values behind a branch: those of which a later line takes some elements and leaves others.

use crate::language::primitive::{Index, Primitive, Structure};
use crate::language::program::Program;

/// For every variable, whether a line that depends on it takes elements by a mask, a position or a comparison.
///
/// The elements that are not taken may be infinite or NaN though everything that was taken is finite.
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

/// Whether a line may leave elements of its operand at a position untaken.
fn takes_some(primitive: &Primitive, position: usize) -> bool {
    match primitive {
        Primitive::Choose | Primitive::Erase => position > 0,
        Primitive::Index(Index::Gather(_) | Index::Select(_)) => position == 0,
        Primitive::Structure(Structure::Slice(_)) | Primitive::Extreme { .. } => true,
        // A rectifier passes NaN on, and infinity is no finite value cut off.
        Primitive::Unary(_)
        | Primitive::Structure(_)
        | Primitive::Index(_)
        | Primitive::Constant(_)
        | Primitive::Binary(_)
        | Primitive::Bilinear(_)
        | Primitive::Scale(_)
        | Primitive::Offset(_)
        | Primitive::Power(_)
        | Primitive::Compare(_)
        | Primitive::CompareScalar(..)
        | Primitive::Logic(_)
        | Primitive::Not
        | Primitive::Cast(_)
        | Primitive::Concat(_)
        | Primitive::ArgExtreme { .. }
        | Primitive::MaxPoolIndices(_)
        | Primitive::Custom(_) => false,
    }
}
