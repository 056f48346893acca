//! What is the derivative of a fixed point? The implicit function theorem, written once, for every order and mode.
//!
//! At `x̂ = g(x̂, q)` with `J = ∂g/∂x`, differentiating both sides gives `dx̂ = J dx̂ + ∂g/∂q dq`, hence
//!
//! ```text
//! dx̂ = (I - J)⁻¹ ∂g/∂q dq                                   (Jeon, Lee and Choi, from eq. 4)
//! ```
//!
//! Two primitives say all of it. [`Fix`] is `q -> x̂`; its tangent is a [`Resolvent`], `b -> c = (I - A)⁻¹ b` with
//! `A = J` at the solution. From `c = A c + b` follow the resolvent's own derivatives:
//!
//! ```text
//! transpose   c = Aᵀ c + b: a resolvent again               (eq. 9, the backward fixed-point layer)
//! tangent     dc = (I - A)⁻¹ (db + dA c)
//! ```
//!
//! Both are written in programs and in resolvents, so they can be differentiated like anything else. On Burn's tape the
//! same theorem is a node for every input: the incoming cotangent v becomes the adjoint c, and c the inputs' cotangents.

use crate::calculus::backward::Backward;
use crate::calculus::pullback::join_inputs;
use crate::calculus::resolvent::{Handle, LoopBody, Resolvent, fits, rows_apart};
use crate::calculus::substitution::{Substitution, Substitutions, count_lost_rows, leaves_out_rows};
use crate::engine::native::{NativeLoop, NativeSmooth};
use crate::engine::runner::on_host;
use crate::engine::smooth::{Derivative, SmoothLoop};
use crate::error::Error;
use crate::layer::warm::Visit;
use crate::settings::configuration::{Engine, FixedPointConfig, OnFailure};
use crate::settings::gradient::{Gradient, Inverse};
use crate::settings::journal::Journal;
use crate::settings::precision::{Precision, Single, all_lowered, in_both, lowered, single};
use crate::settings::report::{AdjointReport, Report};
use crate::tracing::cache::Bytes;
use crate::tracing::lost::{StandIns, chosen, rows_of_inputs};
use banach_program::{
    Builder, Custom, CustomOp, Hoisted, Primitive, Program, TangentBuilder, Type, Unary, Value, Var,
    evaluate, hoist, linearize, simplify,
};
use banach_solve::{
    FixedPointSolver, Handover, Outcome, Progress, Settings, Solution, Unobserved, fixed_point,
    fixed_point_observed, fixed_point_remembered, fixed_point_smooth,
};
use burn::tensor::Tensor;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The fixed point of `g(x, q..)` in its flat state `[rows, n]`, as a primitive of `(x0, q..)`.
#[derive(Debug)]
pub(crate) struct Fix {
    pub(crate) g: Program,
    forward: Hoisted,
    /// Where g is a gradient step: the energy of every row, a column, whole and split for a loop.
    energy: Option<(Program, Hoisted)>,
    config: FixedPointConfig,
    native: OnceLock<NativeLoop>,
    native_smooth: OnceLock<NativeSmooth>,
    derivative: OnceLock<Derivative>,
    /// The loop alone, for programs in which what it computes once stands outside.
    bare: OnceLock<Arc<Fix>>,
    single: Single<Fix>,
    backward: Arc<Backward>,
    /// Whether its derivatives leave out rows without a finite one.
    leaving_out: bool,
    /// The fixed point whose derivatives do, for programs that ask for it.
    careful: OnceLock<Arc<Fix>>,
    substitutions: Substitutions,
    /// Where solves inside programs are counted and logged: they have no report.
    journal: Arc<Journal>,
}

impl Bytes for Fix {
    fn bytes(&self) -> usize {
        let programs = self.g.bytes() + self.forward.prologue.bytes() + self.forward.body.bytes();
        let compiled =
            self.native.get().map_or(0, Bytes::bytes) + self.native_smooth.get().map_or(0, Bytes::bytes);
        let bare = self.bare.get().map_or(0, |bare| bare.bytes());
        let derivative = self.derivative.get().map_or(0, |derivative| derivative.resolvent.bytes());
        programs
            + compiled
            + bare
            + derivative
            + self.single.known().map_or(0, Bytes::bytes)
            + self.backward.bytes()
    }
}

impl Fix {
    pub(crate) fn new(g: Program, config: FixedPointConfig, journal: Arc<Journal>) -> Self {
        let forward = hoist(&g, &[0]);
        let backward = Arc::new(Backward::new(g.clone(), config.clone(), Arc::clone(&journal)));
        Fix {
            g,
            forward,
            energy: None,
            config,
            native: OnceLock::new(),
            native_smooth: OnceLock::new(),
            derivative: OnceLock::new(),
            bare: OnceLock::new(),
            single: Single::new(),
            backward,
            leaving_out: false,
            careful: OnceLock::new(),
            substitutions: Substitutions::default(),
            journal,
        }
    }

