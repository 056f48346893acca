//! The fixed point as a differentiable operation: the implicit function theorem, written once, for every order and mode.
//!
//! At `x̂ = g(x̂, q)` with `J = ∂g/∂x`, differentiating both sides gives `dx̂ = J dx̂ + ∂g/∂q dq`, hence
//!
//! ```text
//! dx̂ = (I - J)⁻¹ ∂g/∂q dq                                   (Jeon, Lee and Choi, from eq. 4)
//! ```
//!
//! Two primitives express this. [`FixedPointOp`] is `q -> x̂`; its tangent is a [`Resolvent`], `b -> c = (I - A)⁻¹ b` with
//! `A = J` at the solution. The derivatives of the resolvent follow from `c = A c + b`:
//!
//! ```text
//! transpose   c = Aᵀ c + b: a resolvent again               (eq. 9, the backward fixed-point layer)
//! tangent     dc = (I - A)⁻¹ (db + dA c)
//! ```
//!
//! These are programs and resolvents again, so that they can be differentiated in turn. On Burn's tape the theorem is a node
//! for every input: the incoming cotangent v becomes the adjoint c, and c the cotangents of the inputs.

use crate::calculus::backward::Backward;
use crate::calculus::resolvent::{Resolvent, ResolventOp, fits, rows_apart};
use crate::calculus::substitution::{Substitution, Substitutions, count_failed_solve, leaves_out_rows};
use crate::engine::engine_loop::EngineLoop;
use crate::engine::linear_system::LinearSystem;
use crate::engine::programs::LoopPrograms;
use crate::error::Error;
use crate::settings::configuration::{FixedPointConfig, OnFailure};
use crate::settings::gradient::Gradient;
use crate::settings::journal::Journal;
use crate::settings::precision::Single;
use crate::settings::report::{AdjointReport, Report};
use crate::tracing::cache::Bytes;
use crate::tracing::layout::point;
use crate::tracing::row_substitution::{failed_rows, rows_of_inputs};
use banach_program::{
    Builder, Custom, CustomOp, Primitive, Program, TangentBuilder, Type, Value, Var, evaluate, hoist,
    linearize, simplify,
};
use burn::tensor::Tensor;
use std::sync::{Arc, OnceLock};

/// The fixed point of `g(x, q..)` in its flat state `[rows, n]`, as a primitive of `(x0, q..)`.
#[derive(Debug)]
pub(crate) struct FixedPointOp {
    pub(crate) g: Program,
    /// The energy of every row as a column, where g is a gradient step.
    pub(crate) energy: Option<Program>,
    pub(crate) config: FixedPointConfig,
    pub(super) iteration: EngineLoop,
    newton: OnceLock<EngineLoop>,
    derivative: OnceLock<Derivative>,
    /// The fixed point that is given as its start.
    pub(super) given: OnceLock<Arc<FixedPointOp>>,
    /// The fixed point of the loop's map alone, for programs in which the prologue stands outside.
    without_prologue: OnceLock<Arc<FixedPointOp>>,
    pub(super) single: Single<FixedPointOp>,
    pub(super) backward: Arc<Backward>,
    /// Whether its derivatives leave out rows without a finite one.
    leaving_out: bool,
    /// The fixed point whose derivatives leave out such rows, for programs that ask for it.
    careful: OnceLock<Arc<FixedPointOp>>,
    substitutions: Substitutions,
    per_row: OnceLock<Vec<bool>>,
    /// Counts and logs solves inside programs, which have no report.
    pub(super) journal: Arc<Journal>,
}

/// J at a point.
#[derive(Debug)]
pub(super) struct Derivative {
    /// `(x, q..)` to the coefficients of J.
    coefficients: Program,
    /// `(I - J)⁻¹`, with these coefficients.
    resolvent: Arc<Resolvent>,
}

impl Bytes for FixedPointOp {
    fn bytes(&self) -> usize {
        let derivative = self.derivative.get().map_or(0, |derivative| derivative.resolvent.bytes());
        self.g.bytes()
            + self.iteration.bytes()
            + self.newton.bytes()
            + self.given.bytes()
            + self.without_prologue.bytes()
            + derivative
            + self.single.known().map_or(0, Bytes::bytes)
            + self.backward.bytes()
    }
}

impl FixedPointOp {
    pub(crate) fn new(g: Program, config: FixedPointConfig, journal: Arc<Journal>) -> Self {
        let iteration = EngineLoop::new(LoopPrograms::new(&g, None), config.engine, config.convolution);
        let backward = Arc::new(Backward::new(g.clone(), config.clone(), Arc::clone(&journal)));
        FixedPointOp {
            g,
            energy: None,
            config,
            iteration,
            newton: OnceLock::new(),
            derivative: OnceLock::new(),
            given: OnceLock::new(),
            without_prologue: OnceLock::new(),
            single: Single::new(),
            backward,
            leaving_out: false,
            careful: OnceLock::new(),
            substitutions: Substitutions::default(),
            per_row: OnceLock::new(),
            journal,
        }
    }

    /// Leaves rows without a finite derivative out of derivatives inside programs. Where rows depend on one another, none
    /// can be left out.
    pub(crate) fn leaving_out_rows(mut self) -> Self {
        self.leaving_out = self.per_row()[0];
        self
    }

