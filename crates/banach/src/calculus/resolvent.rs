//! The linear solve `c = A(q) c + b` as a differentiable operation, the resolvent `(I - A)⁻¹` of a program `A`.
//!
//! What it is for, and its calculus, is said in `implicit.rs`.

use crate::calculus::pullback::{Pullbacks, join_inputs};
use crate::calculus::sound_rows::{UnsoundPullback, all_finite};
use crate::engine::failure::Failure;
use crate::engine::native::NativeLoop;
use crate::engine::runner::on_host;
use crate::error::Error;
use crate::settings::configuration::{Engine, FixedPointConfig, OnFailure};
use crate::settings::journal::Journal;
use crate::settings::precision::{Precision, Single, all_lowered, in_both, left, lowered};
use crate::settings::report::AdjointReport;
use crate::tracing::cache::Bytes;
use crate::tracing::flatten::run_single;
use crate::tracing::lost::{chosen, rows_of_inputs};
use banach_program::{
    Builder, Custom, CustomLinear, Hoisted, Program, RowDependence, TangentBuilder, Type, Value, Var,
    evaluate, evaluate_on, hoist, linearize, row_dependence, simplify, transpose,
};
use banach_solve::{Gmres, LinearSolver, Map, Neumann, Settings, Solution, Unobserved, solve_linear_from};
use burn::tensor::{Device, Tensor};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// `b -> c = (I - A(q))⁻¹ b` for a linear map `A` given as a program `(c, q..) -> A(q) c`.
#[derive(Debug)]
pub(crate) struct Resolvent {
    map: Program,
    parts: Hoisted,
    config: FixedPointConfig,
    native: OnceLock<NativeLoop>,
    pullbacks: Arc<Pullbacks>,
    transposed: OnceLock<Arc<Resolvent>>,
    single: Single<Resolvent>,
    journal: Arc<Journal>,
}

impl Bytes for Resolvent {
    fn bytes(&self) -> usize {
        let parts = self.map.bytes() + self.parts.prologue.bytes() + self.parts.body.bytes();
        let compiled =
            self.native.get().map_or(0, Bytes::bytes) + self.single.known().map_or(0, Bytes::bytes);
        let transposed = self.transposed.get().map_or(0, |transposed| transposed.bytes());
        parts + compiled + transposed + self.pullbacks.bytes()
    }
}

impl Resolvent {
    pub(crate) fn new(map: Program, config: FixedPointConfig, journal: Arc<Journal>) -> Self {
        let parts = hoist(&map, &[0]);
        let pullbacks = Arc::new(Pullbacks::new(map.clone(), config.engine, config.convolution));
        let (native, transposed) = (OnceLock::new(), OnceLock::new());
        let single = Single::new();
        Resolvent { map, parts, config, native, pullbacks, transposed, single, journal }
    }

    /// `(c, q..) -> A(q) c`
    pub(crate) fn map(&self) -> &Program {
        &self.map
    }

    /// `(I - Aᵀ)⁻¹`, with the same coefficients.
    pub(crate) fn transposed(&self) -> Arc<Resolvent> {
        let new = || {
            let parts = linearize(&self.map, &[0]);
            let mut builder = Builder::new();
            let inputs: Vec<Var> = self.map.input_types().map(|ty| builder.input(ty.clone())).collect();
            // The coefficients of a linear map do not depend on where it is applied: anywhere will do.
            let mut operands = builder.inline(&parts.primal, &inputs).split_off(1);
            operands.push(inputs[0]);
            let pulled = builder.inline(&transpose(&parts.tangent).into_program(), &operands);
            let map = simplify(&builder.finish(pulled));
            Arc::new(Resolvent::new(map, self.config.clone(), Arc::clone(&self.journal)))
        };
        Arc::clone(self.transposed.get_or_init(new))
    }

    /// `A(q) t`.
    pub(crate) fn apply(&self, t: &Tensor<2>, q: &[Value]) -> Result<Tensor<2>, Error> {
        applied(&self.map, t, q)
    }

    fn counted(&self, b: &Tensor<2>, q: &[Value]) -> Result<Tensor<2>, Error> {
        let (c, report) = self.solve(b, None, q, &self.config.adjoint)?;
        self.journal.pulled_back(&report, self.config.on_failure);
        Ok(c)
    }

