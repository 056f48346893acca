//! Compiled training steps: a loss is traced once for each set of shapes, with the fixed points in it, and differentiated.
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

use crate::calculus::sound_rows::all_finite;
use crate::calculus::substitution::{failed_solves, leaving_out_rows};
use crate::engine::runner::Runner;
use crate::error::Error;
use crate::settings::configuration::{Convolution, Engine, TRACE_MEMORY};
use crate::tracing::cache::{Bytes, Cache, Signature};
use crate::tracing::fingerprint::fingerprint;
use crate::tracing::parameters::Parameters;
use crate::tracing::release::Release;
use crate::tracing::traced::{compare_module, trace_module};
use banach_program::{Builder, Primitive, Program, Tensors, Value, Var, simplify, vjp};
use burn::module::{Module, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use std::fmt::{Debug, Formatter};
use std::sync::OnceLock;

/// A loss `L(θ, batch)` of a module, whose value and gradient `∂L/∂θ` are computed by one compiled program.
///
/// The loss is ordinary Burn code on a module and a batch. It may contain [`FixedPoint`](crate::FixedPoint) layers, whose
/// gradients are those of the implicit function theorem. It must be a function: layers that draw random numbers or compute
/// batch statistics in training mode (dropout, batch norm) are refused. The program is traced once for each set of shapes
/// and runs with the current parameters, so nothing is recorded on a tape; any Burn optimizer accepts the gradients. Every
/// new trace is compared once with Burn ([`with_check_trace`](Self::with_check_trace)).
///
/// The program is traced again when a plain field of a module or a setting of a layer changes, as far as the module's
/// `Debug` prints it. The elements of tensors in plain fields, and what a closure captures, are not printed: they stay as
/// they were at the first call. After they change, call [`forget_traces`](Self::forget_traces), or pass them in with the
/// batch.
///
/// Rows of a fixed point without a finite residual or a finite gradient are left out of the gradient, as on the tape. A step
/// with such a row runs a second time, by a program that leaves these rows out ([`Statistics`](crate::Statistics) count both
/// runs). Other values that are not finite remain, and show in the norm that [`clip_gradients`](crate::clip_gradients)
/// returns.
pub struct Objective<M, I> {
    loss: Loss<M, I>,
    engine: Engine,
    convolution: Convolution,
    check_trace: bool,
    trace_memory: usize,
    known: Cache<Signature, CompiledStep>,
    release: Release,
}

type Loss<M, I> = Box<dyn Fn(&M, I) -> Tensor<1> + Send + Sync>;

/// A compiled step.
struct CompiledStep {
    runner: Runner,
    /// Whether the program contains fixed points.
    solves: bool,
    /// The program that leaves out rows without a finite gradient, compiled for the first such row.
    careful: OnceLock<Runner>,
}

impl Bytes for CompiledStep {
    fn bytes(&self) -> usize {
        self.runner.bytes() + self.careful.get().map_or(0, Bytes::bytes)
    }
}

impl<M, I> Debug for Objective<M, I> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "Objective of {} programs", self.known.len())
    }
}

impl<M: Module, I: Tensors> Objective<M, I> {
    /// Creates an objective from a closure that returns one number.
    pub fn new(loss: impl Fn(&M, I) -> Tensor<1> + Send + Sync + 'static) -> Self {
        Objective {
            loss: Box::new(loss),
            engine: Engine::default(),
            convolution: Convolution::default(),
            check_trace: true,
            trace_memory: TRACE_MEMORY,
            known: Cache::default(),
            release: Release::default(),
        }
    }

    /// Sets whether every new trace is compared with Burn: the loss and its gradient are computed once on Burn's tape, fixed
    /// points included. Without it, modules with a random layer in training mode are refused, used or not.
    #[must_use]
    pub fn with_check_trace(mut self, check: bool) -> Self {
        self.check_trace = check;
        self.known = Cache::default();
        self
    }

    /// Sets the estimated memory in bytes that compiled programs may take. Beyond it the least recently used are dropped, but
    /// for four.
    #[must_use]
    pub fn with_trace_memory(mut self, bytes: usize) -> Self {
        self.trace_memory = bytes;
        self
    }

    /// Drops all traces: the next call traces the loss again, with the values that it then captures.
    pub fn forget_traces(&self) {
        self.known.clear();
    }

    /// Estimates the memory of the compiled programs in bytes.
    pub fn trace_bytes(&self) -> usize {
        self.known.bytes()
    }