    /// Adds the energy that g descends, a program of `(x, q..)`.
    pub(crate) fn with_energy(mut self, energy: Option<Program>) -> Self {
        if energy.is_some() {
            let programs = LoopPrograms::new(&self.g, energy.as_ref());
            self.iteration = EngineLoop::new(programs, self.config.engine, self.config.convolution);
        }
        self.energy = energy;
        self
    }

    /// Returns which inputs of g hold one row for each row of the state.
    pub(crate) fn per_row(&self) -> &[bool] {
        self.per_row.get_or_init(|| rows_of_inputs(&self.g))
    }

    /// Returns the loop for Newton's method.
    pub(super) fn newton(&self) -> &EngineLoop {
        self.newton.get_or_init(|| {
            let Derivative { coefficients, resolvent } = self.derivative();
            let energy = self.energy.as_ref();
            let programs = LoopPrograms::for_newton(&self.g, energy, coefficients, resolvent.map());
            EngineLoop::new(programs, self.config.engine, self.config.convolution)
        })
    }

    /// Writes x̂ into a program, from operands `(x0, q..)`. The prologue of the loop is written before it, where the lines
    /// of a derivative share its results.
    pub(crate) fn write(self: &Arc<Self>, builder: &mut Builder, operands: &[Var]) -> Var {
        let (fix, mut inner) = if self.leaving_out {
            (self, operands.to_vec())
        } else if leaves_out_rows() {
            // The rows are left out of the prologue as well, whose derivative sums over rows.
            let careful = self.careful.get_or_init(|| {
                let fix = FixedPointOp::new(self.g.clone(), self.config.clone(), Arc::clone(&self.journal));
                Arc::new(fix.with_energy(self.energy.clone()).leaving_out_rows())
            });
            (careful, operands.to_vec())
        } else {
            let inside = self.without_prologue.get_or_init(|| {
                let (programs, journal) = (&self.iteration.programs, Arc::clone(&self.journal));
                let inside = FixedPointOp::new(programs.g(), self.config.clone(), journal);
                Arc::new(inside.with_energy(programs.energy()))
            });
            let prologue = builder.inline(&self.iteration.programs.prologue, &operands[1..]);
            (inside, [&operands[..1], &prologue].concat())
        };
        let x = builder.push(Primitive::Custom(CustomOp(Arc::clone(fix) as Arc<dyn Custom>)), &inner);
        let Gradient::Unrolled { steps } = self.config.gradient else { return x };
        inner[0] = builder.detach(x);
        for _ in 0..steps {
            inner[0] = builder.inline(&fix.g, &inner)[0];
        }
        inner[0]
    }

    /// Returns J at a point `(x, q..)`.
    fn derivative(&self) -> &Derivative {
        self.derivative.get_or_init(|| {
            // J of the split loop, in which no product joins x with operands that stay fixed.
            let mut builder = Builder::new();
            let point: Vec<Var> = self.g.input_types().map(|ty| builder.input(ty.clone())).collect();
            let carried = builder.inline(&self.iteration.programs.prologue, &point[1..]);
            let results = builder.inline(&self.iteration.programs.g(), &[&point[..1], &carried].concat());
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

    /// Returns `(I - J)⁻¹` at a point `(x, q..)`, which also applies J, and its coefficients.
    pub(crate) fn resolvent_at(&self, point: &[Value]) -> Result<(Arc<Resolvent>, Vec<Value>), Error> {
        let Derivative { coefficients, resolvent } = self.derivative();
        Ok((Arc::clone(resolvent), evaluate(coefficients, point.to_vec())?))
    }
}

impl Custom for FixedPointOp {
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
        let refused = Error::into_program;
        let solution = self.solve(&x0, &detached).map_err(refused)?;
        self.journal.solved(&Report::new(&solution), self.config.on_failure);
        let failed = failed_rows(&solution.statistics.residuals);
        if failed.contains(&true) {
            count_failed_solve();
        }
        let x = match self.config.on_failure {
            OnFailure::Best | OnFailure::Skip | OnFailure::Warn => solution.value,
            OnFailure::Error => solution.into_converged().map_err(|error| refused(error.into()))?,
        };
        if !q.iter().any(|value| value.device().is_autodiff()) {
            return Ok(x.into());
        }
        let (journal, settings) = (Arc::clone(&self.journal), self.config.adjoint.clone());
        let on_failure = self.config.on_failure;
        let count = move |report: AdjointReport| journal.pulled_back(&report, on_failure);
        let point = point(&x, &detached);
        let solve = move |v: &Tensor<2>, adjoint: &Resolvent, q: &[Value]| {
            adjoint.solve(LinearSystem::new(v, q), &settings)
        };
        Ok(self.on_tape(q, point, &failed, Box::new(solve), Box::new(count)).map_err(refused)?.into())
    }

    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], result: Var) -> Option<Var> {
        let at: Vec<Var> = std::iter::once(result).chain(operands[1..].iter().copied()).collect();
        let tangents: Vec<Option<Var>> =
            std::iter::once(None).chain(operands[1..].iter().map(|&var| point.tangent(var))).collect();
        let Derivative { coefficients, resolvent } = self.derivative();
        let resolvent = Arc::new(ResolventOp(Arc::clone(resolvent)));
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