    /// Solves `c = A c + b`, from a guess of c or without: the coefficients are computed once, every step applies `A` only.
    pub(crate) fn solve(
        &self,
        b: &Tensor<2>,
        guess: Option<&Tensor<2>>,
        q: &[Value],
        settings: &Settings<LinearSolver>,
    ) -> Result<(Tensor<2>, AdjointReport), Error> {
        // An approximation by choice is the one that was chosen, wherever an earlier solve ended.
        let guess = guess.filter(|_| !matches!(settings.solver, LinearSolver::Truncated(_)));
        let started = Instant::now();
        let first = self.solve_first(b, guess, q, settings)?;
        let mut report = AdjointReport::new(&settings.solver, &first);
        let failed = first.outcomes.iter().any(|outcome| outcome.is_failure());
        report.escalation_skipped = failed && self.config.escalate && !self.journal.escalates();
        if !failed || !self.config.escalate || report.escalation_skipped {
            self.refuse(&report)?;
            return Ok((first.value, report));
        }
        let budget = left(settings.budget, &first.statistics, started);
        let settings = Settings { solver: other(&settings.solver), budget, ..settings.clone() };
        let second = self.solve_by(b, None, q, &settings)?;
        let unsolved = |report: &AdjointReport| report.failed().iter().filter(|failed| **failed).count();
        let before = unsolved(&report);
        let better = report.escalate(&settings.solver, &second);
        self.journal.escalated(unsolved(&report) < before);
        self.refuse(&report)?;
        Ok((chosen(&better, second.value, first.value), report))
    }

    /// Refuses rows that failed, if they shall be an error.
    pub(crate) fn refuse(&self, report: &AdjointReport) -> Result<(), Error> {
        if self.config.on_failure == OnFailure::Error { report.check() } else { Ok(()) }
    }

    /// The same by one solver.
    pub(crate) fn solve_by(
        &self,
        b: &Tensor<2>,
        guess: Option<&Tensor<2>>,
        q: &[Value],
        settings: &Settings<LinearSolver>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        if self.config.engine == Engine::Native && on_host(b, q) {
            let native = self.native.get_or_init(|| NativeLoop::new(&self.parts, self.config.convolution));
            if let Some(solution) = native.linear(b, guess, q, settings)? {
                return Ok(solution);
            }
        }
        let body = LoopBody::new(&self.parts, q, &b.device())?;
        let apply = |c: &Tensor<2>| body.apply(c);
        body.failed.checked(solve_linear_from(&apply, b, guess, settings, &mut Unobserved)?)
    }

    /// The same by the solver that is tried first, in single precision before if solves begin there.
    fn solve_first(
        &self,
        b: &Tensor<2>,
        guess: Option<&Tensor<2>>,
        q: &[Value],
        settings: &Settings<LinearSolver>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        let Some(single) = self.single(&settings.solver)? else {
            return self.solve_by(b, guess, q, settings);
        };
        let c0 = guess.map_or_else(|| b.zeros_like(), Tensor::clone);
        let roughly = |settings: &_| {
            single.solve_by(&lowered(b), guess.map(lowered).as_ref(), &all_lowered(q), settings)
        };
        in_both(settings, &c0, roughly, |c0, settings| self.solve_by(b, Some(c0), q, settings))
    }

    /// The same in single precision, if solves by this solver begin there.
    fn single(&self, solver: &LinearSolver) -> Result<Option<&Resolvent>, Error> {
        if matches!(solver, LinearSolver::Truncated(_) | LinearSolver::Identity | LinearSolver::Dense(_)) {
            return Ok(None); // They take no more steps for a worse start.
        }
        self.single.get(self.config.precision, &self.map, |map| {
            let config = FixedPointConfig { precision: Precision::Stated, ..self.config.clone() };
            Ok(Resolvent::new(map, config, Arc::clone(&self.journal)))
        })
    }
}

/// A resolvent as a primitive of `(b, q..)` and as a linear map in b.
#[derive(Clone, Debug)]
pub(crate) struct Handle(pub(crate) Arc<Resolvent>);

