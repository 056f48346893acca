//! What is a derivative of a function? A function: traced code that can be called, differentiated and solved again.
//!
//! | the paper | here |
//! | :-- | :-- |
//! | P(s; r), partial differentiation on an independent graph | [`Function::partial`] |
//! | H(v; u) = Σ⟨v_i, u_i⟩ | [`Function::paired`] |
//! | reverse derivative, `∂H(c; g)/∂x = Jᵀ c` (eq. 10, 11) | [`Function::vjp`], or `paired` then `partial` |
//! | forward derivative `J t` | [`Function::jvp`] |
//! | the fixed-point layer | [`Function::fix`] |
//!
//! ```
//! use banach::{Function, FixedPointConfig};
//! use burn::tensor::{DType, Device, Tensor};
//!
//! // f(x) = Σ x³: its second derivative along t is 6 x t.
//! let double = (&Device::flex(), DType::F64);
//! let x = Tensor::<1>::from_data([1.0, 2.0], double);
//! let cube = Function::of(&x, |x: Tensor<1>| x.powi_scalar(3).sum())?;
//! let along = cube.gradient(0)?.jvp();
//! let t = Tensor::<1>::from_data([1.0, -1.0], double);
//! let found: Tensor<1> = along.call((x, t))?.remove(0).try_into_tensor()?;
//! assert_eq!(found.into_data().iter::<f64>().collect::<Vec<_>>(), [6.0, -12.0]);
//! # Ok::<(), banach::Error>(())
//! ```

use crate::calculus::implicit::Fix;
use crate::calculus::substitution::leaving_out_rows;
use crate::error::Error;
use crate::settings::configuration::FixedPointConfig;
use crate::settings::journal::Journal;
use crate::settings::report::Statistics;
use crate::tracing::flatten::Layout;
use banach_program::{
    Builder, Program, Structure, Tensors, Type, Value, Var, evaluate, jvp, record, simplify, trace, vjp,
};
use burn::tensor::Device;
use std::fmt::{Display, Formatter};
use std::sync::Arc;

/// Traced code as a function of tensors.
///
/// It is called eagerly on plain tensors, on Burn's tape where an input is tracked, and inside another trace, where it
/// becomes part of the traced program. Every derivative of it, and its fixed point, is a function again.
#[derive(Clone, Debug)]
pub struct Function {
    program: Program,
    journal: Arc<Journal>,
}

impl From<Program> for Function {
    fn from(program: Program) -> Self {
        Function { program, journal: Arc::default() }
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.program.fmt(f)
    }
}

impl Function {
    /// The function that a closure computes, for tensors of the shapes and dtypes of these.
    ///
    /// # Errors
    /// [`Error::Program`] for code that cannot be traced.
    pub fn of<I: Tensors, O: Tensors>(inputs: &I, closure: impl FnOnce(I) -> O) -> Result<Self, Error> {
        let mut wrong = None;
        let function = Self::of_values(&inputs.clone().into_values(), |values| {
            match inputs.rebuild(&mut values.into_iter()) {
                Ok(inputs) => closure(inputs).into_values(),
                Err(error) => {
                    wrong = Some(error);
                    vec![]
                }
            }
        })?;
        wrong.map_or(Ok(function), |error| Err(error.into()))
    }

