//! The fixed-point layer: a Burn module whose forward is the fixed point of another module.

use crate::calculus::attach::anchored;
use crate::calculus::known_rows::KnownRows;
use crate::engine::failure::Failure;
use crate::error::Error;
use crate::layer::observed::{Observer, Step};
use crate::layer::shared::Shared;
use crate::layer::warm::{Visit, WarmStarts};
use crate::settings::configuration::{FixedPointConfig, OnFailure};
use crate::settings::gradient::{Gradient, Inverse};
use crate::settings::report::{AdjointReport, Report, Solution, Statistics, locked};
use crate::tracing::cache::Signature;
use crate::tracing::flatten::run_single;
use crate::tracing::lost::{StandIns, chosen};
use crate::tracing::parameters::Parameters;
use crate::tracing::traced::TracedUpdate;
use crate::tracing::update::{Update, start_of};
use crate::tracing::update_fn::UpdateFn;
use banach_program::{Builder, Program, Tensors, Value, Var, evaluate, record};
use banach_solve::Progress;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::ops::ControlFlow;
use std::sync::Arc;

/// A layer whose output is the fixed point `x̂ = g(x̂, z; θ)` of an [`Update`].
///
/// Gradients are those of the implicit function theorem, so they depend on `x̂` alone; they reach z and every
/// parameter of the update, in training and in eval mode, and memory does not grow with the number of iterations.
/// The layer is a Burn module: put it anywhere in a network, several times if you like, save and load it with the
/// rest. Programs are traced once for each set of shapes; clones share them, and the statistics.
///
/// See the [crate's page](crate) for an example.
#[derive(Module)]
#[module(custom_display)]
pub struct FixedPoint<M: Module> {
    update: M,
    #[module(skip)]
    config: FixedPointConfig,
    #[module(skip)]
    pub(crate) shared: Arc<Shared>,
}

impl<M: Module> FixedPoint<M> {
    pub(crate) fn new(update: M, config: FixedPointConfig) -> Self {
        FixedPoint { update, config, shared: Arc::default() }
    }

    /// The module whose fixed point this is.
    pub fn update(&self) -> &M {
        &self.update
    }

    /// The module alone.
    pub fn into_update(self) -> M {
        self.update
    }

    /// How it solves.
    pub fn config(&self) -> &FixedPointConfig {
        &self.config
    }

    /// The same parameters, solved in another way; statistics and programs start anew.
    ///
    /// # Errors
    /// [`Error::Solve`] for settings with no meaning.
    pub fn with_config(self, config: FixedPointConfig) -> Result<Self, Error> {
        config.validate()?;
        Ok(FixedPoint::new(self.update, config))
    }

    /// What this layer and its clones did since the last call of [`take_statistics`](Self::take_statistics).
    pub fn statistics(&self) -> Statistics {
        self.shared.journal.statistics().clone()
    }

    /// The same, and starts counting anew.
    pub fn take_statistics(&self) -> Statistics {
        std::mem::take(&mut *self.shared.journal.statistics())
    }
}

impl<M: Module, const D: usize, Z: Tensors> FixedPoint<UpdateFn<M, D, Z>> {
    /// The layer of the update `g(x, z) = closure(module, x, z)`, from zeros of shape `[batch, row...]`, with the default
    /// settings; [`with_config`](FixedPoint::with_config) changes them. [`UpdateFn`] has an example.
    ///
    /// # Errors
    /// As [`FixedPointConfig::init`].
    pub fn from_fn<const R: usize>(
        module: M,
        row: [usize; R],
        closure: impl Fn(&M, Tensor<D>, Z) -> Tensor<D> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        FixedPointConfig::new().init(UpdateFn::new(module, row, closure))
    }
}

impl<M: Module + Update> FixedPoint<M> {
    /// The fixed point from [`Update::start`]: the layer as a function, for training.
    ///
    /// # Panics
    /// Where [`solve`](Self::solve) gives an error.
    pub fn forward(&self, z: M::Input) -> M::State {
        self.solve(z).unwrap_or_else(|error| panic!("{error}")).into_value()
    }

