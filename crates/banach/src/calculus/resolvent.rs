//! The linear solve `c = A(q) c + b` as a differentiable operation, the resolvent `(I - A)⁻¹` of a program `A`.
//!
//! Its derivatives are derived in `implicit.rs`.

use crate::calculus::pullback::{Pullbacks, join_inputs};
use crate::calculus::sound_rows::{UnsoundPullback, all_finite};
use crate::engine::device_loop::applied;
use crate::engine::engine_loop::EngineLoop;
use crate::engine::linear_system::LinearSystem;
use crate::engine::programs::LoopPrograms;
use crate::error::Error;
use crate::settings::configuration::{FixedPointConfig, OnFailure};
use crate::settings::journal::Journal;
use crate::settings::precision::{Precision, Single, all_lowered, in_both, lowered, remaining};
use crate::settings::report::AdjointReport;
use crate::tracing::cache::Bytes;
use crate::tracing::layout::point;
use crate::tracing::row_substitution::{rows_of_inputs, select_rows};
use banach_program::{
    Builder, Custom, CustomLinear, Program, RowDependence, TangentBuilder, Type, Value, Var, linearize,
    row_dependence, simplify, transpose,
};
use banach_solve::{Gmres, LinearSolver, Neumann, Settings, Solution};
use burn::tensor::Tensor;
use std::sync::{Arc, OnceLock};
use web_time::Instant;

/// `b -> c = (I - A(q))⁻¹ b` for a linear map `A` given as a program `(c, q..) -> A(q) c`.
#[derive(Debug)]
pub(crate) struct Resolvent {
    map: Program,
    config: FixedPointConfig,
    iteration: EngineLoop,
    pullbacks: Arc<Pullbacks>,
    transposed: OnceLock<Arc<Resolvent>>,
    single: Single<Resolvent>,
    journal: Arc<Journal>,
}

impl Bytes for Resolvent {
    fn bytes(&self) -> usize {
        let single = self.single.known().map_or(0, Bytes::bytes);
        self.map.bytes() + self.iteration.bytes() + single + self.transposed.bytes() + self.pullbacks.bytes()
    }
}

impl Resolvent {
    pub(crate) fn new(map: Program, config: FixedPointConfig, journal: Arc<Journal>) -> Self {
        let (engine, convolution) = (config.engine, config.convolution);
        let iteration = EngineLoop::new(LoopPrograms::new(&map, None), engine, convolution);
        let pullbacks = Arc::new(Pullbacks::new(map.clone(), engine, convolution));
        let (transposed, single) = (OnceLock::new(), Single::new());
        Resolvent { map, config, iteration, pullbacks, transposed, single, journal }
    }

    /// Returns A as a program `(c, q..) -> A(q) c`.
    pub(crate) fn map(&self) -> &Program {
        &self.map
    }

    /// Returns `(I - Aᵀ)⁻¹`, which has the coefficients of A.
    pub(crate) fn transposed(&self) -> Arc<Resolvent> {
        let new = || {
            let parts = linearize(&self.map, &[0]);
            let mut builder = Builder::new();
            let inputs: Vec<Var> = self.map.input_types().map(|ty| builder.input(ty.clone())).collect();
            // The coefficients of a linear map do not depend on its argument, so any argument serves.
            let mut operands = builder.inline(&parts.primal, &inputs).split_off(1);
            operands.push(inputs[0]);
            let pulled = builder.inline(&transpose(&parts.tangent).into_program(), &operands);
            let map = simplify(&builder.finish(pulled));
            Arc::new(Resolvent::new(map, self.config.clone(), Arc::clone(&self.journal)))
        };
        Arc::clone(self.transposed.get_or_init(new))
    }

    /// Returns `A(q) t`.
    pub(crate) fn apply(&self, t: &Tensor<2>, q: &[Value]) -> Result<Tensor<2>, Error> {
        applied(&self.map, t, q)
    }