    /// The same fixed point, whose derivatives inside programs leave out rows without a finite one; where rows depend on
    /// one another, none can be left out.
    pub(crate) fn leaving_out_rows(mut self) -> Self {
        self.leaving_out = rows_of_inputs(&self.g)[0];
        self
    }

    /// The same with the energy that g descends, a program of `(x, q..)`.
    pub(crate) fn with_energy(mut self, energy: Option<Program>) -> Self {
        self.energy = energy.map(|energy| (energy.clone(), hoist(&energy, &[0])));
        self
    }

    /// Writes x̂ into a program, from operands `(x0, q..)`. What the loop computes only once is written before it, where
    /// the lines of a derivative find it computed.
    pub(crate) fn write(self: &Arc<Self>, builder: &mut Builder, operands: &[Var]) -> Var {
        let (fix, mut inner) = if self.leaving_out || self.energy.is_some() && !leaves_out_rows() {
            (self, operands.to_vec())
        } else if leaves_out_rows() {
            // Rows are left out where the prologue starts: its derivative sums over rows too.
            let careful = self.careful.get_or_init(|| {
                let fix = Fix::new(self.g.clone(), self.config.clone(), Arc::clone(&self.journal));
                let energy = self.energy.as_ref().map(|(energy, _)| energy.clone());
                Arc::new(fix.with_energy(energy).leaving_out_rows())
            });
            (careful, operands.to_vec())
        } else {
            let bare = self.bare.get_or_init(|| {
                let (body, journal) = (self.forward.body.clone(), Arc::clone(&self.journal));
                Arc::new(Fix::new(body, self.config.clone(), journal))
            });
            let prologue = builder.inline(&self.forward.prologue, &operands[1..]);
            (bare, [&operands[..1], &prologue].concat())
        };
        let x = builder.push(Primitive::Custom(CustomOp(Arc::clone(fix) as Arc<dyn Custom>)), &inner);
        let Gradient::Unrolled { steps } = self.config.gradient else { return x };
        inner[0] = builder.push(Primitive::Unary(Unary::Detach), &[x]);
        for _ in 0..steps {
            inner[0] = builder.inline(&fix.g, &inner)[0];
        }
        inner[0]
    }

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
        let map = |x: &Tensor<2>| body.apply(x);
        let (solution, memory) =
            fixed_point_remembered(&map, x0, broyden, &self.config.forward, &mut Unobserved)?;
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
        let iterate = RefCell::new(x0.clone());
        let map = |x: &Tensor<2>| {
            iterate.replace(x.clone());
            body.apply(x)
        };
        let mut seen = |progress: &Progress<'_>| observer(&iterate.borrow(), progress);
        body.failed.checked(fixed_point_observed(&map, x0, &self.config.forward, &mut seen)?)
    }

    /// The same in single precision, if solves begin there.
    fn single(&self) -> Result<Option<&Fix>, Error> {
        self.single.get(self.config.precision, &self.g, |g| {
            let config = FixedPointConfig { precision: Precision::Stated, ..self.config.clone() };
            let energy = self.energy.as_ref().map(|(energy, _)| single(energy)).transpose()?;
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
            let energy = self.energy.as_ref().map(|(energy, _)| energy);
            let new = || NativeSmooth::new(&self.g, energy, self.derivative(), convolution);
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
        let loop_body = |parts| LoopBody::new(parts, q, &x0.device());
        let body = loop_body(&self.forward)?;
        if !newton {
            return body.failed.checked(fixed_point(&|x: &Tensor<2>| body.apply(x), x0, settings)?);
        }
        let mut energy = self.energy.as_ref().map(|(_, parts)| loop_body(parts)).transpose()?;
        energy.iter_mut().for_each(|energy| energy.failed = body.failed.clone());
        let map = SmoothLoop { body, energy, derivative: self.derivative(), q };
        map.body.failed.checked(fixed_point_smooth(&map, x0, settings)?)
    }

    /// J at a point `(x, q..)`.
    fn derivative(&self) -> &Derivative {
        self.derivative.get_or_init(|| {
            // As it runs in the loop, where x is not joined with what stays the same.
            let mut builder = Builder::new();
            let point: Vec<Var> = self.g.input_types().map(|ty| builder.input(ty.clone())).collect();
            let carried = builder.inline(&self.forward.prologue, &point[1..]);
            let results = builder.inline(&self.forward.body, &[&point[..1], &carried].concat());
            let parts = linearize(&builder.finish(results), &[0]);
            let mut builder = Builder::new();
            let t = builder.input(self.g.type_of(self.g.inputs()[0]).clone());
            let point: Vec<Var> = self.g.input_types().map(|ty| builder.input(ty.clone())).collect();
            let mut operands = builder.inline(&parts.primal, &point).split_off(1);
            operands.push(t);
            let pushed = builder.inline(&parts.tangent.into_program(), &operands);
            let parts = hoist(&simplify(&builder.finish(pushed)), &[0]);
            let resolvent = Resolvent::new(parts.body, self.config.clone(), Arc::clone(&self.journal));
            Derivative { coefficients: parts.prologue, resolvent: Arc::new(resolvent) }
        })
    }

    /// `(I - J)⁻¹` at a point `(x, q..)`, which also applies J, with the coefficients it takes.
    pub(crate) fn resolvent_at(&self, point: &[Value]) -> Result<(Arc<Resolvent>, Vec<Value>), Error> {
        let Derivative { coefficients, resolvent } = self.derivative();
        Ok((Arc::clone(resolvent), evaluate(coefficients, point.to_vec())?))
    }

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

/// What is known of the rows of a solution.
#[derive(Debug, Default)]
pub(crate) struct KnownRows {
    /// Which of them have no finite residual, if there are any.
    pub(crate) lost: Option<Vec<bool>>,
    /// Which samples they are, if these are remembered.
    pub(crate) visit: Option<Visit>,
    /// How they ended, and with which relative residuals.
    pub(crate) reached: Option<(Vec<Outcome>, Vec<f64>)>,
    /// What the forward solve has learnt of the derivative, if that shall do for the adjoint.
    pub(crate) inverse: Option<Inverse>,
}

impl Custom for Fix {
    fn name(&self) -> String {
        format!("fix of {} lines", self.g.equations().len())
    }

    fn result_type(&self, operands: &[&Type]) -> Result<Type, String> {
        fits(&self.g, operands)
    }

    fn evaluate(&self, mut operands: Vec<Value>) -> Result<Value, banach_program::Error> {
        let q = operands.split_off(1);
        let x0 = operands.remove(0).detached().try_into_tensor()?;
        let detached: Vec<Value> = q.iter().cloned().map(Value::detached).collect();
        let failed = Error::into_program;
        let solution = self.solve(&x0, &detached).map_err(failed)?;
        self.journal.solved(&Report::new(&solution), self.config.on_failure);
        let stand_ins = StandIns::new(&solution.statistics.residuals);
        if solution.statistics.residuals.iter().any(|residual| !residual.is_finite()) {
            count_lost_rows();
        }
        let x = match self.config.on_failure {
            OnFailure::Best | OnFailure::Skip | OnFailure::Warn => solution.value,
            OnFailure::Error => solution.into_converged().map_err(|error| failed(error.into()))?,
        };
        if q.iter().any(|value| value.device().is_autodiff()) {
            let (journal, on_failure) = (Arc::clone(&self.journal), self.config.on_failure);
            let count = move |report: AdjointReport| journal.pulled_back(&report, on_failure);
            let mut point: Vec<Value> = std::iter::once(x.clone().into()).chain(detached).collect();
            let mut rows = KnownRows::default();
            if let Some(stand_ins) = stand_ins {
                point = stand_ins.placed(&rows_of_inputs(&self.g), point).map_err(failed)?;
                rows.lost = Some(stand_ins.lost);
            }
            return Ok(self.on_tape(x, q, point, rows, count).map_err(failed)?.into());
        }
        Ok(x.into())
    }

    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], result: Var) -> Option<Var> {
        let at: Vec<Var> = std::iter::once(result).chain(operands[1..].iter().copied()).collect();
        let tangents: Vec<Option<Var>> =
            std::iter::once(None).chain(operands[1..].iter().map(|&var| point.tangent(var))).collect();
        let Derivative { coefficients, resolvent } = self.derivative();
        let resolvent = Arc::new(Handle(Arc::clone(resolvent)));
        if !self.leaving_out {
            let b = point.derivative(&self.g, &at, &tangents).remove(0)?;
            return Some(point.custom_of(resolvent, b, coefficients, &at));
        }
        let moving: Vec<usize> = (0..at.len()).filter(|input| tangents[*input].is_some()).collect();
        let programs = (&self.g, coefficients);
        let new = |moving: &[usize]| Substitution::new(programs, moving, &self.config, &self.journal);
        let substitution = self.substitutions.of(&moving, new);
        let b = point.derivative(&substitution.g, &at, &tangents).remove(0)?;
        let t = point.custom_of(resolvent, b, &substitution.coefficients, &at);
        let of_x: Vec<Option<Var>> = std::iter::once(Some(t)).chain(at[1..].iter().map(|_| None)).collect();
        point.derivative(&substitution.kept, &at, &of_x).remove(0)
    }

    fn row_by_row(&self, has_rows: &[bool]) -> bool {
        rows_apart(&self.g, has_rows)
    }
}
