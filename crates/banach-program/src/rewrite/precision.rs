//! Programs in another floating-point precision.

use crate::error::Error;
use crate::language::builder::Builder;
use crate::language::primitive::{Elementwise, Primitive};
use crate::language::program::{Program, Var};
use crate::language::tensor_type::{Constant, Kind, Literal, Type};
use burn::tensor::{DType, FloatDType};
use std::sync::Arc;

/// Returns the program with all floats in the given precision: inputs, constants and casts to floats.
///
/// Casts between precisions are removed. Constants are rounded, and constants too large for the precision
/// become infinite.
///
/// ```
/// use banach_program::{Type, in_precision, trace};
/// use burn::tensor::{Device, FloatDType, Tensor};
///
/// let program = trace(&Device::flex(), &[Type::f64([2, 3])], |inputs| {
///     let x: Tensor<2> = inputs[0].clone().try_into_tensor()?;
///     Ok(vec![x.tanh().into()])
/// })?;
/// let single = in_precision(&program, FloatDType::F32)?;
/// assert_eq!(single.output_types().next(), Some(&Type::f32([2, 3])));
/// # Ok::<(), banach_program::Error>(())
/// ```
///
/// # Errors
/// [`Error::Precision`] for a program with a custom primitive.
pub fn in_precision(program: &Program, precision: FloatDType) -> Result<Program, Error> {
    let ty = |ty: &Type| Type::new(ty.shape.clone(), ty.kind.in_precision(precision));
    let mut builder = Builder::new();
    let mut here = vec![Var(usize::MAX); program.variables()];
    for &input in program.inputs() {
        here[input.0] = builder.input(ty(program.type_of(input)));
    }
    for equation in program.equations() {
        let operands: Vec<Var> = equation.operands.iter().map(|operand| here[operand.0]).collect();
        let primitive = &equation.primitive;
        here[equation.result.0] = if let Primitive::Custom(custom) = primitive {
            let expected = Kind::Float(precision).to_string();
            return Err(Error::Precision { primitive: custom.0.name(), expected });
        } else if let Primitive::Elementwise(Elementwise::Cast(kind)) = primitive {
            builder.cast(operands[0], kind.in_precision(precision))
        } else if let Primitive::Constant(Constant { ty: old, literal }) = primitive {
            let literal = rounded(literal, old.kind, precision);
            builder.push(Primitive::Constant(Constant { ty: ty(old), literal }), &[])
        } else {
            builder.push(primitive.clone(), &operands)
        };
    }
    let outputs = program.outputs().iter().map(|output| here[output.0]).collect();
    Ok(builder.finish(outputs))
}

/// The numbers of a constant of this kind.
fn rounded(literal: &Literal, kind: Kind, precision: FloatDType) -> Literal {
    match literal {
        Literal::Data(data) if kind.is_float() => {
            Literal::Data(Arc::new(data.as_ref().clone().convert_dtype(DType::from(precision))))
        }
        Literal::Data(_) | Literal::Full(_) => literal.clone(),
    }
}
