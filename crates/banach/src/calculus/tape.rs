//! A fixed point on Burn's tape: cotangents of x̂ become adjoints, and adjoints become cotangents of the inputs.

use crate::calculus::implicit::FixedPointOp;
use crate::calculus::pullback::join_inputs;
use crate::calculus::resolvent::Resolvent;
use crate::engine::linear_system::LinearSystem;
use crate::error::Error;
use crate::settings::configuration::OnFailure;
use crate::settings::report::AdjointReport;
use crate::tracing::row_substitution::{RowSubstitution, zero_rows};
use banach_program::Value;
use burn::tensor::Tensor;
use std::sync::Arc;

/// The adjoint and the report of its solve.
pub(crate) type Adjoint = Result<(Tensor<2>, AdjointReport), Error>;

/// Solves for the adjoint of a cotangent v by a resolvent with coefficients.
pub(crate) type AdjointSolve = Box<dyn Fn(&Tensor<2>, &Resolvent, &[Value]) -> Adjoint + Send + Sync>;

impl FixedPointOp {
    /// Returns the adjoint of the cotangent v and the cotangents of inputs, as [`Backward::cotangents`] does.
    pub(crate) fn cotangents(
        &self,
        v: &Tensor<2>,
        point: &[Value],
        positions: &[usize],
    ) -> Result<(Tensor<2>, Vec<Value>, AdjointReport), Error> {
        self.backward.cotangents(point, positions, &|adjoint, q| self.solve_adjoint(v, adjoint, q))
    }

    /// Solves for the adjoint of the cotangent v as configured.
    pub(crate) fn solve_adjoint(&self, v: &Tensor<2>, adjoint: &Resolvent, q: &[Value]) -> Adjoint {
        adjoint.solve(LinearSystem::new(v, q), &self.config.adjoint)
    }

    /// Returns the adjoint c of a cotangent v at a point `(x, q..)`.
    pub(crate) fn adjoint(&self, v: &Tensor<2>, point: &[Value]) -> Result<Tensor<2>, Error> {
        let (resolvent, coefficients) = self.resolvent_at(point)?;
        Ok(self.solve_adjoint(v, &resolvent.transposed(), &coefficients)?.0)
    }

    /// Returns x as a function of q, which is on the tape. Derivatives are taken at the point `(x, q..)`, which is off the tape;
    /// failed rows have none. `solve` solves for the adjoint of a cotangent v.
    pub(crate) fn on_tape(
        &self,
        q: Vec<Value>,
        mut point: Vec<Value>,
        failed: &[bool],
        solve: AdjointSolve,
        report: Box<dyn Fn(AdjointReport) + Send + Sync>,
    ) -> Result<Tensor<2>, Error> {
        let x: Tensor<2> = point[0].clone().try_into_tensor()?;
        self.config.validate_adjoint_width(x.dims()[1])?;
        let substitution = RowSubstitution::new(failed);
        if let Some(substitution) = &substitution {
            point = substitution.apply(self.per_row(), point)?;
        }
        let (backward, on_failure) = (Arc::clone(&self.backward), self.config.on_failure);
        let back = move |v, positions: &[usize]| {
            let v = match &substitution {
                Some(substitution) => zero_rows(substitution.failed(), v),
                None => v,
            };
            let adjoint = |resolvent: &Resolvent, q: &[Value]| {
                let (c, found) = solve(&v, resolvent, q)?;
                let skip = on_failure == OnFailure::Skip;
                Ok((if skip { zero_rows(&found.failed(), c) } else { c }, found))
            };
            let (c, cotangents, found) = backward.cotangents(&point, positions, &adjoint)?;
            report(found);
            Ok((c, cotangents))
        };
        join_inputs(x, q, None, Box::new(back))
    }
}
