//! The fixed-point layer: a Burn module whose forward is the fixed point of another module.

use crate::calculus::attach::anchored;
use crate::calculus::resolvent::Resolvent;
use crate::calculus::shine::SharedInverse;
use crate::calculus::tape::Adjoint;
use crate::engine::linear_system::LinearSystem;
use crate::error::Error;
use crate::layer::call::Call;
use crate::layer::shared::Shared;
use crate::layer::step::Observer;
use crate::layer::warm::{WarmSolve, WarmStarts};
use crate::settings::configuration::{FixedPointConfig, OnFailure};
use crate::settings::gradient::Gradient;
use crate::settings::lock::locked;
use crate::settings::report::{AdjointReport, Report, Solution, Statistics};
use crate::tracing::parameters::Parameters;
use crate::tracing::row_substitution::{failed_rows, select_rows};
use crate::tracing::update::{Update, start_of};
use crate::tracing::update_fn::UpdateFn;
use banach_program::{Program, Tensors, Value};
use burn::module::Module;
use burn::tensor::Tensor;
use std::sync::Arc;

/// A layer whose output is the fixed point `x̂ = g(x̂, z; θ)` of an [`Update`].
///
/// Gradients are those of the implicit function theorem. They depend on `x̂` only, reach z and every parameter of the update
/// in training and in eval mode, and take memory that does not grow with the number of iterations. The layer is a Burn
/// module: it may occur anywhere in a network, also several times, and is saved and loaded with it. Programs are traced once
/// for each set of shapes; clones share the programs and the statistics.
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

impl FixedPointConfig {
    /// Creates the layer of a module.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`Error::Quantized`] for quantized parameters, [`Error::Program`] for parameters on
    /// more than one device.
    pub fn init<M: Module + Update>(&self, update: M) -> Result<FixedPoint<M>, Error> {
        self.validate()?;
        Parameters::of_initialized(&update).validate()?;
        Ok(FixedPoint::new(update, self.clone()))
    }
}

impl<M: Module> FixedPoint<M> {
    fn new(update: M, config: FixedPointConfig) -> Self {
        FixedPoint { update, config, shared: Arc::default() }
    }

    /// Returns the module of the update.
    pub fn update(&self) -> &M {
        &self.update
    }

    /// Returns the module of the update without the layer.
    pub fn into_update(self) -> M {
        self.update
    }

    /// Returns the settings.
    pub fn config(&self) -> &FixedPointConfig {
        &self.config
    }

    /// Replaces the settings, and resets the statistics and the programs.
    ///
    /// # Errors
    /// [`Error::Solve`] for settings outside their range.
    pub fn with_config(self, config: FixedPointConfig) -> Result<Self, Error> {
        config.validate()?;
        Ok(FixedPoint::new(self.update, config))
    }

    /// Returns the counts of this layer and its clones since the last call of [`take_statistics`](Self::take_statistics).
    pub fn statistics(&self) -> Statistics {
        self.shared.journal.statistics().clone()
    }

    /// Returns the [`statistics`](Self::statistics) and resets them.
    pub fn take_statistics(&self) -> Statistics {
        std::mem::take(&mut *self.shared.journal.statistics())
    }

    /// Drops the traces of this layer and its clones: the next call traces the update again.
    ///
    /// Values that the update reads from elsewhere, such as a plain field or a shared counter, are constants of a trace, as
    /// they were at the first call with these shapes. Drop the traces after such a value has changed, or pass the value in as
    /// a part of z.
    pub fn forget_traces(&self) {
        self.shared.traced.clear();
    }

