//! Lowering of recorded Burn operations to primitives. Only this folder names Burn's graph representation.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "Burn's vocabulary is large: each file takes its part and hands the rest on, the last refuses it"
)]

mod attention;
mod convolution;
mod elementwise;
mod network;
mod pooling;
mod reduction;
mod resample;
mod structure;

use crate::error::Error;
use crate::language::builder::Builder;
use crate::language::primitive::{Elementwise, Logic, Primitive};
use crate::language::program::{Program, Var};
use crate::language::tensor_type::{Constant, Kind, Literal, Type};
use crate::panics::{catch_silently, has_mixed_floats, list_types, message_of};
use burn::backend::ir::{
    BoolOperationIr, GraphIr, IntOperationIr, OperationIr, ScalarIr, TensorId, TensorIr,
};
use burn::tensor::{FloatDType, TensorData};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

type Lowered<T = ()> = Result<T, Error>;

/// A program call inside a trace, which lowering inlines.
#[derive(Debug)]
pub(crate) struct RecordedCall {
    pub(crate) program: Program,
    pub(crate) inputs: Vec<TensorId>,
    pub(crate) outputs: Vec<TensorId>,
}

/// Lowers a recorded graph to a program with the given input tensors.
pub(crate) fn lower(
    graph: &GraphIr,
    values: BTreeMap<TensorId, TensorData>,
    inputs: &[(TensorId, Type)],
    outputs: &[TensorId],
    calls: Vec<RecordedCall>,
) -> Lowered<Program> {
    let mut lowering =
        Lowering { builder: Builder::new(), known: HashMap::new(), values, position: 0, calls };
    for (id, ty) in inputs {
        let var = lowering.builder.input(ty.clone());
        lowering.known.insert(*id, var);
    }
    for operation in &graph.operations {
        lowering.checked(operation)?;
        lowering.position += 1;
    }
    let outputs = outputs.iter().map(|id| lowering.find(*id)).collect::<Lowered<Vec<Var>>>()?;
    Ok(lowering.builder.finish(outputs))
}

/// The state of lowering: the program so far and the variable of each recorded tensor.
pub(crate) struct Lowering {
    builder: Builder,
    known: HashMap<TensorId, Var>,
    values: BTreeMap<TensorId, TensorData>,
    position: usize,
    calls: Vec<RecordedCall>,
}

impl Lowering {
    /// Lowers an operation; operands that do not fit it are an error that names it.
    fn checked(&mut self, operation: &OperationIr) -> Lowered {
        let types = || -> Vec<Type> { operation.inputs().map(type_of).collect() };
        let misfit = |found: String, expected: String| Error::Operands {
            operation: name_of(operation),
            position: Some(self.position),
            found,
            expected,
        };
        if has_mixed_floats(&types()) {
            return Err(misfit(list_types(&types()), "floats of one dtype: cast some of them".into()));
        }
        let position = self.position;
        catch_silently(|| self.operation(operation)).unwrap_or_else(|payload| {
            if let Some(error) = payload.downcast_ref::<Error>() {
                return Err(error.clone());
            }
            let reason = message_of(payload.as_ref());
            let (operation, found) = (name_of(operation), list_types(&types()));
            let expected = format!("operands that fit ({reason})");
            Err(Error::Operands { operation, position: Some(position), found, expected })
        })
    }

    fn operation(&mut self, operation: &OperationIr) -> Lowered {
        match operation {
            OperationIr::Init(_) | OperationIr::Drop(_) => Ok(()),
            OperationIr::BaseFloat(op) | OperationIr::BaseInt(op) | OperationIr::BaseBool(op) => {
                self.structural(op)
            }
            OperationIr::NumericFloat(_, op) | OperationIr::NumericInt(_, op) => self.numeric(op),
            OperationIr::Float(_, op) => self.float(op),
            OperationIr::Activation(op) => self.activation(op),
            OperationIr::Module(op) => self.network(op),
            OperationIr::Bool(op) => self.boolean(op),
            OperationIr::Int(IntOperationIr::IntoFloat(op)) => self.cast(&op.input, &op.out),
            OperationIr::Int(op) => self
                .unsupported(op, "products and bits of integers have no place in an update: use `.float()`"),
            OperationIr::Custom(op) => {
                self.unsupported(&op.id, "write the custom kernel's mathematics in tensor operations")
            }
            OperationIr::Distributed(op) => self.unsupported(op, "reduce over devices outside the update"),
        }
    }

    fn boolean(&mut self, op: &BoolOperationIr) -> Lowered {
        let (op, logic) = match op {
            BoolOperationIr::IntoFloat(op) | BoolOperationIr::IntoInt(op) => {
                return self.cast(&op.input, &op.out);
            }
            BoolOperationIr::Not(op) => {
                let x = self.operand(&op.input)?;
                let result = self.builder.push(Elementwise::Not, &[x]);
                return self.define(&op.out, result);
            }
            BoolOperationIr::And(op) => (op, Logic::And),
            BoolOperationIr::Or(op) => (op, Logic::Or),
            BoolOperationIr::Xor(op) => (op, Logic::Xor),
        };
        let (a, b) = self.pair(&op.lhs, &op.rhs, &op.out)?;
        let result = self.builder.push(Elementwise::Logic(logic), &[a, b]);
        self.define(&op.out, result)
    }

    fn cast(&mut self, input: &TensorIr, out: &TensorIr) -> Lowered {
        let x = self.operand(input)?;
        let result = self.builder.cast(x, Kind::from(out.dtype));
        self.define(out, result)
    }

