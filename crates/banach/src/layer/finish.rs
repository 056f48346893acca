//! The end of a call: the report of its solution, and the solution on the tape.
//!
//! Nothing here knows the module, so that one copy of the code serves all layers.

use crate::calculus::attach::anchored;
use crate::calculus::resolvent::Resolvent;
use crate::calculus::shine::SharedInverse;
use crate::calculus::tape::AdjointSolve;
use crate::engine::linear_system::LinearSystem;
use crate::error::Error;
use crate::layer::call::Call;
use crate::layer::warm::{WarmSolve, WarmStarts};
use crate::settings::configuration::OnFailure;
use crate::settings::gradient::Gradient;
use crate::settings::lock::locked;
use crate::settings::report::{AdjointReport, Report};
use crate::tracing::row_substitution::{failed_rows, select_rows};
use banach_program::Value;
use burn::tensor::Tensor;
use std::sync::Arc;

/// A solve that shows every iterate to an observer.
pub(crate) type ObservedSolve<'a> =
    &'a mut dyn FnMut(&Call) -> Result<banach_solve::Solution<Tensor<2>>, Error>;

impl Call {
    /// Solves from the start, or from the states cached for samples, and returns the states and the report.
    pub(crate) fn solved(
        mut self,
        samples: Option<(&WarmStarts, &[u64])>,
        observed: Option<ObservedSolve<'_>>,
    ) -> Result<(Vec<Value>, Report), Error> {
        let warm = samples.map(|(warm, ids)| warm.solve(ids, &self.traced.update.packing)).transpose()?;
        let warm_rows = warm.as_ref().map_or(Ok(0), |warm| warm.begin(&mut self.x0))?;
        let fixed_point = &self.traced.fixed_point;
        let (solution, inverse) = match (observed, &self.tape) {
            (Some(observed), _) => (observed(&self)?, None),
            (None, Some(_)) => fixed_point.solve_remembered(&self.x0, &self.fixed)?,
            (None, None) => (fixed_point.solve(&self.x0, &self.fixed)?, None),
        };
        self.shared.journal.warmed(warm_rows);
        self.finished(solution, (warm, inverse))
    }

    /// Reports a solution, and returns its states, on the tape if the inputs are.
    pub(crate) fn finished(
        &self,
        solution: banach_solve::Solution<Tensor<2>>,
        (mut warm, inverse): (Option<WarmSolve>, Option<SharedInverse>),
    ) -> Result<(Vec<Value>, Report), Error> {
        let (report, on_failure) = (Report::new(&solution), self.config().on_failure);
        self.shared.journal.solved(&report, on_failure);
        if let Some(warm) = &mut warm {
            warm.store_states(&solution.value, &report)?;
        }
        let x = match on_failure {
            OnFailure::Error => solution.into_converged()?,
            OnFailure::Best | OnFailure::Warn | OnFailure::Skip => solution.value,
        };
        let flat = if self.tape.is_some() {
            anchored(self.on_tape(x, &report, (warm, inverse))?, &self.shared.release)
        } else {
            x
        };
        Ok((self.traced.update.packing.unpack(flat)?, report))
    }

    /// Returns x̂ on the tape, as a function of z and θ.
    fn on_tape(
        &self,
        x: Tensor<2>,
        report: &Report,
        (warm, inverse): (Option<WarmSolve>, Option<SharedInverse>),
    ) -> Result<Tensor<2>, Error> {
        let failed = failed_rows(&report.residuals);
        let joined = match self.config().gradient {
            Gradient::Unrolled { steps } => self.unrolled(x.clone(), &failed, steps)?,
            Gradient::Implicit | Gradient::Shine { .. } => {
                let (log, config) = (report.adjoint_log(), self.config().clone());
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
                let log = move |report| locked(&log).push(report);
                self.implicit(x.clone(), &failed, Box::new(solve), Box::new(log))?
            }
        };
        if self.config().on_failure != OnFailure::Skip {
            return Ok(joined);
        }
        let failed: Vec<bool> = report.outcomes.iter().map(|outcome| outcome.is_failure()).collect();
        self.shared.journal.skipped(&failed);
        Ok(select_rows(&failed, self.leaf(x), joined))
    }

    /// Returns x on the tape by the implicit function theorem, as if it were the solution; failed rows have no gradient.
    pub(crate) fn implicit(
        &self,
        x: Tensor<2>,
        failed: &[bool],
        solve: AdjointSolve,
        log: Box<dyn Fn(AdjointReport) + Send + Sync>,
    ) -> Result<Tensor<2>, Error> {
        if !failed.is_empty() && !failed.contains(&false) {
            return Ok(self.leaf(x)); // There is nothing to differentiate.
        }
        let (point, tape) = (self.point(&x), self.tape.iter().flatten().cloned().collect());
        let (shared, on_failure) = (Arc::clone(&self.shared), self.config().on_failure);
        let report = move |report| {
            shared.release.reset();
            shared.journal.pulled_back(&report, on_failure);
            log(report);
        };
        self.traced.fixed_point.on_tape(tape, point, failed, solve, Box::new(report))
    }
}
