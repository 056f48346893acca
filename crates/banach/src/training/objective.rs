//! How does a whole training step run compiled? A loss is traced once for each set of shapes, with the fixed points in
//! it, differentiated, and replayed.
//!
//! ```
//! use banach::Objective;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::optim::SgdConfig;
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex().autodiff();
//! let mut network: Linear = LinearConfig::new(2, 1).init(&device);
//! let objective = Objective::new(|network: &Linear, (z, y): (Tensor<2>, Tensor<2>)| {
//!     (network.forward(z) - y).square().mean()
//! });
//! let batch = (Tensor::ones([4, 2], &device), Tensor::zeros([4, 1], &device));
//! let mut optimizer = SgdConfig::new().init();
//! let (before, gradients) = objective.value_and_gradient(&network, batch.clone())?;
//! network = optimizer.step(0.1, network, gradients);
//! let (after, _) = objective.value_and_gradient(&network, batch)?;
//! assert!(after < before);
//! # Ok::<(), banach::Error>(())
//! ```

use crate::calculus::function::Function;
use crate::calculus::sound_rows::all_finite;
use crate::calculus::substitution::{leaving_out_rows, solves_with_lost_rows};
use crate::engine::runner::Runner;
use crate::error::Error;
use crate::settings::configuration::{Convolution, Engine};
use crate::settings::report::locked;
use crate::tracing::parameters::Parameters;
use crate::tracing::traced::{trace_module, types_of};
use banach_program::{Builder, Primitive, Program, Tensors, Type, Value, Var, simplify, vjp};
use burn::module::{Module, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use std::fmt::{Debug, Formatter};
use std::sync::{Arc, Mutex, OnceLock};

/// A loss `L(θ, batch)` of a module, whose value and gradient `∂L/∂θ` are computed by one compiled program.
///
/// The loss is ordinary Burn code on a module and a batch, [`FixedPoint`](crate::FixedPoint) layers included, whose
/// gradients are those of the implicit function theorem. It must be a function: layers that draw random numbers or count
/// batches while they train (dropout, batch norm) are refused. The program is traced once for each set of shapes and
/// replayed with the live parameters, so nothing is recorded on a tape; the gradients go into any Burn optimizer. All else
/// stays as it was at the first call, the settings of layers and plain fields of modules included: make a new objective
/// when they change. Rows of a fixed point without a finite residual or a finite gradient have no part in the gradient, as on the
/// tape: the step in which one turns up runs a second time, by a program that leaves them out
/// ([`Statistics`](crate::Statistics) count both runs). What else is not finite stays so, and the norm that
/// [`clip_gradients`](crate::clip_gradients) returns says it.
pub struct Objective<M, I> {
    loss: Loss<M, I>,
    engine: Engine,
    convolution: Convolution,
    known: Mutex<Vec<(Key, Arc<Step>)>>,
}

type Loss<M, I> = Box<dyn Fn(&M, I) -> Tensor<1> + Send + Sync>;

/// What a program is compiled for: a device, the tensors of the call, the parameters at the module's places, and which
/// of them are trained.
type Key = (Device, Vec<Type>, Vec<usize>, Vec<usize>);

/// A compiled step.
struct Step {
    runner: Runner,
    /// Whether there are fixed points in it.
    solves: bool,
    /// The step without rows that have no finite gradient, made when the first turns up.
    careful: OnceLock<Runner>,
}

/// Programs kept; training sees few sets of shapes.
const KEPT: usize = 16;

impl<M, I> Debug for Objective<M, I> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "Objective of {} programs", locked(&self.known).len())
    }
}

impl<M: Module, I: Tensors> Objective<M, I> {
    /// The loss that a closure computes: one number.
    pub fn new(loss: impl Fn(&M, I) -> Tensor<1> + Send + Sync + 'static) -> Self {
        let (engine, convolution) = (Engine::default(), Convolution::default());
        Objective { loss: Box::new(loss), engine, convolution, known: Mutex::default() }
    }