    /// [`of`](Self::of) for tensors whose ranks are known only at run time.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_values(
        inputs: &[Value],
        closure: impl FnOnce(Vec<Value>) -> Vec<Value>,
    ) -> Result<Self, Error> {
        let types: Vec<Type> = inputs.iter().map(Value::ty).collect();
        let device = inputs.first().map_or_else(Device::default, Value::device);
        let traced = || trace(&device, &types, |placeholders| Ok(closure(placeholders.to_vec())));
        // What is part of another trace follows that one.
        let inside = inputs.iter().any(Value::is_placeholder);
        let program = if inside { traced()? } else { leaving_out_rows(traced)? };
        Ok(program.into())
    }

    /// What the fixed point made by [`fix`](Self::fix) and its derivatives did so far, wherever they were called.
    pub fn statistics(&self) -> Statistics {
        self.journal.statistics().clone()
    }

    /// Another program about the same fixed point.
    fn with(&self, program: Program) -> Function {
        Function { program, journal: Arc::clone(&self.journal) }
    }

    /// The lines it consists of.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Its results.
    ///
    /// # Errors
    /// [`Error::Program`] for inputs of another number, shape or dtype, or a fixed point inside that has to converge
    /// and does not.
    pub fn call(&self, inputs: impl Tensors) -> Result<Vec<Value>, Error> {
        self.call_values(inputs.into_values())
    }

    /// [`call`](Self::call) on tensors whose ranks are known only at run time.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_values(&self, inputs: Vec<Value>) -> Result<Vec<Value>, Error> {
        Value::on_one_device(&inputs)?;
        let recorded = inputs.iter().any(Value::is_placeholder);
        Ok(if recorded { record(&self.program, &inputs)? } else { evaluate(&self.program, inputs)? })
    }

    /// Forward mode: inputs, then a tangent for every float input, to the tangents `J t` of the outputs.
    pub fn jvp(&self) -> Function {
        self.jvp_of(&self.floats())
    }

    /// [`jvp`](Self::jvp) with tangents for the inputs at the positions given.
    pub fn jvp_of(&self, inputs: &[usize]) -> Function {
        self.derivatives(&jvp(&self.program, inputs))
    }

    /// Reverse mode: inputs, then a cotangent for every output, to the cotangents `Jᵀ v` of the float inputs.
    pub fn vjp(&self) -> Function {
        self.vjp_of(&self.floats())
    }

    /// [`vjp`](Self::vjp) to the cotangents of the inputs at the positions given.
    pub fn vjp_of(&self, inputs: &[usize]) -> Function {
        self.derivatives(&vjp(&self.program, inputs))
    }

    /// The paper's P(s; r): the derivatives of this function with respect to the inputs at the positions given, each
    /// input varying alone, whatever they are outside.
    ///
    /// # Errors
    /// [`Error::NotScalar`] unless there is one output with one number, or one number per row, whose sum is meant;
    /// [`Error::Setting`] for a position it does not have.
    pub fn partial(&self, inputs: &[usize]) -> Result<Function, Error> {
        let types: Vec<&Type> = self.program.output_types().collect();
        let scalar = |ty: &Type| ty.kind.is_float() && (ty.len() == 1 || ty.len() == ty.shape[0]);
        if types.len() != 1 || !scalar(types[0]) {
            let found: Vec<String> = types.iter().map(ToString::to_string).collect();
            return Err(Error::NotScalar { found: found.join(", ") });
        }
        let count = self.program.inputs().len();
        if let Some(&position) = inputs.iter().find(|position| **position >= count) {
            let found = format!("the position of an input, {position}, of a function of {count}");
            return Err(Error::setting("inputs", found, "positions of its inputs, from 0"));
        }
        let pulled = vjp(&self.program, inputs);
        let mut builder = Builder::new();
        let mut given: Vec<Var> = self.program.input_types().map(|ty| builder.input(ty.clone())).collect();
        given.push(builder.full(types[0].clone(), 1.0));
        let results = builder.inline(&pulled, &given).split_off(1);
        Ok(self.with(simplify(&builder.finish(results))))
    }

    /// The derivative with respect to one input: [`partial`](Self::partial) of one position.
    ///
    /// # Errors
    /// As [`partial`](Self::partial).
    pub fn gradient(&self, input: usize) -> Result<Function, Error> {
        self.partial(&[input])
    }

    /// The paper's H(v; u) = Σ⟨v_i, u_i⟩: inputs, then a v for every output u, to one number.
    pub fn paired(&self) -> Function {
        let mut builder = Builder::new();
        let inputs: Vec<Var> = self.program.input_types().map(|ty| builder.input(ty.clone())).collect();
        let pairs: Vec<Var> = self.program.output_types().map(|ty| builder.input(ty.clone())).collect();
        let outputs = builder.inline(&self.program, &inputs);
        let mut total = None;
        for (v, u) in pairs.into_iter().zip(outputs) {
            let product = builder.multiply(v, u);
            let count = builder.type_of(product).len();
            let flat = builder.structure(Structure::Reshape(vec![count]), product);
            let sum = builder.sum(flat, &[0]);
            total = Some(total.map_or(sum, |total| builder.add(total, sum)));
        }
        let total = total.unwrap_or_else(|| builder.full(Type::f32([1]), 0.0));
        self.with(simplify(&builder.finish(vec![total])))
    }

    /// The second derivative with respect to one input along a direction: inputs, then t, to `∂²f/∂x² t`.
    ///
    /// # Errors
    /// As [`partial`](Self::partial).
    pub fn hessian_product(&self, input: usize) -> Result<Function, Error> {
        Ok(self.gradient(input)?.jvp_of(&[input]))
    }

    /// The fixed point in the first inputs: of `g(x.., z..) -> x..`, the function `(x0.., z..) -> x̂..` with as many
    /// states as there are outputs.
    ///
    /// # Errors
    /// [`Error::State`] where g changes the type of a state, [`Error::Solve`] for settings with no meaning.
    pub fn fix(&self, config: &FixedPointConfig) -> Result<Function, Error> {
        config.validate()?;
        config.validate_in_a_trace()?;
        let states = self.program.outputs().len();
        if self.program.inputs().len() < states {
            let (what, found) = ("inputs of a function to be solved".into(), self.program.inputs().len());
            return Err(banach_program::Error::Count { what, found, expected: states }.into());
        }
        let layout = Layout::of(&self.program, states, config.engine)?;
        let journal = Arc::default();
        let fix = Fix::new(layout.flattened(&self.program), config.clone(), Arc::clone(&journal))
            .leaving_out_rows();
        let mut builder = Builder::new();
        let inputs: Vec<Var> = self.program.input_types().map(|ty| builder.input(ty.clone())).collect();
        let mut operands = builder.inline(&layout.packing(), &inputs[..states]);
        operands.extend(&inputs[states..]);
        let flat = Arc::new(fix).write(&mut builder, &operands);
        let outputs = builder.inline(&layout.unpacking(), &[flat]);
        Ok(Function { program: simplify(&builder.finish(outputs)), journal })
    }

    fn floats(&self) -> Vec<usize> {
        let inputs = self.program.input_types().enumerate();
        inputs.filter(|(_, ty)| ty.kind.is_float()).map(|(position, _)| position).collect()
    }

    /// Without the function's own outputs, which derivatives give first.
    fn derivatives(&self, program: &Program) -> Function {
        let kept: Vec<usize> = (self.program.outputs().len()..program.outputs().len()).collect();
        self.with(simplify(&program.clone().with_outputs(&kept)))
    }
}
