//! The backward pass of a fixed point: the adjoint solve, and the cotangents of the inputs.
//!
//! Both need the coefficients of the derivative at one point, which are computed once.

use crate::calculus::resolvent::Resolvent;
use crate::calculus::sound_rows::{UnsoundPullback, all_finite};
use crate::engine::runner::Runner;
use crate::error::Error;
use crate::settings::configuration::{FixedPointConfig, OnFailure};
use crate::settings::journal::Journal;
use crate::settings::report::AdjointReport;
use crate::tracing::cache::{Bytes, Cache};
use crate::tracing::row_substitution::rows_of_inputs;
use banach_program::{Program, Value, hoist, simplify, vjp};
use banach_solve::Outcome;
use burn::tensor::Tensor;
use std::sync::Arc;

/// The adjoint by a resolvent with coefficients, and the report of its solve.
type AdjointAt<'a> = dyn Fn(&Resolvent, &[Value]) -> Result<(Tensor<2>, AdjointReport), Error> + 'a;

/// The backward passes of `x = g(x, q)`, one for every choice of inputs, created when first needed.
#[derive(Debug)]
pub(crate) struct Backward {
    g: Program,
    config: FixedPointConfig,
    journal: Arc<Journal>,
    passes: Cache<Vec<usize>, Pass>,
}

impl Bytes for Backward {
    fn bytes(&self) -> usize {
        self.g.bytes() + self.passes.bytes()
    }
}

/// One backward pass, in the order in which it runs.
#[derive(Debug)]
struct Pass {
    /// `(x, q..)` to the coefficients of the derivatives.
    coefficients: Runner,
    /// `(I - Jᵀ)⁻¹`, with these coefficients.
    adjoint: Resolvent,
    /// `(c, coefficients..)` to the cotangents of the inputs.
    pullback: Runner,
}

impl Bytes for Pass {
    fn bytes(&self) -> usize {
        self.coefficients.bytes() + self.adjoint.bytes() + self.pullback.bytes()
    }
}

impl Backward {
    pub(crate) fn new(g: Program, config: FixedPointConfig, journal: Arc<Journal>) -> Self {
        Backward { g, config, journal, passes: Cache::default() }
    }

    /// Returns the adjoint c that `solve` gives, the cotangents `(∂g/∂q)ᵀ c` of the inputs at these positions, and the report
    /// of the solve, at a point `(x, q..)`. Rows whose cotangents are not finite are left out.
    pub(crate) fn cotangents(
        &self,
        point: &[Value],
        positions: &[usize],
        solve: &AdjointAt<'_>,
    ) -> Result<(Tensor<2>, Vec<Value>, AdjointReport), Error> {
        let mut new = |positions: &Vec<usize>| Ok::<_, Error>(self.pass(positions));
        let pass = self.passes.get_or_insert(positions.to_vec(), self.config.trace_memory, &mut new)?;
        let coefficients = pass.coefficients.call(point.to_vec())?;
        let (c, mut report) = solve(&pass.adjoint, &coefficients)?;
        let pulled = |c: &Tensor<2>, coefficients: Vec<Value>| {
            pass.pullback.call(std::iter::once(c.clone().into()).chain(coefficients).collect())
        };
        let mut cotangents = if positions.is_empty() { vec![] } else { pulled(&c, coefficients)? };
        if !all_finite(&cotangents) {
            let per_row = rows_of_inputs(&self.g);
            let pullback = UnsoundPullback { point, per_row: &per_row, c: &c };
            let doubtful: Vec<bool> =
                report.outcomes.iter().map(|outcome| *outcome == Outcome::NonFinite).collect();
            let found = pullback
                .without_unsound_rows(&doubtful, &|point, c| pulled(&c, pass.coefficients.call(point)?))?;
            (cotangents, report.non_finite) = (found.cotangents, found.left_out);
            if self.config.on_failure == OnFailure::Error {
                report.check()?;
            }
        }
        Ok((c, cotangents, report))
    }

    fn pass(&self, positions: &[usize]) -> Pass {
        let all: Vec<usize> = std::iter::once(0).chain(positions.iter().copied()).collect();
        let pulled = vjp(&self.g, &all);
        let cotangents: Vec<usize> = (1..=all.len()).collect();
        let pulled = simplify(&pulled.with_outputs(&cotangents));
        let parts = hoist(&pulled, &[self.g.inputs().len()]);
        let (engine, convolution) = (self.config.engine, self.config.convolution);
        let of_inputs: Vec<usize> = (1..all.len()).collect();
        let map = simplify(&parts.body.clone().with_outputs(&[0]));
        let pullback = simplify(&parts.body.with_outputs(&of_inputs));
        Pass {
            coefficients: Runner::new(parts.prologue, engine, convolution),
            adjoint: Resolvent::new(map, self.config.clone(), Arc::clone(&self.journal)),
            pullback: Runner::new(pullback, engine, convolution),
        }
    }
}