    /// Estimates the memory in bytes of the traces of this layer and its clones, with compiled programs and their workspaces.
    /// [`trace_memory`](crate::FixedPointConfig::trace_memory) bounds it.
    pub fn trace_bytes(&self) -> usize {
        self.shared.traced.bytes()
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
    /// Returns the fixed point, solved from [`Update::start`].
    ///
    /// # Panics
    /// If [`solve`](Self::solve) returns an error.
    pub fn forward(&self, z: M::Input) -> M::State {
        self.solve(z).unwrap_or_else(|error| panic!("{error}")).into_value()
    }

    /// Returns the fixed point, solved from [`Update::start`], with its report.
    ///
    /// # Errors
    /// An update that cannot be traced, a state that changes its shape, and, with [`OnFailure::Error`], rows that do
    /// not converge.
    pub fn solve(&self, z: M::Input) -> Result<Solution<M::State>, Error> {
        let x0 = start_of(&self.update, &z)?;
        self.solve_from(x0, z)
    }

    /// Returns the fixed point, solved from a given start, with its report. x̂ does not depend on `x0`, which has no gradient.
    ///
    /// # Errors
    /// As [`solve`](Self::solve).
    pub fn solve_from(&self, x0: M::State, z: M::Input) -> Result<Solution<M::State>, Error> {
        self.solve_by(x0, z, None, None)
    }

    /// Returns the fixed point, solved from the states cached for samples with these ids, one for each row of the batch, or
    /// from [`Update::start`] for samples without one. Caches x̂ and, once `backward` has run, the adjoints. See
    /// [`WarmStarts`].
    ///
    /// # Errors
    /// As [`solve`](Self::solve); [`Error::Ids`] for another number of ids than rows, [`Error::Remembered`] if the
    /// cached states have other shapes or another dtype, [`Error::Setting`] inside a trace.
    pub fn solve_warm(
        &self,
        z: M::Input,
        ids: &[u64],
        warm: &WarmStarts,
    ) -> Result<Solution<M::State>, Error> {
        let x0 = start_of(&self.update, &z)?;
        self.solve_by(x0, z, Some((warm, ids)), None)
    }

    /// Solves from a start, or from the states cached for samples; an observer may see every step.
    pub(crate) fn solve_by(
        &self,
        x0: M::State,
        z: M::Input,
        samples: Option<(&WarmStarts, &[u64])>,
        observer: Option<&mut Observer<'_, M::State>>,
    ) -> Result<Solution<M::State>, Error> {
        let mut call = self.call(&x0, &z)?;
        let recorded = Value::from(call.x0.clone()).is_placeholder();
        if call.tape.is_some() {
            self.config.validate_adjoint_width(call.x0.dims()[1])?;
        }
        let warm = match samples {
            Some(_) if recorded => return Err(WarmStarts::in_a_trace()),
            None if recorded && observer.is_some() => {
                let expected = "a call outside: inside a trace nothing is solved yet";
                return Err(Error::setting("observer", "given inside a trace", expected));
            }
            None if recorded => {
                self.config.validate_in_a_trace()?;
                let recorded = call.record(&x0, &call.traced.fixed_point)?;
                return Ok(Solution::new(recorded, Report::recorded()));
            }
            Some((warm, ids)) => Some(warm.solve(ids, &call.traced.update.packing)?),
            None => None,
        };
        let warm_rows = warm.as_ref().map_or(Ok(0), |warm| warm.begin(&mut call.x0))?;
        let fixed_point = &call.traced.fixed_point;
        let (solution, inverse) = match (observer, &call.tape) {
            (Some(observer), _) => (call.observed(&x0, observer)?, None),
            (None, Some(_)) => fixed_point.solve_remembered(&call.x0, &call.fixed)?,
            (None, None) => (fixed_point.solve(&call.x0, &call.fixed)?, None),
        };
        self.shared.journal.warmed(warm_rows);
        self.finished(&call, &x0, solution, (warm, inverse))
    }

    /// Reports the solution of a call, and puts it on the tape.
    pub(crate) fn finished(
        &self,
        call: &Call,
        x0: &M::State,
        solution: banach_solve::Solution<Tensor<2>>,
        (mut warm, inverse): (Option<WarmSolve>, Option<SharedInverse>),
    ) -> Result<Solution<M::State>, Error> {
        let report = Report::new(&solution);
        self.shared.journal.solved(&report, self.config.on_failure);
        if let Some(warm) = &mut warm {
            warm.store_states(&solution.value, &report)?;
        }
        let x = match self.config.on_failure {
            OnFailure::Error => solution.into_converged()?,
            OnFailure::Best | OnFailure::Warn | OnFailure::Skip => solution.value,
        };
        let flat = if call.tape.is_some() {
            anchored(self.on_tape(call, x, &report, (warm, inverse))?, &self.shared.release)
        } else {
            x
        };
        let states = call.traced.update.packing.unpack(flat)?;
        Ok(Solution::new(x0.rebuild(&mut states.into_iter())?, report))
    }

    /// Returns the traced program of the update for an input like z.
    ///
    /// # Errors
    /// An update that cannot be traced.
    pub fn program(&self, z: M::Input) -> Result<Program, Error> {
        let x0 = start_of(&self.update, &z)?;
        Ok(self.call(&x0, &z)?.traced.update.program.clone())
    }

    /// Binds the tensors of a call to their trace.
    pub(crate) fn call(&self, x0: &M::State, z: &M::Input) -> Result<Call, Error> {
        Call::new(&self.update, (&self.config, &self.shared), x0, z)
    }

    /// Returns x̂ on the tape, as a function of z and θ.
    fn on_tape(
        &self,
        call: &Call,
        x: Tensor<2>,
        report: &Report,
        (warm, inverse): (Option<WarmSolve>, Option<SharedInverse>),
    ) -> Result<Tensor<2>, Error> {
        let failed = failed_rows(&report.residuals);
        let joined = match self.config.gradient {
            Gradient::Unrolled { steps } => call.unrolled(x.clone(), &failed, steps)?,
            Gradient::Implicit | Gradient::Shine { .. } => {
                let (log, config) = (report.adjoint_log(), self.config.clone());
                let settings = config.coupled(&report.outcomes, &report.relative);
                let solve = move |v: &Tensor<2>, adjoint: &Resolvent, q: &[Value]| {
                    let guess = warm.as_ref().map_or(Ok(None), |warm| warm.guess(v))?;
                    let (c, report) = match &inverse {
                        Some(inverse) => inverse.adjoint(v, adjoint, q, &config)?,
                        None => {
                            adjoint.solve(LinearSystem::new(v, q).with_guess(guess.as_ref()), &settings)?
                        }
                    };
                    if let Some(warm) = &warm {
                        warm.store_adjoints(&c, &report)?;
                    }
                    Ok((c, report))
                };
                self.implicit(call, x.clone(), &failed, solve, move |report| locked(&log).push(report))?
            }
        };
        if self.config.on_failure != OnFailure::Skip {
            return Ok(joined);
        }
        let failed: Vec<bool> = report.outcomes.iter().map(|outcome| outcome.is_failure()).collect();
        self.shared.journal.skipped(&failed);
        Ok(select_rows(&failed, call.leaf(x), joined))
    }

    /// Returns x on the tape by the implicit function theorem, as if it were the solution; failed rows have no gradient.
    pub(crate) fn implicit(
        &self,
        call: &Call,
        x: Tensor<2>,
        failed: &[bool],
        solve: impl Fn(&Tensor<2>, &Resolvent, &[Value]) -> Adjoint + Send + Sync + 'static,
        log: impl Fn(AdjointReport) + Send + Sync + 'static,
    ) -> Result<Tensor<2>, Error> {
        if !failed.is_empty() && !failed.contains(&false) {
            return Ok(call.leaf(x)); // There is nothing to differentiate.
        }
        let (point, tape) = (call.point(&x), call.tape.iter().flatten().cloned().collect());
        let (shared, on_failure) = (Arc::clone(&self.shared), self.config.on_failure);
        call.traced.fixed_point.on_tape(tape, point, failed, solve, move |report| {
            shared.release.reset();
            shared.journal.pulled_back(&report, on_failure);
            log(report);
        })
    }
}
