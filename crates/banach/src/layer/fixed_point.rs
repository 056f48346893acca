//! The fixed-point layer: a Burn module whose forward is the fixed point of another module.

use crate::error::Error;
use crate::layer::call::Call;
use crate::layer::shared::Shared;
use crate::layer::step::Observer;
use crate::layer::warm::WarmStarts;
use crate::settings::configuration::FixedPointConfig;
use crate::settings::report::{Report, Solution, Statistics};
use crate::tracing::fingerprint::fingerprint;
use crate::tracing::parameters::Parameters;
use crate::tracing::update::{Update, start_of};
use crate::tracing::update_fn::UpdateFn;
use banach_program::{Program, Tensors};
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
    /// The fingerprint of the configuration, which is taken once: to print thirty numbers takes longer than a small solve.
    #[module(skip)]
    pub(super) settings: u64,
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
        let settings = fingerprint(&config);
        FixedPoint { update, config, settings, shared: Arc::default() }
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
    /// An update that cannot be traced, a state that changes its shape, and, with [`OnFailure::Error`](crate::OnFailure::Error), rows that do
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
        let call = self.call(&x0, &z)?;
        call.validate(samples.is_some(), observer.is_some())?;
        if call.is_recorded() {
            let recorded = call.record(&x0, &call.traced.fixed_point)?;
            return Ok(Solution::new(recorded, Report::recorded()));
        }
        let (states, report) = match observer {
            Some(observer) => call.solved(samples, Some(&mut |call| call.observed(&x0, observer)))?,
            None => call.solved(samples, None)?,
        };
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
}
