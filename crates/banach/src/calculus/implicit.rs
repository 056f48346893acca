//! The fixed point as a differentiable operation: the implicit function theorem, written once, for every order and mode.
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
use crate::calculus::known_rows::KnownRows;
use crate::calculus::resolvent::{Handle, Resolvent, fits, rows_apart};
use crate::calculus::substitution::{Substitution, Substitutions, count_lost_rows, leaves_out_rows};
use crate::engine::native::{NativeLoop, NativeSmooth};
use crate::engine::smooth::Derivative;
use crate::error::Error;
use crate::settings::configuration::{FixedPointConfig, OnFailure};
use crate::settings::gradient::Gradient;
use crate::settings::journal::Journal;
use crate::settings::precision::Single;
use crate::settings::report::{AdjointReport, Report};
use crate::tracing::cache::Bytes;
use crate::tracing::lost::{StandIns, rows_of_inputs};
use banach_program::{
    Builder, Custom, CustomOp, Hoisted, Primitive, Program, TangentBuilder, Type, Unary, Value, Var,
    evaluate, hoist, linearize, simplify,
};
use std::sync::{Arc, OnceLock};

/// The fixed point of `g(x, q..)` in its flat state `[rows, n]`, as a primitive of `(x0, q..)`.
#[derive(Debug)]
pub(crate) struct Fix {
    pub(crate) g: Program,
    /// g and its energy, split for a loop.
    pub(super) forward: Hoisted,
    /// Where g is a gradient step: the energy of every row, a column.
    pub(crate) energy: Option<Program>,
    pub(super) config: FixedPointConfig,
    pub(super) native: OnceLock<NativeLoop>,
    pub(super) native_smooth: OnceLock<NativeSmooth>,
    derivative: OnceLock<Derivative>,
    /// The loop alone, for programs in which what it computes once stands outside.
    bare: OnceLock<Arc<Fix>>,
    pub(super) single: Single<Fix>,
    pub(super) backward: Arc<Backward>,
    /// Whether its derivatives leave out rows without a finite one.
    leaving_out: bool,
    /// The fixed point whose derivatives do, for programs that ask for it.
    careful: OnceLock<Arc<Fix>>,
    substitutions: Substitutions,
    /// Where solves inside programs are counted and logged: they have no report.
    pub(super) journal: Arc<Journal>,
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
        if let Some(energy) = &energy {
            let mut builder = Builder::new();
            let inputs: Vec<Var> = self.g.input_types().map(|ty| builder.input(ty.clone())).collect();
            let results = [builder.inline(&self.g, &inputs), builder.inline(energy, &inputs)].concat();
            self.forward = hoist(&simplify(&builder.finish(results)), &[0]);
        }
        self.energy = energy;
        self
    }

    /// Writes x̂ into a program, from operands `(x0, q..)`. What the loop computes only once is written before it, where
    /// the lines of a derivative find it computed.
    pub(crate) fn write(self: &Arc<Self>, builder: &mut Builder, operands: &[Var]) -> Var {
        let (fix, mut inner) = if self.leaving_out {
            (self, operands.to_vec())
        } else if leaves_out_rows() {
            // Rows are left out where the prologue starts: its derivative sums over rows too.
            let careful = self.careful.get_or_init(|| {
                let fix = Fix::new(self.g.clone(), self.config.clone(), Arc::clone(&self.journal));
                Arc::new(fix.with_energy(self.energy.clone()).leaving_out_rows())
            });
            (careful, operands.to_vec())
        } else {
            let bare = self.bare.get_or_init(|| {
                let energy = self.energy.as_ref().map(|_| self.body_of(1));
                let fix = Fix::new(self.body_of(0), self.config.clone(), Arc::clone(&self.journal));
                Arc::new(fix.with_energy(energy))
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

    /// What the body of the loop computes of one of its results.
    fn body_of(&self, result: usize) -> Program {
        simplify(&self.forward.body.clone().with_outputs(&[result]))
    }

    /// J at a point `(x, q..)`.
    pub(super) fn derivative(&self) -> &Derivative {
        self.derivative.get_or_init(|| {
            // As it runs in the loop, where x is not joined with what stays the same.
            let mut builder = Builder::new();
            let point: Vec<Var> = self.g.input_types().map(|ty| builder.input(ty.clone())).collect();
            let carried = builder.inline(&self.forward.prologue, &point[1..]);
            let results = builder.inline(&self.body_of(0), &[&point[..1], &carried].concat());
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
