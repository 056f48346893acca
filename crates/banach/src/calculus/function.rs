//! Functions: traced code that can be called, differentiated and solved.
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
//! let found: Tensor<1> = along.call((x, t))?;
//! assert_eq!(found.into_data().iter::<f64>().collect::<Vec<_>>(), [6.0, -12.0]);
//! # Ok::<(), banach::Error>(())
//! ```

use crate::calculus::implicit::FixedPointOp;
use crate::calculus::substitution::leaving_out_rows;
use crate::error::Error;
use crate::settings::configuration::{Engine, FixedPointConfig};
use crate::settings::journal::Journal;
use crate::settings::report::Statistics;
use crate::settings::trial::record_error;
use crate::tracing::compare::Comparison;
use crate::tracing::layout::Layout;
use crate::tracing::parameters::Parameters;
use crate::tracing::traced::{compare_module, trace_code, trace_module};
use banach_program::{
    Builder, Outputs, Program, Structure, Tensors, Type, Value, Var, evaluate, jvp, record, simplify, vjp,
};
use burn::module::Module;
use burn::tensor::Device;
use std::cell::RefCell;
use std::fmt::{Display, Formatter};
use std::sync::Arc;

/// Traced code as a function of tensors.
///
/// A function can be called on plain tensors, on Burn's tape and inside another trace, where it becomes part of the traced
/// program. Its derivatives and its fixed point are functions again.
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
    /// Traces a closure for tensors of these shapes and dtypes.
    ///
    /// The trace is compared with Burn once, at these tensors: the closure also runs on Burn's tape. See
    /// [`of_module`](Self::of_module) for a function of a module, with its parameters as inputs.
    ///
    /// # Errors
    /// [`Error::Program`] for code that cannot be traced, [`Error::Untraced`] for code that its trace does not reproduce,
    /// [`Error::Setting`] for inputs with plain numbers.
    pub fn of<I: Tensors, O: Tensors>(inputs: &I, mut closure: impl FnMut(I) -> O) -> Result<Self, Error> {
        refuse_numbers(inputs)?;
        Self::traced(&inputs.clone().into_values(), |values| {
            Ok(closure(inputs.rebuild(&mut values.into_iter())?).into_values())
        })
    }

    /// Traces a closure of a module as the function `(inputs.., θ..) -> outputs` of the module's parameters θ, and returns it
    /// with their values. The trace is compared with Burn as in [`of`](Self::of).
    ///
    /// ```
    /// use banach::Function;
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor};
    ///
    /// // A gradient penalty: the mean of ‖∂f/∂z‖², whose own gradient trains the critic.
    /// let device = Device::flex().autodiff();
    /// let critic: Linear = LinearConfig::new(3, 1).init(&device);
    /// let z = Tensor::<2>::ones([4, 3], &device);
    /// let (f, parameters) = Function::of_module(&critic, &z, |critic, z| critic.forward(z))?;
    /// let slope: Tensor<2> = f.gradient(0)?.call((z, parameters))?;
    /// let gradients = slope.square().sum_dim(1).mean().backward();
    /// assert!(critic.weight.grad(&gradients).is_some());
    /// # Ok::<(), banach::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`of`](Self::of); [`Error::NoFunction`] for a random layer in training mode.
    pub fn of_module<M: Module, I: Tensors, O: Tensors>(
        module: &M,
        inputs: &I,
        closure: impl Fn(&M, I) -> O,
    ) -> Result<(Self, Vec<Value>), Error> {
        refuse_numbers(inputs)?;
        let parameters = Parameters::of(module);
        parameters.validate()?;
        let values = [inputs.clone().into_values(), parameters.values.clone()].concat();
        Value::on_one_device(&values)?;
        let types: Vec<Type> = values.iter().map(Value::ty).collect();
        let code = |module: &M, inputs, ()| closure(module, inputs).into_values();
        let device = values.first().map_or_else(Device::default, Value::device);
        let program = trace_module(module, (inputs, &()), &parameters, (&device, &types), code)?;
        if !values.iter().any(Value::is_placeholder) {
            let training = values.iter().any(|value| value.device().is_autodiff());
            let point = values.into_iter().map(Value::detached).collect();
            compare_module(
                "function",
                (module, &parameters),
                &program,
                (inputs, &()),
                (point, training),
                &code,
            )?;
        }
        Ok((program.into(), parameters.values))
    }

    /// Traces a closure as [`of`](Self::of) does, for tensors whose ranks are known only at run time.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_values(
        inputs: &[Value],
        mut closure: impl FnMut(Vec<Value>) -> Vec<Value>,
    ) -> Result<Self, Error> {
        Self::traced(inputs, |values| Ok(closure(values)))
    }

    fn traced(
        inputs: &[Value],
        mut closure: impl FnMut(Vec<Value>) -> Result<Vec<Value>, banach_program::Error>,
    ) -> Result<Self, Error> {
        let function = Self::recorded(inputs, &mut closure)?;
        if !inputs.iter().any(Value::is_placeholder) {
            let names = (0..inputs.len()).map(|at| format!("input {at}")).collect();
            let tracked = (0..inputs.len()).filter(|&at| inputs[at].ty().kind.is_float()).collect();
            let point = inputs.iter().cloned().map(Value::detached).collect();
            let (program, tracked, random) = (&function.program, Some(tracked), None);
            let comparison = Comparison { subject: "function", program, point, names, tracked, random };
            let closure = RefCell::new(closure);
            comparison.check(&|values| closure.borrow_mut()(values.to_vec())).inspect_err(record_error)?;
        }
        Ok(function)
    }

    /// Traces a closure without a comparison with Burn.
    pub(crate) fn recorded(
        inputs: &[Value],
        closure: impl FnOnce(Vec<Value>) -> Result<Vec<Value>, banach_program::Error>,
    ) -> Result<Self, Error> {
        let types: Vec<Type> = inputs.iter().map(Value::ty).collect();
        let device = inputs.first().map_or_else(Device::default, Value::device);
        let traced = || trace_code(&device, &types, |placeholders| closure(placeholders.to_vec()));
        // Inside another trace, that trace decides about the rows that are left out.
        let inside = inputs.iter().any(Value::is_placeholder);
        let program = if inside { traced()? } else { leaving_out_rows(traced)? };
        Ok(program.into())
    }

    /// Returns the counts of the fixed point created by [`fix`](Self::fix) and of its derivatives, over all their calls.
    pub fn statistics(&self) -> Statistics {
        self.journal.statistics().clone()
    }

    /// Returns another function that shares the counts.
    fn with(&self, program: Program) -> Function {
        Function { program, journal: Arc::clone(&self.journal) }
    }

    /// Returns the traced program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Calls the function for the tensors it returns: `let (x, y): (Tensor<2>, Tensor<1>) = function.call(z)?;`.
    ///
    /// # Errors
    /// [`Error::Program`] for inputs or results of another number, shape or dtype, or a fixed point inside that has to
    /// converge and does not; [`Error::Setting`] for inputs with plain numbers.
    pub fn call<O: Outputs>(&self, inputs: impl Tensors) -> Result<O, Error> {
        refuse_numbers(&inputs)?;
        Ok(O::from_values(self.call_values(inputs.into_values())?)?)
    }

    /// Calls the function as [`call`](Self::call) does, on tensors whose number and ranks are known only at run time.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_values(&self, inputs: Vec<Value>) -> Result<Vec<Value>, Error> {
        Value::on_one_device(&inputs)?;
        let recorded = inputs.iter().any(Value::is_placeholder);
        Ok(if recorded { record(&self.program, &inputs)? } else { evaluate(&self.program, inputs)? })
    }

    /// Returns the forward derivative: from the inputs and a tangent for every float input to the tangents `J t` of the
    /// outputs.
    pub fn jvp(&self) -> Function {
        self.jvp_of(&self.float_inputs())
    }

    /// Returns the forward derivative, [`jvp`](Self::jvp), with tangents for the inputs at these positions.
    pub fn jvp_of(&self, inputs: &[usize]) -> Function {
        self.derivatives(&jvp(&self.program, inputs))
    }

    /// Returns the reverse derivative: from the inputs and a cotangent for every output to the cotangents `Jᵀ v` of the float
    /// inputs.
    pub fn vjp(&self) -> Function {
        self.vjp_of(&self.float_inputs())
    }

    /// Returns the reverse derivative, [`vjp`](Self::vjp), with the cotangents of the inputs at these positions.
    pub fn vjp_of(&self, inputs: &[usize]) -> Function {
        self.derivatives(&vjp(&self.program, inputs))
    }

    /// Returns the partial derivatives with respect to the inputs at these positions, the paper's P(s; r). Each input varies
    /// independently, even if inputs depend on each other where the function is called.
    ///
    /// # Errors
    /// [`Error::NotScalar`] unless the output is one number, or one number per row, whose sum is differentiated;
    /// [`Error::Setting`] for a position without a float input.
    pub fn partial(&self, inputs: &[usize]) -> Result<Function, Error> {
        let types: Vec<&Type> = self.program.output_types().collect();
        let scalar = |ty: &Type| ty.kind.is_float() && (ty.len() == 1 || ty.shape.first() == Some(&ty.len()));
        if types.len() != 1 || !scalar(types[0]) {
            let found: Vec<String> = types.iter().map(ToString::to_string).collect();
            return Err(Error::NotScalar { found: found.join(", ") });
        }
        let count = self.program.inputs().len();
        if let Some(&position) = inputs.iter().find(|position| **position >= count) {
            let found = format!("position {position} for a function of {count} inputs");
            return Err(Error::setting("inputs", found, "positions of its inputs, from 0"));
        }
        let whole = inputs.iter().find(|position| !self.float_inputs().contains(*position));
        if let Some(&position) = whole {
            let found = format!(
                "position {position}, which holds {}",
                self.program.type_of(self.program.inputs()[position])
            );
            return Err(Error::setting(
                "inputs",
                found,
                "positions of float tensors: others have no derivative",
            ));
        }
        let pulled = vjp(&self.program, inputs);
        let mut builder = Builder::new();
        let mut given: Vec<Var> = self.program.input_types().map(|ty| builder.input(ty.clone())).collect();
        given.push(builder.full(types[0].clone(), 1.0));
        let results = builder.inline(&pulled, &given).split_off(1);
        Ok(self.with(simplify(&builder.finish(results))))
    }

    /// Returns the derivative with respect to one input: [`partial`](Self::partial) of one position.
    ///
    /// # Errors
    /// As [`partial`](Self::partial).
    pub fn gradient(&self, input: usize) -> Result<Function, Error> {
        self.partial(&[input])
    }

    /// Returns the pairing with cotangents, the paper's H(v; u) = Σ⟨v_i, u_i⟩: from the inputs and a v for every output u to
    /// one number.
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

    /// Returns the second derivative with respect to one input along a direction t: from the inputs and t to `∂²f/∂x² t`.
    ///
    /// # Errors
    /// As [`partial`](Self::partial).
    pub fn hessian_product(&self, input: usize) -> Result<Function, Error> {
        Ok(self.gradient(input)?.jvp_of(&[input]))
    }

    /// Returns the fixed point in the first inputs: for `g(x.., z..) -> x..`, the function `(x0.., z..) -> x̂..` with one
    /// state for each output.
    ///
    /// # Errors
    /// [`Error::State`] if g changes the type of a state, [`Error::Solve`] for settings outside their range.
    pub fn fix(&self, config: &FixedPointConfig) -> Result<Function, Error> {
        config.validate()?;
        config.validate_in_a_trace()?;
        let states = self.program.outputs().len();
        if self.program.inputs().len() < states {
            let (what, found) = ("inputs of a function to be solved".into(), self.program.inputs().len());
            return Err(banach_program::Error::Count { what, found, expected: states }.into());
        }
        let layout = Layout::of(&self.program, states, config.engine == Engine::Native)?;
        let (packing, journal) = (layout.packing(), Arc::default());
        let fix = FixedPointOp::new(layout.flattened(&self.program), config.clone(), Arc::clone(&journal))
            .leaving_out_rows();
        let mut builder = Builder::new();
        let inputs: Vec<Var> = self.program.input_types().map(|ty| builder.input(ty.clone())).collect();
        let mut operands = builder.inline(&packing.pack, &inputs[..states]);
        operands.extend(&inputs[states..]);
        let flat = Arc::new(fix).write(&mut builder, &operands);
        let outputs = builder.inline(&packing.unpack, &[flat]);
        Ok(Function { program: simplify(&builder.finish(outputs)), journal })
    }

    fn float_inputs(&self) -> Vec<usize> {
        let inputs = self.program.input_types().enumerate();
        inputs.filter(|(_, ty)| ty.kind.is_float()).map(|(position, _)| position).collect()
    }

    /// Drops the function's own outputs, which come first in a derivative program.
    fn derivatives(&self, program: &Program) -> Function {
        let kept: Vec<usize> = (self.program.outputs().len()..program.outputs().len()).collect();
        self.with(simplify(&program.clone().with_outputs(&kept)))
    }
}

/// Refuses plain numbers among inputs: they would become constants of the function.
pub(crate) fn refuse_numbers(inputs: &impl Tensors) -> Result<(), Error> {
    match inputs.numbers().len() {
        0 => Ok(()),
        found => {
            let found = format!("a bundle with {found} plain numbers");
            Err(Error::setting("inputs", found, "tensors only; make a number a tensor of shape [1]"))
        }
    }
}
