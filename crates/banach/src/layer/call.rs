//! One call of a layer: its tensors, with the trace and the fixed point for their shapes.

use crate::calculus::implicit::FixedPointOp;
use crate::engine::failure::Failure;
use crate::error::Error;
use crate::layer::shared::{Shared, TracedLayer};
use crate::layer::step::{Observer, Step};
use crate::layer::warm::WarmStarts;
use crate::settings::configuration::FixedPointConfig;
use crate::tracing::cache::Signature;
use crate::tracing::layout::{point, run_single};
use crate::tracing::parameters::Parameters;
use crate::tracing::row_substitution::{RowSubstitution, select_rows};
use crate::tracing::traced::{FlatUpdate, TracedUpdate};
use crate::tracing::update::Update;
use banach_program::{Builder, Tensors, Type, Value, Var, record};
use banach_solve::{Progress, Solution};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::ops::ControlFlow;
use std::sync::Arc;

/// One call of a layer: its trace and its tensors.
pub(crate) struct Call {
    pub(crate) traced: Arc<TracedLayer>,
    /// The flat start.
    pub(crate) x0: Tensor<2>,
    /// z and θ off the tape.
    pub(crate) fixed: Vec<Value>,
    /// z and θ on the tape, if one of them is.
    pub(crate) tape: Option<Vec<Value>>,
    pub(crate) shared: Arc<Shared>,
}

/// Traces an update for tensors of the types given.
type Trace<'a> = dyn FnMut(&[Type]) -> Result<(TracedUpdate, FlatUpdate), Error> + 'a;

/// Compares a traced update with Burn at a point, in training mode or not.
type Compare<'a> = dyn Fn(&TracedUpdate, Vec<Value>, bool) -> Result<(), Error> + 'a;

/// The tensors of a call, off or on the tape, and the plain numbers among them.
struct CallTensors {
    states: Vec<Value>,
    inputs: Vec<Value>,
    numbers: Vec<u64>,
}

impl Call {
    pub(crate) fn new<M: Module + Update>(
        update: &M,
        (config, shared): (&FixedPointConfig, &Arc<Shared>),
        x0: &M::State,
        z: &M::Input,
    ) -> Result<Self, Error> {
        let parameters = Parameters::of(update);
        let tensors = CallTensors {
            states: x0.clone().into_values(),
            inputs: z.clone().into_values(),
            numbers: [x0.numbers(), z.numbers()].concat(),
        };
        let mut trace = |types: &[Type]| TracedUpdate::new(update, (x0, z), &parameters, types, config);
        let compare = |traced: &TracedUpdate, point, tracked| {
            traced.compare(update, (x0, z), &parameters, point, tracked)
        };
        Call::bind(tensors, &parameters, (config, shared), &mut trace, &compare)
    }

    /// Binds tensors to their trace. Nothing here knows the module, so that one copy of the code serves all layers.
    fn bind(
        CallTensors { states, inputs, numbers }: CallTensors,
        parameters: &Parameters,
        (config, shared): (&FixedPointConfig, &Arc<Shared>),
        trace: &mut Trace<'_>,
        compare: &Compare<'_>,
    ) -> Result<Self, Error> {
        let random = parameters.random(&inputs);
        let live = [inputs, parameters.values.clone()].concat();
        if states.iter().chain(&live).any(Value::is_quantized) {
            return Err(Error::Quantized);
        }
        Value::on_one_device(&[states.clone(), live.clone()].concat())?;
        let states: Vec<Value> = states.into_iter().map(Value::detached).collect();
        let fixed: Vec<Value> = live.iter().cloned().map(Value::detached).collect();
        let point = [states.clone(), fixed.clone()].concat();
        let signature = Signature::new(&point, numbers, (&parameters.places, &parameters.flags));
        let tracked = live.iter().any(|value| value.device().is_autodiff());
        let traced = shared.traced.get_or_insert(signature, config.trace_memory, &mut |signature| {
            let (update, FlatUpdate { g, energy }) = trace(&signature.types)?;
            let fixed_point = FixedPointOp::new(g, config.clone(), Arc::clone(&shared.journal));
            Ok::<_, Error>(TracedLayer::new(update, fixed_point.with_energy(energy)))
        })?;
        if !config.check_trace
            && let Some(found) = random
        {
            return Err(Error::NoFunction { place: "update".into(), found });
        }
        if config.check_trace && !point.iter().any(Value::is_placeholder) {
            compare(&traced.update, point, tracked)?;
        }
        let x0 = traced.update.packing.pack(states)?;
        let tape = tracked.then_some(live);
        Ok(Call { traced, x0, fixed, tape, shared: Arc::clone(shared) })
    }

