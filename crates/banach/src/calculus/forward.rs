//! Forward solves of a fixed point: in one precision or two, observed, and with what SHINE needs.

use crate::calculus::implicit::FixedPointOp;
use crate::calculus::shine::SharedInverse;
use crate::error::Error;
use crate::settings::configuration::FixedPointConfig;
use crate::settings::gradient::Gradient;
use crate::settings::precision::{Precision, all_lowered, in_both, lowered, single};
use banach_program::Value;
use banach_solve::{
    FixedPointSolver, Handover, Map, Progress, Settings, Solution, Unobserved, fixed_point_observed,
    fixed_point_remembered,
};
use burn::tensor::Tensor;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;
use web_time::Instant;

impl FixedPointOp {
    /// Solves as [`solve`](Self::solve) does, and returns what SHINE needs of the solve.
    pub(crate) fn solve_remembered(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
    ) -> Result<(Solution<Tensor<2>>, Option<SharedInverse>), Error> {
        let (Gradient::Shine { refinement, limit }, FixedPointSolver::Broyden(broyden)) =
            (self.config.gradient, &self.config.forward.solver)
        else {
            return Ok((self.solve(x0, q)?, None));
        };
        let g = self.iteration.on_device(q, &x0.device())?;
        let (solution, memory) =
            fixed_point_remembered(&g, x0, broyden, &self.config.forward, &mut Unobserved)?;
        let solution = g.failure.checked(solution)?;
        Ok((solution, Some(SharedInverse { memory, refinement, limit })))
    }

    /// Solves `x = g(x, q)` from `x0`.
    pub(crate) fn solve(&self, x0: &Tensor<2>, q: &[Value]) -> Result<Solution<Tensor<2>>, Error> {
        let settings = &self.config.forward;
        let Some(single) = self.single()? else { return self.solve_by(x0, q, settings) };
        let coarse = |settings: &_| single.solve_once(&lowered(x0), &all_lowered(q), settings);
        in_both(settings, x0, coarse, |x0, settings| self.solve_by(x0, q, settings))
    }

    /// Solves on the device of the tensors. In every step an observer sees the point at which g was evaluated; solvers
    /// without a line search evaluate g only at their iterates.
    pub(crate) fn solve_observed(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
        observer: &mut dyn FnMut(&Tensor<2>, &Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        let g = self.iteration.on_device(q, &x0.device())?;
        let map = Watched { map: &g, point: RefCell::new(x0.clone()) };
        let mut seen = |progress: &Progress<'_>| observer(&map.point.borrow(), progress);
        g.failure.checked(fixed_point_observed(&map, x0, &self.config.forward, &mut seen)?)
    }

    /// Returns the fixed point in single precision, if solves begin there.
    fn single(&self) -> Result<Option<&FixedPointOp>, Error> {
        self.single.get(self.config.precision, &self.g, |g| {
            let config = FixedPointConfig { precision: Precision::Stated, ..self.config.clone() };
            let energy = self.energy.as_ref().map(single).transpose()?;
            Ok(FixedPointOp::new(g, config, Arc::clone(&self.journal)).with_energy(energy))
        })
    }

    /// Solves in one precision. The Jacobian is compiled when [`Auto`](banach_solve::Auto) first leaves a row unsolved
    /// without it.
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

    /// Solves without a handover: by Newton's method only if the settings say so.
    fn solve_once(
        &self,
        x0: &Tensor<2>,
        q: &[Value],
        settings: &Settings<FixedPointSolver>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        let newton = matches!(settings.solver, FixedPointSolver::Newton(_));
        let iteration = if newton { self.newton() } else { &self.iteration };
        iteration.fixed_point(x0, q, settings)
    }
}

/// A map, and the point at which it was last evaluated.
struct Watched<'a, M> {
    map: &'a M,
    point: RefCell<Tensor<2>>,
}

impl<M: Map<Tensor<2>>> Map<Tensor<2>> for Watched<'_, M> {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        self.image_and_energy(x).0
    }

    fn image_and_energy(&self, x: &Tensor<2>) -> (Tensor<2>, Option<Vec<f64>>) {
        self.point.replace(x.clone());
        self.map.image_and_energy(x)
    }
}