impl Custom for Handle {
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
        let point: Vec<Value> = std::iter::once(c.clone().into()).chain(detached.iter().cloned()).collect();
        let (pullbacks, direct) = (Arc::clone(&self.0.pullbacks), b.try_into_tensor()?);
        let resolvent = Arc::clone(&self.0);
        let back = move |v: Tensor<2>, positions: &[usize]| {
            let w = adjoint.counted(&v, &detached)?;
            let pulled = |point: Vec<Value>, w: Tensor<2>| pullbacks.apply(positions, &point, w.into());
            let mut cotangents = pulled(point.clone(), w.clone())?;
            if !all_finite(&cotangents) {
                let per_row = rows_of_inputs(&resolvent.map);
                let pullback = UnsoundPullback { point: &point, per_row: &per_row, c: &w };
                let found = pullback.without_unsound_rows(&vec![false; w.dims()[0]], pulled)?;
                resolvent.journal.without_gradient(&found.left_out, resolvent.config.on_failure)?;
                cotangents = found.cotangents;
            }
            Ok((w, cotangents))
        };
        Ok(join_inputs(c, q, Some(direct), back).map_err(failed)?.into())
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

impl CustomLinear for Handle {
    fn primitive(&self) -> Arc<dyn Custom> {
        Arc::new(self.clone())
    }

    fn transposed(&self) -> Arc<dyn CustomLinear> {
        Arc::new(Handle(self.0.transposed()))
    }
}

/// A hoisted program applied again and again to one changing tensor.
pub(crate) struct LoopBody<'a> {
    program: &'a Program,
    carried: Vec<Value>,
    /// What went wrong in it.
    pub(crate) failed: Failure,
}

impl<'a> LoopBody<'a> {
    pub(crate) fn new(parts: &'a Hoisted, fixed: &[Value], device: &Device) -> Result<Self, Error> {
        let carried = evaluate_on(&parts.prologue, fixed.to_vec(), device)?;
        Ok(LoopBody { program: &parts.body, carried, failed: Failure::default() })
    }

    /// Its first result; no numbers where there is none, of which [`failed`](Self::failed) tells.
    pub(crate) fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        self.failed.kept(applied(self.program, x, &self.carried), x)
    }
}

/// A second result is the energy of every row, a column.
impl Map<Tensor<2>> for LoopBody<'_> {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        self.apply(x)
    }

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        self.image_and_energy(x).1
    }

    fn image_and_energy(&self, x: &Tensor<2>) -> (Tensor<2>, Option<Vec<f64>>) {
        if self.program.outputs().len() == 1 {
            return (self.apply(x), None);
        }
        let inputs = std::iter::once(x.clone().into()).chain(self.carried.iter().cloned()).collect();
        let results = evaluate(self.program, inputs).map_err(Error::from).and_then(|results| {
            let tensors: Result<Vec<Tensor<2>>, _> =
                results.into_iter().map(Value::try_into_tensor).collect();
            Ok(tensors?)
        });
        let (image, energy) = match results {
            Ok(mut results) => (Ok(results.swap_remove(0)), results.pop()),
            Err(error) => (Err(error), None),
        };
        let energy = energy
            .map_or_else(|| vec![f64::NAN; x.dims()[0]], |column| column.into_data().iter::<f64>().collect());
        (self.failed.kept(image, x), Some(energy))
    }
}

/// A loop's body on one changing tensor.
fn applied(body: &Program, x: &Tensor<2>, carried: &[Value]) -> Result<Tensor<2>, Error> {
    let inputs = std::iter::once(x.clone().into()).chain(carried.iter().cloned()).collect();
    run_single(body, inputs).and_then(|value| Ok(value.try_into_tensor()?))
}

/// The solver that is tried where one failed.
fn other(solver: &LinearSolver) -> LinearSolver {
    match solver {
        LinearSolver::Gmres(_) => LinearSolver::Neumann(Neumann::default()),
        LinearSolver::Neumann(_) | _ => LinearSolver::Gmres(Gmres::default()),
    }
}

/// Whether the rows of a state that a program maps to itself are apart, where these inputs have rows too.
pub(crate) fn rows_apart(program: &Program, has_rows: &[bool]) -> bool {
    let with: Vec<usize> = (0..has_rows.len()).filter(|&at| at == 0 || has_rows[at]).collect();
    row_dependence(program, &with) == RowDependence::Independent
}

/// The type of a state that a program maps to itself, if the operands are the program's inputs.
pub(crate) fn fits(program: &Program, operands: &[&Type]) -> Result<Type, String> {
    let expected: Vec<&Type> = program.input_types().collect();
    if operands == expected.as_slice() {
        Ok(expected[0].clone())
    } else {
        Err(format!("expected {expected:?}"))
    }
}