    /// The configuration of the layer.
    pub(crate) fn config(&self) -> &FixedPointConfig {
        &self.traced.fixed_point.config
    }

    /// Returns whether the tensors are placeholders of a trace under way.
    pub(crate) fn is_recorded(&self) -> bool {
        Value::from(self.x0.clone()).is_placeholder()
    }

    /// Refuses what the adjoint solver cannot do, and what cannot be done inside a trace.
    pub(crate) fn validate(&self, samples: bool, observed: bool) -> Result<(), Error> {
        if self.tape.is_some() {
            self.config().validate_adjoint_width(self.x0.dims()[1])?;
        }
        if !self.is_recorded() {
            return Ok(());
        }
        if samples {
            return Err(WarmStarts::in_a_trace());
        }
        if observed {
            let expected = "a call outside: inside a trace nothing is solved yet";
            return Err(Error::setting("observer", "given inside a trace", expected));
        }
        self.config().validate_in_a_trace()
    }

    /// Solves and shows every iterate to an observer.
    pub(crate) fn observed<S: Tensors>(
        &self,
        x0: &S,
        observer: &mut Observer<'_, S>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        let failure = Failure::default();
        let solution =
            self.traced.fixed_point.solve_observed(&self.x0, &self.fixed, &mut |x, progress| {
                let states = self.traced.update.packing.unpack(x.clone());
                match states.and_then(|states| x0.rebuild(&mut states.into_iter())) {
                    Ok(x) => {
                        let &Progress { step, evaluations, residuals, outcomes, .. } = progress;
                        observer(Step { step, evaluations, x, residuals, outcomes })
                    }
                    Err(error) => {
                        failure.record(error);
                        ControlFlow::Break(())
                    }
                }
            })?;
        failure.checked(solution)
    }

    /// Returns z and θ as they were given, on the tape or off it.
    pub(crate) fn live(&self) -> Vec<Value> {
        self.tape.clone().unwrap_or_else(|| self.fixed.clone())
    }

    /// Returns the point `(x, z, θ)` off the tape.
    pub(crate) fn point(&self, x: &Tensor<2>) -> Vec<Value> {
        point(x, &self.fixed)
    }

    /// Returns g at `(x, q..)`.
    pub(crate) fn update(&self, x: Value, q: &[Value]) -> Result<Value, Error> {
        run_single(&self.traced.fixed_point.g, [&[x], q].concat())
    }

    /// Returns x after a number of further applications of g, which are on the tape. Failed rows stay, without a gradient.
    pub(crate) fn unrolled(&self, x: Tensor<2>, failed: &[bool], steps: usize) -> Result<Tensor<2>, Error> {
        let mut point = [vec![x.clone().into()], self.live()].concat();
        if failed.contains(&true) {
            let Some(rows) = RowSubstitution::new(failed) else { return Ok(self.leaf(x)) };
            point = rows.apply(self.traced.fixed_point.per_row(), point)?;
        }
        let (start, q) = point.split_at(1);
        let end = (0..steps).try_fold(start[0].clone(), |x, _| self.update(x, q))?;
        Ok(select_rows(failed, x, end.try_into_tensor()?))
    }

    /// Writes a fixed point into the program that is being traced; it is solved when that program runs.
    pub(crate) fn record<S: Tensors>(&self, x0: &S, fixed_point: &Arc<FixedPointOp>) -> Result<S, Error> {
        let update = &self.traced.update;
        let mut builder = Builder::new();
        let inputs: Vec<Var> = fixed_point.g.input_types().map(|ty| builder.input(ty.clone())).collect();
        let flat = fixed_point.write(&mut builder, &inputs);
        let states = builder.inline(&update.packing.unpack, &[flat]);
        let states = record(&builder.finish(states), &self.point(&self.x0))?;
        Ok(x0.rebuild(&mut states.into_iter())?)
    }

    /// Returns x as a leaf of the tape, so that what follows can be differentiated.
    pub(crate) fn leaf(&self, x: Tensor<2>) -> Tensor<2> {
        let tracked = self.tape.iter().flatten().map(Value::device).find(Device::is_autodiff);
        let device = tracked.unwrap_or_else(|| x.device());
        Tensor::zeros(x.dims(), (&device, x.dtype())).require_grad() + x
    }
}