    /// Sets the engine. Fixed points in the loss have their own setting.
    #[must_use]
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self.known = Cache::default();
        self
    }

    /// Sets the method for convolutions. Fixed points in the loss have their own setting.
    #[must_use]
    pub fn with_convolution(mut self, convolution: Convolution) -> Self {
        self.convolution = convolution;
        self.known = Cache::default();
        self
    }

    /// Returns the loss, and its gradient for every float parameter that is trained. Off the tape the trained parameters are
    /// not known: then every float parameter has a gradient, also running statistics and directions of power iteration.
    ///
    /// # Errors
    /// [`Error::Program`] for a loss that cannot be traced, [`Error::NotScalar`] for one that is not one number,
    /// [`Error::NoFunction`] for a random layer in training mode.
    pub fn value_and_gradient(&self, module: &M, batch: I) -> Result<(f64, GradientsParams), Error> {
        let live = batch.clone().into_values();
        let parameters = Parameters::of(module);
        let random = parameters.random(&live);
        let mut inputs: Vec<Value> = live.iter().cloned().map(Value::detached).collect();
        inputs.extend(parameters.values.iter().cloned().map(Value::detached));
        if inputs.iter().any(Value::is_quantized) {
            return Err(Error::Quantized);
        }
        Value::on_one_device(&inputs)?;
        if !self.check_trace
            && let Some(found) = random
        {
            return Err(Error::NoFunction { place: "loss".into(), found });
        }
        let trained: Vec<usize> = parameters.trained();
        let training = live.iter().chain(&parameters.values).any(|value| value.device().is_autodiff());
        let mut signature = Signature::new(&inputs, batch.numbers(), (&parameters.places, &parameters.flags));
        signature.trained.clone_from(&trained);
        signature.training = training;
        signature.fields = fingerprint(module);
        let step = self.known.get_or_insert(signature, self.trace_memory, &mut |signature| {
            let program =
                self.compiled(module, &batch, &parameters, signature, (&inputs, self.check_trace))?;
            let solves =
                program.equations().iter().any(|line| matches!(line.primitive, Primitive::Custom(_)));
            Ok::<_, Error>(CompiledStep { runner: self.runner(program), solves, careful: OnceLock::new() })
        })?;
        let before = failed_solves();
        let mut results = step.runner.call(inputs.clone())?;
        if step.solves && (failed_solves() != before || !all_finite(&results[1..])) {
            results = match step.careful.get() {
                Some(careful) => careful.call(inputs)?,
                None => {
                    let mut signature =
                        Signature::new(&inputs, batch.numbers(), (&parameters.places, &parameters.flags));
                    (signature.trained, signature.training) = (trained.clone(), training);
                    let point = (&inputs[..], false);
                    let program =
                        leaving_out_rows(|| self.compiled(module, &batch, &parameters, &signature, point))?;
                    // Another thread may have compiled it first.
                    step.careful.get_or_init(|| self.runner(program)).call(inputs)?
                }
            };
        }
        let mut results = results.into_iter();
        let value = results.next().and_then(|value| value.into_data().iter::<f64>().next());
        let mut gradients = GradientsParams::new();
        for (&parameter, gradient) in trained.iter().zip(results) {
            register(&mut gradients, parameters.ids[parameter], gradient)?;
        }
        self.release.count(&parameters.values);
        Ok((value.unwrap_or(f64::NAN), gradients))
    }

    fn runner(&self, program: Program) -> Runner {
        Runner::new(program, self.engine, self.convolution)
    }

    /// Compiles `(batch.., θ..) -> (L, ∂L/∂θ..)`.
    fn compiled(
        &self,
        module: &M,
        batch: &I,
        parameters: &Parameters,
        signature: &Signature,
        (inputs, check): (&[Value], bool),
    ) -> Result<Program, Error> {
        let code = |module: &M, (), batch| vec![(self.loss)(module, batch).into()];
        let (device, types) = (&signature.device, &signature.types[..]);
        let loss = trace_module(module, (&(), batch), parameters, (device, types), code)?;
        let ty = loss.output_types().next().cloned();
        let scalar = ty.filter(|ty| ty.kind.is_float() && ty.len() == 1);
        let Some(ty) = scalar else {
            let found: Vec<String> = loss.output_types().map(ToString::to_string).collect();
            return Err(Error::NotScalar { found: found.join(", ") });
        };
        if check {
            let point = (inputs.to_vec(), signature.training);
            compare_module("loss", (module, parameters), &loss, (&(), batch), point, &code)?;
        }
        let first = inputs.len() - parameters.values.len();
        let positions: Vec<usize> = signature.trained.iter().map(|parameter| first + parameter).collect();
        let mut builder = Builder::new();
        let mut given: Vec<Var> = loss.input_types().map(|ty| builder.input(ty.clone())).collect();
        given.push(builder.full(ty, 1.0));
        let results = builder.inline(&vjp(&loss, &positions), &given);
        Ok(simplify(&builder.finish(results)))
    }
}

/// Registers a gradient of any rank.
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