    /// The fixed point from [`Update::start`], with its report.
    ///
    /// # Errors
    /// An update that cannot be traced, a state that changes its shape, and, with [`OnFailure::Error`], rows that do
    /// not converge.
    pub fn solve(&self, z: M::Input) -> Result<Solution<M::State>, Error> {
        let x0 = start_of(&self.update, &z)?;
        self.solve_from(x0, z)
    }

    /// The fixed point from a given start, with its report. No gradient reaches `x0`: x̂ does not depend on it.
    ///
    /// # Errors
    /// As [`solve`](Self::solve).
    pub fn solve_from(&self, x0: M::State, z: M::Input) -> Result<Solution<M::State>, Error> {
        self.solve_known(x0, z, None)
    }

    /// The fixed point from what is remembered of samples with these ids, and from a given start where nothing is.
    pub(crate) fn solve_known(
        &self,
        x0: M::State,
        z: M::Input,
        samples: Option<(&WarmStarts, &[u64])>,
    ) -> Result<Solution<M::State>, Error> {
        self.solve_by(x0, z, samples, None)
    }

    /// The same, perhaps observed.
    pub(crate) fn solve_by(
        &self,
        x0: M::State,
        z: M::Input,
        samples: Option<(&WarmStarts, &[u64])>,
        observer: Option<&mut Observer<'_, M::State>>,
    ) -> Result<Solution<M::State>, Error> {
        let mut call = Call::new(self, &x0, &z)?;
        let recorded = Value::from(call.x0.clone()).is_placeholder();
        if call.tape.is_some() {
            self.config.validate_adjoint_width(call.x0.dims()[1])?;
        }
        let mut visit = match samples {
            Some(_) if recorded => return Err(WarmStarts::in_a_trace()),
            None if recorded && observer.is_some() => {
                let expected = "a call outside: inside a trace nothing is solved yet";
                return Err(Error::setting("observer", "given inside a trace", expected));
            }
            None if recorded => {
                self.config.validate_in_a_trace()?;
                return call.record(&x0);
            }
            Some((warm, ids)) => Some(warm.visit(ids, &call.traced)?),
            None => None,
        };
        let warm_rows = visit.as_ref().map_or(Ok(0), |visit| visit.begin(&mut call.x0))?;
        let (solution, inverse) = match (observer, &call.tape) {
            (Some(observer), _) => (call.observed(&x0, observer)?, None),
            (None, Some(_)) => call.traced.fix.solve_remembered(&call.x0, &call.fixed)?,
            (None, None) => (call.traced.fix.solve(&call.x0, &call.fixed)?, None),
        };
        let report = Report::new(&solution);
        self.shared.journal.solved(&report, self.config.on_failure);
        self.shared.journal.warmed(warm_rows);
        if let Some(visit) = &mut visit {
            visit.remember_states(&solution.value, &report)?;
        }
        if self.config.on_failure == OnFailure::Error && !solution.converged() {
            return Err(Error::Solve(
                solution.into_converged().map(|_| ()).err().unwrap_or_else(|| unreachable!()),
            ));
        }
        let flat = if call.tape.is_some() {
            let x = self.on_tape(&call, solution.value, &report, (visit, inverse))?;
            anchored(x, &self.shared.release)
        } else {
            solution.value
        };
        let states = evaluate(&call.traced.unpacking, vec![flat.into()])?;
        Ok(Solution::new(x0.rebuild(&mut states.into_iter())?, report))
    }

    /// The update as a program, for tensors like these.
    ///
    /// # Errors
    /// An update that cannot be traced.
    pub fn program(&self, z: M::Input) -> Result<Program, Error> {
        let x0 = start_of(&self.update, &z)?;
        Ok(Call::new(self, &x0, &z)?.traced.program.clone())
    }