    /// The variable of a recorded tensor.
    fn operand(&mut self, tensor: &TensorIr) -> Lowered<Var> {
        self.find(tensor.id)
    }

    fn find(&mut self, id: TensorId) -> Lowered<Var> {
        if let Some(&var) = self.known.get(&id) {
            return Ok(var);
        }
        let data = self.values.remove(&id).ok_or_else(|| Error::Trace {
            found: format!("{id} was never recorded; a tensor from outside the traced code was used"),
        })?;
        let ty = Type::new(data.shape().to_vec(), Kind::from(data.dtype()));
        let literal = Literal::Data(Arc::new(data));
        let var = self.builder.push(Primitive::Constant(Constant { ty, literal }), &[]);
        self.known.insert(id, var);
        Ok(var)
    }

    /// Two operands at the shape of the result.
    fn pair(&mut self, lhs: &TensorIr, rhs: &TensorIr, out: &TensorIr) -> Lowered<(Var, Var)> {
        let (a, b) = (self.operand(lhs)?, self.operand(rhs)?);
        let shape = out.shape.to_vec();
        Ok((self.builder.broadcast(a, &shape), self.builder.broadcast(b, &shape)))
    }

    /// Records which variable a recorded result is.
    fn define(&mut self, out: &TensorIr, var: Var) -> Lowered {
        if self.known.contains_key(&out.id) {
            return Ok(()); // A declared input: its recorded creation is only a placeholder.
        }
        if let Some(call) = self.calls.iter().position(|call| call.outputs.contains(&out.id)) {
            return self.called(call);
        }
        let expected = type_of(out);
        let found = self.builder.type_of(var);
        if *found != expected {
            return Err(Error::Mismatch {
                what: format!("lowering operation {}", self.position),
                found: found.to_string(),
                expected: expected.to_string(),
            });
        }
        self.known.insert(out.id, var);
        Ok(())
    }

    /// A program called inside the trace: its lines, where its first placeholder was recorded.
    fn called(&mut self, call: usize) -> Lowered {
        let call = self.calls.swap_remove(call);
        let inputs = call.inputs.iter().map(|&id| self.find(id)).collect::<Lowered<Vec<Var>>>()?;
        let results = self.builder.inline(&call.program, &inputs);
        self.known.extend(call.outputs.into_iter().zip(results));
        Ok(())
    }

    /// A tensor of one number, of the recorded tensor's type.
    fn full(&mut self, like: &TensorIr, number: f64) -> Var {
        self.builder.full(type_of(like), number)
    }

    /// Known numbers as a constant.
    pub(super) fn data(&mut self, numbers: Vec<f64>, shape: &[usize], kind: Kind) -> Var {
        let data = TensorData::new(numbers, shape.to_vec());
        let ty = Type::new(shape, Kind::Float(FloatDType::F64));
        let constant = Constant { ty, literal: Literal::Data(Arc::new(data)) };
        let constant = match kind {
            Kind::Float(FloatDType::F64) | Kind::Int(_) | Kind::Bool => constant,
            Kind::Float(FloatDType::F32) => rounded(constant),
            Kind::Float(FloatDType::Flex32 | FloatDType::F16 | FloatDType::BF16) => constant,
        };
        let var = self.builder.push(Primitive::Constant(constant), &[]);
        self.builder.cast(var, kind)
    }

    fn unsupported<T>(&self, operation: &impl std::fmt::Debug, hint: &str) -> Lowered<T> {
        let operation = first_word(operation);
        Err(Error::Unsupported { operation, position: self.position, hint: hint.into() })
    }
}

/// The name of a variant.
fn first_word(operation: &impl std::fmt::Debug) -> String {
    let text = format!("{operation:?}");
    text.split(['(', '{', ' ']).next().unwrap_or_default().trim_matches('"').to_owned()
}

/// Burn's name for an operation.
fn name_of(operation: &OperationIr) -> String {
    match operation {
        OperationIr::BaseFloat(op) | OperationIr::BaseInt(op) | OperationIr::BaseBool(op) => first_word(op),
        OperationIr::NumericFloat(_, op) | OperationIr::NumericInt(_, op) => first_word(op),
        OperationIr::Float(_, op) => first_word(op),
        OperationIr::Activation(op) => first_word(op),
        OperationIr::Module(op) => first_word(op),
        OperationIr::Bool(op) => first_word(op),
        OperationIr::Int(op) => first_word(op),
        OperationIr::Custom(op) => op.id.clone(),
        OperationIr::Distributed(op) => first_word(op),
        OperationIr::Init(_) => "Init".into(),
        OperationIr::Drop(_) => "Drop".into(),
    }
}

/// The type of a recorded tensor.
pub(crate) fn type_of(tensor: &TensorIr) -> Type {
    Type::new(tensor.shape.to_vec(), Kind::from(tensor.dtype))
}

fn number(scalar: ScalarIr) -> f64 {
    match scalar {
        ScalarIr::Float(x) => x,
        ScalarIr::Int(x) => x as f64,
        ScalarIr::UInt(x) => x as f64,
        ScalarIr::Bool(x) => f64::from(u8::from(x)),
    }
}

fn rounded(constant: Constant) -> Constant {
    let Literal::Data(data) = &constant.literal else { return constant };
    let data = TensorData::clone(data).convert::<f32>();
    Constant { ty: Type::f32(constant.ty.shape), literal: Literal::Data(Arc::new(data)) }
}
