//! A fixed point on Burn's tape: incoming cotangents become adjoints, and adjoints the cotangents of its inputs.

use crate::calculus::implicit::Fix;
use crate::calculus::known_rows::KnownRows;
use crate::calculus::pullback::join_inputs;
use crate::calculus::resolvent::Resolvent;
use crate::error::Error;
use crate::settings::configuration::OnFailure;
use crate::settings::report::AdjointReport;
use crate::tracing::lost::chosen;
use banach_program::Value;
use burn::tensor::Tensor;
use std::sync::Arc;

impl Fix {
    /// The adjoint of the cotangent v and the cotangents of inputs, as [`Backward::cotangents`] gives them.
    pub(crate) fn cotangents(
        &self,
        v: &Tensor<2>,
        point: &[Value],
        positions: &[usize],
    ) -> Result<(Tensor<2>, Vec<Value>, AdjointReport), Error> {
        self.backward
            .cotangents(point, positions, |adjoint, q| adjoint.solve(v, None, q, &self.config.adjoint))
    }

    /// The adjoint c of a cotangent v at a point `(x, q..)`.
    pub(crate) fn adjoint(&self, v: &Tensor<2>, point: &[Value]) -> Result<Tensor<2>, Error> {
        let (resolvent, coefficients) = self.resolvent_at(point)?;
        Ok(resolvent.transposed().solve(v, None, &coefficients, &self.config.adjoint)?.0)
    }

    /// `x` as it depends on `q`, which is on the tape: v becomes the adjoint c on its way back. The derivatives are taken
    /// at `point`, which is `(x, q..)` off the tape, and lost rows have none. Where the samples are known, c is solved for
    /// from what is remembered of them.
    pub(crate) fn on_tape(
        &self,
        x: Tensor<2>,
        q: Vec<Value>,
        point: Vec<Value>,
        KnownRows { lost, visit, reached, inverse }: KnownRows,
        report: impl Fn(AdjointReport) + Send + Sync + 'static,
    ) -> Result<Tensor<2>, Error> {
        self.config.validate_adjoint_width(x.dims()[1])?;
        let (backward, config) = (Arc::clone(&self.backward), self.config.clone());
        let settings = reached.map_or_else(
            || config.adjoint.clone(),
            |(outcomes, relative)| config.coupled(&outcomes, &relative),
        );
        join_inputs(x, q, None, move |v, positions| {
            let v = match &lost {
                Some(lost) => chosen(lost, v.zeros_like(), v),
                None => v,
            };
            let guess = visit.as_ref().map_or(Ok(None), |visit| visit.guess(&v))?;
            let solve = |adjoint: &Resolvent, q: &[Value]| {
                let (mut c, report) = match &inverse {
                    Some(inverse) => inverse.adjoint(&v, adjoint, q, &config)?,
                    None => adjoint.solve(&v, guess.as_ref(), q, &settings)?,
                };
                if let Some(visit) = &visit {
                    visit.remember_adjoints(&c, &report)?;
                }
                if config.on_failure == OnFailure::Skip {
                    c = chosen(&report.failed(), c.zeros_like(), c);
                }
                Ok((c, report))
            };
            let (c, cotangents, found) = backward.cotangents(&point, positions, solve)?;
            report(found);
            Ok((c, cotangents))
        })
    }
}
