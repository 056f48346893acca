//! Custom primitives on Burn's tape, by the pullback of the program that applies them.

use crate::error::Error;
use banach::program::{Builder, Custom, CustomOp, Primitive, Program, Type, Value, evaluate, simplify, vjp};
use burn::tensor::Tensor;
use std::sync::Arc;

/// The program that applies a primitive to operands of these types.
pub(crate) fn program(primitive: &Arc<dyn Custom>, types: &[Type]) -> Program {
    let mut builder = Builder::new();
    let operands: Vec<_> = types.iter().map(|ty| builder.input(ty.clone())).collect();
    let result = builder.push(Primitive::Custom(CustomOp(Arc::clone(primitive))), &operands);
    builder.finish(vec![result])
}

/// Attaches the result of a primitive to the tape, if one of its operands is on it.
pub(crate) fn attached(
    primitive: &Arc<dyn Custom>,
    result: Value,
    operands: Vec<Value>,
) -> Result<Value, Error> {
    if !operands.iter().any(|operand| operand.device().is_autodiff()) {
        return Ok(result);
    }
    let types: Vec<Type> = operands.iter().map(Value::ty).collect();
    let program = program(primitive, &types);
    let shape = result.ty().shape;
    let rows = shape.first().copied().unwrap_or(1);
    let flat: Tensor<2> = result.reshaped(&[rows, shape.iter().skip(1).product()]).try_into_tensor()?;
    let plain: Vec<Value> = operands.iter().cloned().map(Value::detached).collect();
    let of_result = shape.clone();
    let attached = banach::attach(flat, operands, move |v, positions| {
        let pulled = vjp(&program, positions);
        let gradients: Vec<usize> = (1..pulled.outputs().len()).collect();
        let pulled = simplify(&pulled.with_outputs(&gradients));
        let inputs = plain.iter().cloned().chain([Value::from(v).reshaped(&of_result)]).collect();
        Ok(evaluate(&pulled, inputs)?)
    })?;
    Ok(Value::from(attached).reshaped(&shape))
}