    /// Solves as configured, and counts the solve.
    fn counted(&self, b: &Tensor<2>, q: &[Value]) -> Result<Tensor<2>, Error> {
        let (c, report) = self.solve(LinearSystem::new(b, q), &self.config.adjoint)?;
        self.journal.pulled_back(&report, self.config.on_failure);
        Ok(c)
    }

    /// Solves `c = A c + b`, from a guess of c or without one. Rows that stay unsolved are tried with a second solver.
    pub(crate) fn solve(
        &self,
        system: LinearSystem<'_>,
        settings: &Settings<LinearSolver>,
    ) -> Result<(Tensor<2>, AdjointReport), Error> {
        // A truncated sum is an approximation by choice, which does not depend on a guess.
        let guess = system.guess.filter(|_| !matches!(settings.solver, LinearSolver::Truncated(_)));
        let started = Instant::now();
        let first = self.solve_first(system.with_guess(guess), settings)?;
        let mut report = AdjointReport::new(&settings.solver, &first);
        let failed = first.outcomes.iter().any(|outcome| outcome.is_failure());
        report.escalation_skipped = failed && self.config.escalate && !self.journal.escalates();
        if !failed || !self.config.escalate || report.escalation_skipped {
            self.refuse(&report)?;
            return Ok((first.value, report));
        }
        let budget = remaining(settings.budget, &first.statistics, started);
        let settings = Settings { solver: second_solver(&settings.solver), budget, ..settings.clone() };
        let second = self.solve_by(system.with_guess(None), &settings)?;
        let unsolved = |report: &AdjointReport| report.failed().iter().filter(|failed| **failed).count();
        let before = unsolved(&report);
        let better = report.escalate(&settings.solver, &second);
        self.journal.escalated(unsolved(&report) < before);
        self.refuse(&report)?;
        Ok((select_rows(&better, second.value, first.value), report))
    }

    /// Refuses failed rows under [`OnFailure::Error`].
    pub(crate) fn refuse(&self, report: &AdjointReport) -> Result<(), Error> {
        if self.config.on_failure == OnFailure::Error { report.check() } else { Ok(()) }
    }

    /// Solves by one solver, in the precision of the state.
    pub(crate) fn solve_by(
        &self,
        system: LinearSystem<'_>,
        settings: &Settings<LinearSolver>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        self.iteration.linear(system, settings)
    }

    /// Solves by the first solver, beginning in single precision if configured.
    fn solve_first(
        &self,
        system: LinearSystem<'_>,
        settings: &Settings<LinearSolver>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        let Some(single) = self.single(&settings.solver)? else { return self.solve_by(system, settings) };
        let LinearSystem { b, guess, q } = system;
        let c0 = guess.map_or_else(|| b.zeros_like(), Tensor::clone);
        let coarse = |settings: &_| {
            let (b, guess, q) = (lowered(b), guess.map(lowered), all_lowered(q));
            single.solve_by(LinearSystem::new(&b, &q).with_guess(guess.as_ref()), settings)
        };
        in_both(settings, &c0, coarse, |c0, settings| self.solve_by(system.with_guess(Some(c0)), settings))
    }

    /// Returns the resolvent in single precision, if solves by this solver begin there.
    fn single(&self, solver: &LinearSolver) -> Result<Option<&Resolvent>, Error> {
        if matches!(solver, LinearSolver::Truncated(_) | LinearSolver::Identity | LinearSolver::Dense(_)) {
            return Ok(None); // The work of these solvers does not depend on the start.
        }
        self.single.get(self.config.precision, &self.map, |map| {
            let config = FixedPointConfig { precision: Precision::Stated, ..self.config.clone() };
            Ok(Resolvent::new(map, config, Arc::clone(&self.journal)))
        })
    }
}

/// A resolvent as a primitive of `(b, q..)` and as a linear map in b.
#[derive(Clone, Debug)]
pub(crate) struct ResolventOp(pub(crate) Arc<Resolvent>);

impl Custom for ResolventOp {
    fn name(&self) -> String {
        format!("resolvent of {} lines", self.0.map.equations().len())
    }

