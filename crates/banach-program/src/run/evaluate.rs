//! Evaluation of programs on any Burn device: the table of values, second of the four tables over primitives.

use crate::error::Error;
use crate::language::geometry::Window;
use crate::language::primitive::{Elementwise, Primitive};
use crate::language::program::{Program, Var};
use crate::language::tensor_type::{Constant, Type};
use crate::language::value::Value;
use crate::panics::{catch_silently, list_types, message_of};
use crate::run::schedule::{Operation, Step, schedule};
use burn::tensor::Device;
use std::any::Any;

/// Evaluates a program on the device of its inputs. A value is dropped after its last use.
///
/// # Errors
/// [`Error::Count`] and [`Error::Mismatch`] where the inputs are not what the program was traced for.
pub fn evaluate(program: &Program, inputs: Vec<Value>) -> Result<Vec<Value>, Error> {
    let device = inputs.first().map_or_else(Device::default, Value::device);
    evaluate_on(program, inputs, &device)
}

/// Evaluates a program on the given device, as programs without inputs need.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_on(program: &Program, inputs: Vec<Value>, device: &Device) -> Result<Vec<Value>, Error> {
    check_inputs(program, &inputs)?;
    let steps = schedule(program);
    let last_use = last_uses(program, &steps);
    let mut values: Vec<Option<Value>> = vec![None; program.variables()];
    for (var, value) in program.inputs().iter().zip(inputs) {
        values[var.0] = Some(value);
    }
    for (number, step) in steps.iter().enumerate() {
        let operand = |values: &mut Vec<Option<Value>>, position: usize, var: Var| {
            let again = step.operands[position + 1..].contains(&var);
            let value = if last_use[var.0] == number && !again {
                values[var.0].take()
            } else {
                values[var.0].clone()
            };
            value.unwrap_or_else(|| panic!("bug: {var} has no value at line {}", step.line))
        };
        let operands = step.operands.iter().enumerate();
        let operands: Vec<Value> = operands.map(|(at, &var)| operand(&mut values, at, var)).collect();
        let computed = catch_silently(|| match &step.operation {
            Operation::Line(primitive) => compute(primitive, operands, device),
            Operation::BiasedConvolution(window) => Ok(biased_convolution(window, operands)),
        });
        let computed = computed.unwrap_or_else(|payload| Err(refused(program, step.line, payload.as_ref())));
        values[step.result.0] = Some(computed?);
    }
    let output =
        |var: &Var| values[var.0].clone().unwrap_or_else(|| panic!("bug: output {var} has no value"));
    Ok(program.outputs().iter().map(output).collect())
}

/// Returns the error for an equation at which the device panicked.
fn refused(program: &Program, line: usize, payload: &(dyn Any + Send)) -> Error {
    if let Some(error) = payload.downcast_ref::<Error>() {
        return error.clone();
    }
    let equation = &program.equations()[line];
    let types: Vec<Type> = equation.operands.iter().map(|&var| program.type_of(var).clone()).collect();
    Error::Operands {
        operation: equation.primitive.to_string(),
        position: Some(line),
        found: list_types(&types),
        expected: format!("operands that the device takes ({})", message_of(payload)),
    }
}

pub(crate) fn check_inputs(program: &Program, inputs: &[Value]) -> Result<(), Error> {
    let types: Vec<Type> = program.input_types().cloned().collect();
    check_types(&types, inputs)
}

/// Refuses tensors of other types than those expected.
pub(crate) fn check_types(types: &[Type], inputs: &[Value]) -> Result<(), Error> {
    if types.len() != inputs.len() {
        let (found, expected) = (inputs.len(), types.len());
        return Err(Error::Count { what: "inputs of a program".into(), found, expected });
    }
    for (position, (expected, value)) in types.iter().zip(inputs).enumerate() {
        let found = value.ty();
        if found != *expected {
            let (found, expected) = (found.to_string(), expected.to_string());
            return Err(Error::Mismatch { what: format!("input {position} of a program"), found, expected });
        }
    }
    Ok(())
}

/// Returns the number of the last step that reads each variable; outputs are read after the end.
fn last_uses(program: &Program, steps: &[Step<'_>]) -> Vec<usize> {
    let mut last = vec![0; program.variables()];
    for (number, step) in steps.iter().enumerate() {
        for operand in step.operands.iter() {
            last[operand.0] = number;
        }
    }
    for output in program.outputs() {
        last[output.0] = usize::MAX;
    }
    last
}

/// The table of values: one exhaustive match.
fn compute(primitive: &Primitive, operands: Vec<Value>, device: &Device) -> Result<Value, Error> {
    if let Primitive::Custom(custom) = primitive {
        return custom.0.evaluate(operands);
    }
    let mut operands = operands.into_iter();
    let mut next = || operands.next().unwrap_or_else(|| panic!("bug: {primitive} lacks an operand"));
    Ok(match primitive {
        Primitive::Constant(Constant { ty, literal }) => {
            Value::constant(&Constant { ty: ty.clone(), literal: literal.clone() }, device)
        }
        Primitive::Elementwise(function) => elementwise(*function, next),
        Primitive::Bilinear(form) => next().bilinear(form, next()),
        Primitive::Structure(structure) => next().structure(structure),
        Primitive::Index(index) => {
            let (x, positions) = (next(), next());
            positions.check_positions(index, &x.ty())?;
            x.index(index, positions)
        }
        Primitive::Concat(axis) => Value::concat(operands.collect(), *axis),
        Primitive::Extreme { axis, largest } => next().extreme(*axis, *largest),
        Primitive::ArgExtreme { axis, largest } => next().arg_extreme(*axis, *largest),
        Primitive::MaxPoolIndices(pool) => next().max_pool_indices(pool),
        Primitive::Custom(_) => unreachable!("custom primitives return above"),
    })
}

/// Evaluates `convolution(x, weight) + bias` of the operands x, weight and bias.
fn biased_convolution(window: &Window, operands: Vec<Value>) -> Value {
    let Ok([x, weight, bias]) = <[Value; 3]>::try_from(operands) else {
        panic!("bug: a convolution with a bias has three operands");
    };
    let channels = weight.ty().shape[0];
    x.convolution(window, weight, Some(bias.reshaped(&[channels])))
}

fn elementwise(function: Elementwise, mut next: impl FnMut() -> Value) -> Value {
    match function {
        Elementwise::Unary(function) => next().unary(function),
        Elementwise::Binary(function) => next().binary(function, next()),
        Elementwise::Scale(factor) => next().scale(factor),
        Elementwise::Offset(number) => next().offset(number),
        Elementwise::Power(exponent) => next().power(exponent),
        Elementwise::Detach => next().detach(),
        Elementwise::Compare(comparison) => next().compare(comparison, next()),
        Elementwise::CompareScalar(comparison, number) => next().compare_scalar(comparison, number),
        Elementwise::Logic(logic) => next().logic(logic, next()),
        Elementwise::Not => next().not(),
        Elementwise::Choose => next().choose(next(), next()),
        Elementwise::Erase => next().erase(next()),
        Elementwise::Cast(kind) => next().cast(kind),
    }
}
