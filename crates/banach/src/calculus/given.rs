//! Fixed points that the user gives: the start is the solution, and its residual is measured.

use crate::calculus::implicit::FixedPointOp;
use crate::error::Error;
use crate::settings::configuration::FixedPointConfig;
use crate::settings::precision::Precision;
use banach_program::Value;
use banach_solve::{FixedPointProblem, FixedPointSolver, Settings, Solution, UserSolver};
use burn::tensor::Tensor;
use std::sync::Arc;

/// The solver that takes the start as the solution.
#[derive(Debug)]
struct Given;

impl UserSolver for Given {
    fn name(&self) -> &'static str {
        "given"
    }

    fn solve(&self, problem: &mut FixedPointProblem<'_>) -> Result<(), banach_solve::Error> {
        let start = problem.start().clone();
        problem.evaluate(&start).map(|_| ())
    }
}

impl FixedPointOp {
    fn given_settings(&self) -> Settings<FixedPointSolver> {
        Settings { solver: Given.into(), ..self.config.forward.clone() }
    }

    /// Measures the residual of x, the solution that the user gives.
    pub(crate) fn examine(&self, x: &Tensor<2>, q: &[Value]) -> Result<Solution<Tensor<2>>, Error> {
        self.iteration.fixed_point(x, q, &self.given_settings())
    }

    /// Returns the fixed point that is given as its start, for programs.
    pub(crate) fn given(&self) -> &Arc<FixedPointOp> {
        self.given.get_or_init(|| {
            let (forward, precision) = (self.given_settings(), Precision::Stated);
            let config = FixedPointConfig { forward, precision, ..self.config.clone() };
            let given = FixedPointOp::new(self.g.clone(), config, Arc::clone(&self.journal));
            Arc::new(given.with_energy(self.energy.clone()))
        })
    }
}
