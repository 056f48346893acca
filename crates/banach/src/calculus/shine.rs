//! SHINE: the adjoint from the inverse that Broyden's method has learnt in the forward solve.

use crate::calculus::resolvent::Resolvent;
use crate::engine::linear_system::LinearSystem;
use crate::error::Error;
use crate::settings::configuration::FixedPointConfig;
use crate::settings::report::AdjointReport;
use banach_program::Value;
use banach_solve::{BroydenMemory, Rows as _, Settings};
use burn::tensor::Tensor;

/// The inverse of a forward solve, as [`Gradient::Shine`](crate::Gradient::Shine) uses it.
#[derive(Debug)]
pub(crate) struct SharedInverse {
    pub(crate) memory: BroydenMemory<Tensor<2>>,
    pub(crate) refinement: usize,
    pub(crate) limit: f64,
}

impl SharedInverse {
    /// Returns the adjoint of v: the product of the transposed inverse with v, refined by steps of the adjoint solver.
    pub(crate) fn adjoint(
        &self,
        v: &Tensor<2>,
        resolvent: &Resolvent,
        q: &[Value],
        config: &FixedPointConfig,
    ) -> Result<(Tensor<2>, AdjointReport), Error> {
        let mut c = self.memory.adjoint(v);
        let norms = Tensor::norms(&[&c, v]);
        let trusted = |row: usize| norms[0][row] <= self.limit * norms[1][row];
        let doubted: Vec<bool> = (0..v.dims()[0]).map(|row| !trusted(row)).collect();
        c.replace(&doubted, v);
        if self.refinement == 0 {
            return Ok((c, AdjointReport::shared_inverse(v.dims()[0])));
        }
        let mut settings: Settings<_> = config.adjoint.clone();
        settings.budget.steps = self.refinement;
        let solution = resolvent.solve_by(LinearSystem::new(v, q).with_guess(Some(&c)), &settings)?;
        let mut report = AdjointReport::new(&settings.solver, &solution);
        report.refined();
        resolvent.refuse(&report)?;
        Ok((solution.value, report))
    }
}
