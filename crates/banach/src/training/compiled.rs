//! Functions compiled for the CPU.

use crate::calculus::function::{Function, refuse_numbers};
use crate::engine::runner::Runner;
use crate::error::Error;
use crate::settings::configuration::{Convolution, Engine};
use crate::tracing::cache::Bytes;
use crate::tracing::parameters::Parameters;
use crate::tracing::traced::trace_module;
use banach_program::{Builder, Program, Tensors, Type, Value, Var, simplify};
use burn::module::Module;
use burn::tensor::Device;
use std::fmt::{Debug, Formatter};
use std::sync::Arc;

impl Function {
    /// Compiles the value and the derivatives with respect to the inputs at these positions as one function
    /// `inputs -> (value, derivatives..)`: an [`Objective`](crate::Objective) without a module.
    ///
    /// # Errors
    /// As [`partial`](Self::partial).
    pub fn value_and_gradient(&self, inputs: &[usize]) -> Result<Compiled, Error> {
        let mut builder = Builder::new();
        let given: Vec<Var> = self.program().input_types().map(|ty| builder.input(ty.clone())).collect();
        let mut results = builder.inline(self.program(), &given);
        results.extend(builder.inline(self.partial(inputs)?.program(), &given));
        Ok(Compiled::new(simplify(&builder.finish(results)), Convolution::default()))
    }
}

/// A function compiled for the CPU.
#[derive(Clone)]
pub struct Compiled {
    runner: Arc<Runner>,
}

impl Debug for Compiled {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "Compiled function of {} bytes", self.runner.bytes())
    }
}

impl Compiled {
    fn new(program: Program, convolution: Convolution) -> Self {
        Compiled { runner: Arc::new(Runner::new(program, Engine::Native, convolution)) }
    }

    /// Compiles a closure of a module for inputs of these shapes, as the function `(inputs.., θ..) -> outputs` of the module's
    /// parameters θ, and returns it with their values: a forward pass without Burn's tape. Unlike
    /// [`Function::of_module`], it does not compare the trace with Burn, which would cost more than a call.
    ///
    /// ```
    /// use banach::{Compiled, Convolution};
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor};
    ///
    /// let device = Device::flex();
    /// let network: Linear = LinearConfig::new(3, 1).init(&device);
    /// let z = Tensor::<2>::ones([4, 3], &device);
    /// let run = |network: &Linear, z| network.forward(z);
    /// let (f, parameters) = Compiled::of_module(&network, &z, Convolution::default(), run)?;
    /// let found: Tensor<2> = f.call((z.clone(), parameters))?.remove(0).try_into_tensor()?;
    /// let difference = (found - network.forward(z)).abs().max();
    /// assert!(difference.into_scalar::<f32>() < 1e-6);
    /// # Ok::<(), banach::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Program`] for code that cannot be traced, [`Error::NoFunction`] for a random layer in training mode,
    /// [`Error::Setting`] for inputs with plain numbers.
    pub fn of_module<M: Module, I: Tensors, O: Tensors>(
        module: &M,
        inputs: &I,
        convolution: Convolution,
        closure: impl FnOnce(&M, I) -> O,
    ) -> Result<(Self, Vec<Value>), Error> {
        refuse_numbers(inputs)?;
        let parameters = Parameters::of(module);
        parameters.validate()?;
        let given = inputs.clone().into_values();
        if let Some(found) = parameters.random(&given) {
            return Err(Error::NoFunction { place: "function".into(), found });
        }
        let values = [given, parameters.values.clone()].concat();
        Value::on_one_device(&values)?;
        let types: Vec<Type> = values.iter().map(Value::ty).collect();
        let code = |module: &M, inputs, ()| closure(module, inputs).into_values();
        let device = values.first().map_or_else(Device::default, Value::device);
        let program = trace_module(module, (inputs, &()), &parameters, (&device, &types), code)?;
        Ok((Self::new(simplify(&program), convolution), parameters.values))
    }

    /// Calls the function, and returns its results.
    ///
    /// # Errors
    /// [`Error::Program`] for inputs of another number, shape or dtype.
    pub fn call(&self, inputs: impl Tensors) -> Result<Vec<Value>, Error> {
        refuse_numbers(&inputs)?;
        self.runner.call(inputs.into_values().into_iter().map(Value::detached).collect())
    }
}
