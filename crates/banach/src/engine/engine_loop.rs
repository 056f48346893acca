//! A loop on the engine that its tensors and its operations allow.

use crate::engine::device_loop::DeviceLoop;
use crate::engine::linear_system::LinearSystem;
use crate::engine::native_loop::{NativeLoop, compile};
use crate::engine::programs::LoopPrograms;
#[cfg(feature = "remote")]
use crate::engine::remote_loop::RemoteLoop;
use crate::error::Error;
use crate::settings::configuration::{Convolution, Engine};
use crate::settings::lock::locked;
use crate::tracing::cache::Bytes;
use banach_program::Value;
use banach_solve::{
    FixedPointSolver, LinearSolver, Rows as _, Settings, Solution, Unobserved, fixed_point,
    fixed_point_deferred, fixed_point_smooth, solve_linear_deferred, solve_linear_from,
};
use burn::tensor::{Device, Tensor};
use std::sync::{Mutex, OnceLock};

/// The programs of a loop, compiled when the native engine first needs them.
#[derive(Debug)]
pub(crate) struct EngineLoop {
    pub(crate) programs: LoopPrograms,
    engine: Engine,
    convolution: Convolution,
    /// None if the native engine does not support one of the operations.
    native: OnceLock<Option<Box<dyn NativeLoop>>>,
    /// The most steps of a row in the last solve on a device that is not this machine's processor.
    last_steps: Mutex<Option<usize>>,
    #[cfg(feature = "remote")]
    remote: RemoteLoop,
}

impl Bytes for EngineLoop {
    fn bytes(&self) -> usize {
        self.programs.bytes() + self.native.bytes()
    }
}

impl EngineLoop {
    pub(crate) fn new(programs: LoopPrograms, engine: Engine, convolution: Convolution) -> Self {
        EngineLoop {
            programs,
            engine,
            convolution,
            native: OnceLock::new(),
            last_steps: Mutex::default(),
            #[cfg(feature = "remote")]
            remote: RemoteLoop::default(),
        }
    }

    /// Solves `x = g(x, q)`, by Newton's method if the programs have a Jacobian; with few waits on a device that is not
    /// this machine's processor.
    pub(crate) fn fixed_point(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
        settings: &Settings<FixedPointSolver>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        if let Some(native) = self.native(x0, q) {
            return native.fixed_point(x0, q, settings);
        }
        let settings = &attainable(settings, x0);
        #[cfg(feature = "remote")]
        if self.engine == Engine::Native
            && let Some(solution) =
                self.remote.fixed_point((&self.programs, self.convolution), x0, q, settings)?
        {
            return Ok(solution);
        }
        let g = self.on_device(q, &x0.device())?;
        g.failure.checked(match self.programs.jacobian {
            Some(_) => fixed_point_smooth(&g, x0, settings)?,
            None if is_on_host(x0) || self.programs.has_energy() => fixed_point(&g, x0, settings)?,
            None => self.remembered(fixed_point_deferred(&g, x0, settings, self.expected())?),
        })
    }

    /// Solves a linear system `c = A(q) c + b`, with A as the map of the loop.
    pub(crate) fn linear(
        &self,
        system: LinearSystem<'_>,
        settings: &Settings<LinearSolver>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        let LinearSystem { b, guess, q } = system;
        if let Some(native) = self.native(b, q) {
            return native.linear(system, settings);
        }
        let settings = &attainable(settings, b);
        #[cfg(feature = "remote")]
        if self.engine == Engine::Native
            && let Some(solution) =
                self.remote.linear((&self.programs, self.convolution), system, settings)?
        {
            return Ok(solution);
        }
        let a = self.on_device(q, &b.device())?;
        a.failure.checked(match is_on_host(b) {
            true => solve_linear_from(&a, b, guess, settings, &mut Unobserved)?,
            false => self.remembered(solve_linear_deferred(&a, b, guess, settings, self.expected())?),
        })
    }

    /// The steps that the next solve will probably take.
    fn expected(&self) -> Option<usize> {
        *locked(&self.last_steps)
    }

    fn remembered(&self, solution: Solution<Tensor<2>>) -> Solution<Tensor<2>> {
        *locked(&self.last_steps) = solution.statistics.steps.iter().max().copied();
        solution
    }

    /// Runs the prologue on a device.
    pub(crate) fn on_device(&self, q: &[Value], device: &Device) -> Result<DeviceLoop<'_>, Error> {
        DeviceLoop::new(&self.programs, q, device)
    }

    /// Returns the native loop if all tensors are in the memory of this machine.
    fn native(&self, x: &Tensor<2>, q: &[Value]) -> Option<&dyn NativeLoop> {
        if self.engine == Engine::Device || !is_on_host(x) || !q.iter().all(Value::is_on_host) {
            return None;
        }
        let compiled = || match compile(&self.programs, self.convolution) {
            Ok(native) => Some(native),
            Err(reason) => {
                log::info!(
                    target: "banach",
                    "a loop runs on the device, not on the native engine: {reason}. (Logged once for each loop.)"
                );
                None
            }
        };
        self.native.get_or_init(compiled).as_deref()
    }
}

/// Returns the settings with a tolerance that the precision of the state can reach, if the tolerance is the default.
fn attainable<S: Clone>(settings: &Settings<S>, x: &Tensor<2>) -> Settings<S> {
    settings.clone().with_tolerance(settings.tolerance.attainable(x.precision()))
}

/// Returns whether a tensor is in the memory of this machine.
fn is_on_host(x: &Tensor<2>) -> bool {
    Value::from(x.clone()).is_on_host()
}