    /// The same on another engine; fixed points in it have their own setting.
    #[must_use]
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self.known = Mutex::default();
        self
    }

    /// The same with convolutions computed otherwise; fixed points in it have their own setting.
    #[must_use]
    pub fn with_convolution(mut self, convolution: Convolution) -> Self {
        self.convolution = convolution;
        self.known = Mutex::default();
        self
    }

    /// The loss, and its gradient for every float parameter that is trained. A module off the tape does not say which they
    /// are: then every float tensor it holds has a gradient, running statistics and directions of power iteration included.
    ///
    /// # Errors
    /// [`Error::Program`] for a loss that cannot be traced, [`Error::NotScalar`] for one that is not one number,
    /// [`Error::NoFunction`] for a layer that is no function.
    pub fn value_and_gradient(&self, module: &M, batch: I) -> Result<(f64, GradientsParams), Error> {
        let values: Vec<Value> = batch.clone().into_values().into_iter().map(Value::detached).collect();
        let parameters = Parameters::of(module, &values)?;
        let mut inputs = values;
        inputs.extend(parameters.values.iter().cloned().map(Value::detached));
        if inputs.iter().any(Value::is_quantized) {
            return Err(Error::Quantized);
        }
        Value::on_one_device(&inputs)?;
        let trained: Vec<usize> = parameters.trained();
        let first = inputs.len() - parameters.values.len();
        let device = inputs.first().map_or_else(Device::default, Value::device);
        let key = (device, types_of(&inputs), parameters.places.clone(), trained.clone());
        let found = {
            let known = locked(&self.known);
            known.iter().find(|(kept, _)| *kept == key).map(|(_, step)| Arc::clone(step))
        };
        let compiled = || {
            let program = self.compiled(module, &batch, &parameters, &key, first)?;
            let solves =
                program.equations().iter().any(|line| matches!(line.primitive, Primitive::Custom(_)));
            Ok::<_, Error>((solves, Runner::new(program, self.engine, self.convolution)))
        };
        let step = match found {
            Some(step) => step,
            None => {
                let (solves, runner) = compiled()?;
                let step = Arc::new(Step { runner, solves, careful: OnceLock::new() });
                let mut known = locked(&self.known);
                known.truncate(KEPT - 1);
                known.insert(0, (key.clone(), Arc::clone(&step)));
                step
            }
        };
        let before = solves_with_lost_rows();
        let mut results = step.runner.call(inputs.clone())?;
        if step.solves && (solves_with_lost_rows() != before || !all_finite(&results[1..])) {
            if step.careful.get().is_none() {
                let (_, careful) = leaving_out_rows(compiled)?;
                let _ = step.careful.set(careful); // Another thread may have been faster.
            }
            if let Some(careful) = step.careful.get() {
                results = careful.call(inputs)?;
            }
        }
        let mut results = results.into_iter();
        let value = results.next().and_then(|value| value.into_data().iter::<f64>().next());
        let mut gradients = GradientsParams::new();
        for (&parameter, gradient) in trained.iter().zip(results) {
            register(&mut gradients, parameters.ids[parameter], gradient)?;
        }
        Ok((value.unwrap_or(f64::NAN), gradients))
    }

    /// `(batch.., θ..) -> (L, ∂L/∂θ..)`.
    fn compiled(
        &self,
        module: &M,
        batch: &I,
        parameters: &Parameters,
        (device, types, _, trained): &Key,
        first: usize,
    ) -> Result<Program, Error> {
        let loss = trace_module(module, (&(), batch), parameters, (device, types), |module, (), batch| {
            vec![(self.loss)(module, batch).into()]
        })?;
        let ty = loss.output_types().next().cloned();
        let scalar = ty.filter(|ty| ty.kind.is_float() && ty.len() == 1);
        let Some(ty) = scalar else {
            let found: Vec<String> = loss.output_types().map(ToString::to_string).collect();
            return Err(Error::NotScalar { found: found.join(", ") });
        };
        let positions: Vec<usize> = trained.iter().map(|parameter| first + parameter).collect();
        let mut builder = Builder::new();
        let mut given: Vec<Var> = loss.input_types().map(|ty| builder.input(ty.clone())).collect();
        given.push(builder.full(ty, 1.0));
        let results = builder.inline(&vjp(&loss, &positions), &given);
        Ok(simplify(&builder.finish(results)))
    }
}

impl Function {
    /// The value and the derivatives with respect to the inputs at the positions given, as one compiled function
    /// `inputs -> (value, derivatives..)`: for [`Objective`] without a module.
    ///
    /// # Errors
    /// As [`partial`](Self::partial).
    pub fn value_and_gradient(&self, inputs: &[usize]) -> Result<Compiled, Error> {
        let mut builder = Builder::new();
        let given: Vec<Var> = self.program().input_types().map(|ty| builder.input(ty.clone())).collect();
        let mut results = builder.inline(self.program(), &given);
        results.extend(builder.inline(self.partial(inputs)?.program(), &given));
        let program = simplify(&builder.finish(results));
        let runner = Runner::new(program, Engine::Native, Convolution::default());
        Ok(Compiled { runner: Arc::new(runner) })
    }
}

/// A function compiled for this machine.
#[derive(Clone, Debug)]
pub struct Compiled {
    runner: Arc<Runner>,
}

impl Compiled {
    /// Its results.
    ///
    /// # Errors
    /// [`Error::Program`] for inputs of another number, shape or dtype.
    pub fn call(&self, inputs: impl Tensors) -> Result<Vec<Value>, Error> {
        self.runner.call(inputs.into_values().into_iter().map(Value::detached).collect())
    }
}

/// A gradient of any rank.
fn register(gradients: &mut GradientsParams, id: ParamId, gradient: Value) -> Result<(), Error> {
    macro_rules! ranks {
        ($($rank:literal)*) => {
            match gradient.ty().shape.len() {
                $($rank => gradients.register::<$rank>(id, gradient.try_into_tensor()?),)*
                rank => {
                    let (found, expected) = (format!("a gradient of rank {rank}"), "a rank of 1 to 8".into());
                    let what = format!("parameter {id}");
                    return Err(banach_program::Error::Mismatch { what, found, expected }.into());
                }
            }
        };
    }
    ranks!(1 2 3 4 5 6 7 8);
    Ok(())
}
