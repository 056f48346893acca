//! Forward solves of a fixed point: native or on the device, in one precision or two.

use crate::calculus::implicit::Fix;
use crate::calculus::resolvent::LoopBody;
use crate::engine::native::{NativeLoop, NativeSmooth};
use crate::engine::runner::on_host;
use crate::engine::smooth::SmoothLoop;
use crate::error::Error;
use crate::settings::configuration::{Engine, FixedPointConfig};
use crate::settings::gradient::{Gradient, Inverse};
use crate::settings::precision::{Precision, all_lowered, in_both, lowered, single};
use banach_program::Value;
use banach_solve::{
    FixedPointSolver, Handover, Map, Progress, Settings, Solution, Unobserved, fixed_point,
    fixed_point_observed, fixed_point_remembered, fixed_point_smooth,
};
use burn::tensor::Tensor;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

impl Fix {
    /// [`solve`](Self::solve), and what SHINE needs of the way.
    pub(crate) fn solve_remembered(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
    ) -> Result<(Solution<Tensor<2>>, Option<Inverse>), Error> {
        let (Gradient::Shine { refinement, limit }, FixedPointSolver::Broyden(broyden)) =
            (self.config.gradient, &self.config.forward.solver)
        else {
            return Ok((self.solve(x0, q)?, None));
        };
        let body = LoopBody::new(&self.forward, q, &x0.device())?;
        let (solution, memory) =
            fixed_point_remembered(&body, x0, broyden, &self.config.forward, &mut Unobserved)?;
        let solution = body.failed.checked(solution)?;
        Ok((solution, Some(Inverse { memory, refinement, limit })))
    }

    /// Solves `x = g(x, q)` from `x0`.
    pub(crate) fn solve(&self, x0: &Tensor<2>, q: &[Value]) -> Result<Solution<Tensor<2>>, Error> {
        let settings = &self.config.forward;
        let Some(single) = self.single()? else { return self.solve_by(x0, q, settings) };
        let roughly = |settings: &_| single.solve_once(&lowered(x0), &all_lowered(q), settings);
        in_both(settings, x0, roughly, |x0, settings| self.solve_by(x0, q, settings))
    }

    /// [`solve`](Self::solve) on the device of the tensors, where an observer sees the point at which g was evaluated in
    /// every step. Solvers without a line search evaluate g at their iterates alone.
    pub(crate) fn solve_observed(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
        observer: &mut dyn FnMut(&Tensor<2>, &Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        let body = LoopBody::new(&self.forward, q, &x0.device())?;
        let map = Watched { body: &body, iterate: RefCell::new(x0.clone()) };
        let mut seen = |progress: &Progress<'_>| observer(&map.iterate.borrow(), progress);
        body.failed.checked(fixed_point_observed(&map, x0, &self.config.forward, &mut seen)?)
    }

    /// The same in single precision, if solves begin there.
    fn single(&self) -> Result<Option<&Fix>, Error> {
        self.single.get(self.config.precision, &self.g, |g| {
            let config = FixedPointConfig { precision: Precision::Stated, ..self.config.clone() };
            let energy = self.energy.as_ref().map(single).transpose()?;
            Ok(Fix::new(g, config, Arc::clone(&self.journal)).with_energy(energy))
        })
    }

    /// The same in one precision, by these settings. Only rows that [`Auto`](banach_solve::Auto) does not solve without a derivative
    /// cost one: it is compiled when the first of them comes.
    fn solve_by(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
        settings: &Settings<FixedPointSolver>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        let started = Instant::now();
        let first = self.solve_once(x0, q, settings)?;
        let Some(handover) = Handover::new(&first, settings, started) else { return Ok(first) };
        let second = self.solve_once(x0, q, handover.settings())?;
        Ok(handover.joined(first, second))
    }

    /// The same without a handover: the derivative is used by Newton's method alone.
    fn solve_once(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
        settings: &Settings<FixedPointSolver>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        let native = self.config.engine == Engine::Native && on_host(x0, q);
        let newton = matches!(settings.solver, FixedPointSolver::Newton(_));
        let convolution = self.config.convolution;
        let solution = if native && newton {
            let new = || NativeSmooth::new(&self.g, self.energy.as_ref(), self.derivative(), convolution);
            self.native_smooth.get_or_init(new).fixed_point(x0, q, settings)?
        } else if native {
            self.native
                .get_or_init(|| NativeLoop::new(&self.forward, convolution))
                .fixed_point(x0, q, settings)?
        } else {
            None
        };
        if let Some(solution) = solution {
            return Ok(solution);
        }
        let body = LoopBody::new(&self.forward, q, &x0.device())?;
        if !newton {
            return body.failed.checked(fixed_point(&body, x0, settings)?);
        }
        let map = SmoothLoop { body, derivative: self.derivative(), q };
        map.body.failed.checked(fixed_point_smooth(&map, x0, settings)?)
    }
}

/// A loop, and the point at which it was last asked for.
struct Watched<'a> {
    body: &'a LoopBody<'a>,
    iterate: RefCell<Tensor<2>>,
}

impl Map<Tensor<2>> for Watched<'_> {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        self.image_and_energy(x).0
    }

    fn image_and_energy(&self, x: &Tensor<2>) -> (Tensor<2>, Option<Vec<f64>>) {
        self.iterate.replace(x.clone());
        self.body.image_and_energy(x)
    }
}