    /// x̂ on the tape, as it depends on z and θ.
    fn on_tape(
        &self,
        call: &Call,
        x: Tensor<2>,
        report: &Report,
        (visit, inverse): (Option<Visit>, Option<Inverse>),
    ) -> Result<Tensor<2>, Error> {
        let joined = match self.config.gradient {
            Gradient::Unrolled { steps } => call.unrolled(x.clone(), &report.residuals, steps)?,
            Gradient::Implicit | Gradient::Shine { .. } => {
                self.implicit(call, x.clone(), report, (visit, inverse))?
            }
        };
        if self.config.on_failure != OnFailure::Skip {
            return Ok(joined);
        }
        let failed: Vec<bool> = report.outcomes.iter().map(|outcome| outcome.is_failure()).collect();
        self.shared.journal.skipped(&failed);
        Ok(chosen(&failed, call.leaf(x), joined))
    }

    /// The same by the implicit function theorem.
    fn implicit(
        &self,
        call: &Call,
        x: Tensor<2>,
        report: &Report,
        (visit, inverse): (Option<Visit>, Option<Inverse>),
    ) -> Result<Tensor<2>, Error> {
        let log = report.adjoint_log();
        let reached = Some((report.outcomes.clone(), report.relative.clone()));
        let rows = KnownRows { visit, reached, inverse, lost: None };
        self.joined(call, x, &report.residuals, rows, move |report| locked(&log).push(report))
    }

    /// x with the gradient it had if it were the solution; rows whose residual is not finite have none.
    pub(crate) fn joined(
        &self,
        call: &Call,
        x: Tensor<2>,
        residuals: &[f64],
        rows: KnownRows,
        log: impl Fn(AdjointReport) + Send + Sync + 'static,
    ) -> Result<Tensor<2>, Error> {
        let stand_ins = StandIns::new(residuals);
        if stand_ins.is_none() && residuals.iter().any(|residual| !residual.is_finite()) {
            return Ok(call.leaf(x)); // Every row is lost: there is nothing to differentiate.
        }
        let mut point = vec![Value::from(x.clone())];
        point.extend(call.fixed.iter().cloned());
        if let Some(rows) = &stand_ins {
            point = rows.placed(&call.traced.per_row, point)?;
        }
        let tape = call.tape.iter().flatten().cloned().collect();
        let (shared, on_failure) = (Arc::clone(&self.shared), self.config.on_failure);
        let rows = KnownRows { lost: stand_ins.map(|rows| rows.lost), ..rows };
        call.traced.fix.on_tape(x, tape, point, rows, move |report| {
            shared.release.reset();
            shared.journal.pulled_back(&report, on_failure);
            log(report);
        })
    }
}

/// The tensors of one call, traced and bound.
pub(crate) struct Call {
    pub(crate) traced: Arc<TracedUpdate>,
    pub(crate) x0: Tensor<2>,
    /// z and θ off the tape.
    pub(crate) fixed: Vec<Value>,
    /// z and θ on the tape, if there is one.
    tape: Option<Vec<Value>>,
}

impl Call {
    pub(crate) fn new<M: Module + Update>(
        layer: &FixedPoint<M>,
        x0: &M::State,
        z: &M::Input,
    ) -> Result<Self, Error> {
        let mut live = z.clone().into_values();
        let parameters = Parameters::of(&layer.update);
        let random = parameters.random(&live);
        live.extend(parameters.values.iter().cloned());
        let states = x0.clone().into_values();
        if states.iter().chain(&live).any(Value::is_quantized) {
            return Err(Error::Quantized);
        }
        Value::on_one_device(&[states.clone(), live.clone()].concat())?;
        let states: Vec<Value> = states.into_iter().map(Value::detached).collect();
        let fixed: Vec<Value> = live.iter().cloned().map(Value::detached).collect();
        let point = [states.clone(), fixed.clone()].concat();
        let numbers = [x0.numbers(), z.numbers()].concat();
        let signature = Signature::new(&point, numbers, (&parameters.places, &parameters.flags));
        let (config, journal) = (&layer.config, &layer.shared.journal);
        let tracked = live.iter().any(|value| value.device().is_autodiff());
        let traced = layer.shared.traced.get_or_insert(signature, config.trace_memory, |signature| {
            TracedUpdate::new(&layer.update, x0, z, &parameters, &signature.types, (config, journal))
        })?;
        if !config.check_trace
            && let Some(found) = random
        {
            return Err(Error::NoFunction { place: "update".into(), found });
        }
        if config.check_trace && !point.iter().any(Value::is_placeholder) {
            traced.compare(&layer.update, (x0, z), &parameters, point, tracked)?;
        }
        let x0 = run_single(&traced.packing, states)?.try_into_tensor()?;
        let tape = tracked.then_some(live);
        Ok(Call { traced, x0, fixed, tape })
    }