    fn result_type(&self, operands: &[&Type]) -> Result<Type, String> {
        fits(&self.0.map, operands)
    }

    fn evaluate(&self, mut operands: Vec<Value>) -> Result<Value, banach_program::Error> {
        let failed = Error::into_program;
        let tracked = operands.iter().any(|value| value.device().is_autodiff());
        let q = operands.split_off(1);
        let b = operands.remove(0);
        let detached: Vec<Value> = q.iter().cloned().map(Value::detached).collect();
        let c = self.0.counted(&b.clone().detached().try_into_tensor()?, &detached).map_err(failed)?;
        if !tracked {
            return Ok(c.into());
        }
        // c = A(q) c + b: v -> w = (I - Aᵀ)⁻¹ v, which is the cotangent of b, and through A(q) c that of q.
        let adjoint = self.0.transposed();
        let point = point(&c, &detached);
        let (pullbacks, direct) = (Arc::clone(&self.0.pullbacks), b.try_into_tensor()?);
        let resolvent = Arc::clone(&self.0);
        let back = move |v: Tensor<2>, positions: &[usize]| {
            let w = adjoint.counted(&v, &detached)?;
            let pulled = |point: Vec<Value>, w: Tensor<2>| pullbacks.apply(positions, &point, w.into());
            let mut cotangents = pulled(point.clone(), w.clone())?;
            if !all_finite(&cotangents) {
                let per_row = rows_of_inputs(&resolvent.map);
                let pullback = UnsoundPullback { point: &point, per_row: &per_row, c: &w };
                let found = pullback.without_unsound_rows(&vec![false; w.dims()[0]], &pulled)?;
                resolvent.journal.without_gradient(&found.left_out, resolvent.config.on_failure)?;
                cotangents = found.cotangents;
            }
            Ok((w, cotangents))
        };
        Ok(join_inputs(c, q, Some(direct), Box::new(back)).map_err(failed)?.into())
    }

    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], result: Var) -> Option<Var> {
        let q = &operands[1..];
        let at: Vec<Var> = std::iter::once(result).chain(q.iter().copied()).collect();
        let tangents: Vec<Option<Var>> =
            std::iter::once(None).chain(q.iter().map(|&var| point.tangent(var))).collect();
        let turned = point.derivative(&self.0.map, &at, &tangents).remove(0);
        let b = point.tangent(operands[0]);
        let b = point.sum(b, turned)?;
        Some(point.custom(Arc::new(self.clone()), b, q))
    }

    fn row_by_row(&self, has_rows: &[bool]) -> bool {
        rows_apart(&self.0.map, has_rows)
    }
}

impl CustomLinear for ResolventOp {
    fn primitive(&self) -> Arc<dyn Custom> {
        Arc::new(self.clone())
    }

    fn transposed(&self) -> Arc<dyn CustomLinear> {
        Arc::new(ResolventOp(self.0.transposed()))
    }
}

/// Returns the solver that is tried after one has failed.
fn second_solver(solver: &LinearSolver) -> LinearSolver {
    match solver {
        LinearSolver::Gmres(_) => LinearSolver::Neumann(Neumann::default()),
        LinearSolver::Neumann(_) | _ => LinearSolver::Gmres(Gmres::default()),
    }
}

/// Returns whether the rows of a program that maps a state to itself are independent, if these inputs have rows as well.
pub(crate) fn rows_apart(program: &Program, has_rows: &[bool]) -> bool {
    let with: Vec<usize> = (0..has_rows.len()).filter(|&at| at == 0 || has_rows[at]).collect();
    row_dependence(program, &with) == RowDependence::Independent
}

/// Returns the type of the state of a program that maps a state to itself, if the operands fit the inputs of the program.
pub(crate) fn fits(program: &Program, operands: &[&Type]) -> Result<Type, String> {
    let expected: Vec<&Type> = program.input_types().collect();
    if operands == expected.as_slice() {
        Ok(expected[0].clone())
    } else {
        Err(format!("expected {expected:?}"))
    }
}