    /// The solution, with every iterate shown to an observer.
    fn observed<S: Tensors>(
        &self,
        x0: &S,
        observer: &mut Observer<'_, S>,
    ) -> Result<banach_solve::Solution<Tensor<2>>, Error> {
        let failure = Failure::default();
        let solution = self.traced.fix.solve_observed(&self.x0, &self.fixed, &mut |x, progress| {
            let states = evaluate(&self.traced.unpacking, vec![x.clone().into()]);
            match states.and_then(|states| x0.rebuild(&mut states.into_iter())) {
                Ok(x) => {
                    let &Progress { step, evaluations, residuals, outcomes, .. } = progress;
                    observer(Step { step, evaluations, x, residuals, outcomes })
                }
                Err(error) => {
                    failure.note(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failure.checked(solution)
    }

    /// z and θ, on the tape where they are.
    pub(crate) fn live(&self) -> Vec<Value> {
        self.tape.clone().unwrap_or_else(|| self.fixed.clone())
    }

    /// x after so many more applications of g, which are on the tape; rows whose residual is not finite stay, without a gradient.
    pub(crate) fn unrolled(&self, x: Tensor<2>, residuals: &[f64], steps: usize) -> Result<Tensor<2>, Error> {
        let lost: Vec<bool> = residuals.iter().map(|residual| !residual.is_finite()).collect();
        let mut point = [vec![x.clone().into()], self.live()].concat();
        if lost.contains(&true) {
            let Some(rows) = StandIns::new(residuals) else { return Ok(self.leaf(x)) };
            point = rows.placed(&self.traced.per_row, point)?;
        }
        let (start, q) = point.split_at(1);
        let apply = |x: Value| run_single(&self.traced.fix.g, [vec![x], q.to_vec()].concat());
        let end = (0..steps).try_fold(start[0].clone(), |x, _| apply(x))?;
        Ok(chosen(&lost, x, end.try_into_tensor()?))
    }

    /// The fixed point as a line of the program that is being traced: nothing is solved yet.
    fn record<S: Tensors>(&self, x0: &S) -> Result<Solution<S>, Error> {
        let mut builder = Builder::new();
        let inputs: Vec<Var> = self.traced.fix.g.input_types().map(|ty| builder.input(ty.clone())).collect();
        let flat = self.traced.fix.write(&mut builder, &inputs);
        let states = builder.inline(&self.traced.unpacking, &[flat]);
        let program = builder.finish(states);
        let values =
            std::iter::once(self.x0.clone().into()).chain(self.fixed.iter().cloned()).collect::<Vec<Value>>();
        let states = record(&program, &values)?;
        Ok(Solution::new(x0.rebuild(&mut states.into_iter())?, Report::recorded()))
    }

    /// The same numbers at the end of the tape, so that what follows can be differentiated.
    pub(crate) fn leaf(&self, x: Tensor<2>) -> Tensor<2> {
        let tracked = self.tape.iter().flatten().map(Value::device).find(Device::is_autodiff);
        let device = tracked.unwrap_or_else(|| x.device());
        Tensor::zeros(x.dims(), (&device, x.dtype())).require_grad() + x
    }
}
