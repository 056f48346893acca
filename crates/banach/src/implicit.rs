//! What is the derivative of a fixed point? The implicit function theorem, written once, for every order and mode.
//!
//! At `x̂ = g(x̂, q)` with `J = ∂g/∂x`, differentiating both sides gives `dx̂ = J dx̂ + ∂g/∂q dq`, hence
//!
//! ```text
//! dx̂ = (I - J)⁻¹ ∂g/∂q dq                                   (Jeon, Lee and Choi, eq. 4)
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
//! same theorem takes one application of `g`, behind a node that turns the incoming cotangent v into the adjoint c.

use crate::engine::{Native, on_host};
use crate::error::Error;
use crate::flatten::run_single;
use crate::lost::chosen;
use crate::pullback::{Pullbacks, join_inputs};
use crate::report::{AdjointReport, Report, Statistics, locked};
use crate::settings::{Engine, FixedPointConfig};
use banach_program::{
    Builder, Custom, CustomLinear, Hoisted, Linearizer, Program, Rows, Type, Value, Var, evaluate,
    evaluate_on, hoist, linearize, rows, simplify, transpose,
};
use banach_solve::{
    Gmres, LinearSolver, Map, Neumann, Settings, Smooth, Solution, fixed_point_smooth, solve_linear,
};
use burn::tensor::{Device, Tensor};
use std::sync::{Arc, Mutex, OnceLock};

/// The fixed point of `g(x, q..)` in its flat state `[rows, n]`, as a primitive of `(x0, q..)`.
#[derive(Debug)]
pub(crate) struct Fix {
    pub(crate) g: Program,
    forward: Hoisted,
    /// Where g is a gradient step: the energy of every row, a column.
    energy: Option<Hoisted>,
    config: FixedPointConfig,
    native: OnceLock<Native>,
    pullbacks: Arc<Pullbacks>,
    resolvent: OnceLock<Arc<Resolvent>>,
    /// Where solves are counted that happen inside programs, where nobody holds a report.
    statistics: Arc<Mutex<Statistics>>,
}

impl Fix {
    pub(crate) fn new(g: Program, config: FixedPointConfig, statistics: Arc<Mutex<Statistics>>) -> Self {
        let forward = hoist(&g, &[0]);
        let pullbacks = Arc::new(Pullbacks::new(g.clone(), config.engine));
        let (native, resolvent) = (OnceLock::new(), OnceLock::new());
        Fix { g, forward, energy: None, config, native, pullbacks, resolvent, statistics }
    }

    /// The same with the energy that g descends, a program of `(x, q..)`.
    pub(crate) fn with_energy(mut self, energy: Option<Program>) -> Self {
        self.energy = energy.map(|energy| hoist(&energy, &[0]));
        self
    }

    /// Solves `x = g(x, q)` from `x0`.
    pub(crate) fn solve(&self, x0: &Tensor<2>, q: &[Value]) -> Result<Solution<Tensor<2>>, Error> {
        if self.config.engine == Engine::Native && on_host(x0, q) {
            let native = self.native.get_or_init(|| Native::new(&self.forward));
            if let Some(solution) = native.fixed_point(x0, q, &self.config.forward)? {
                return Ok(solution);
            }
        }
        let energy = self.energy.as_ref().map(|energy| LoopBody::new(energy, q, &x0.device())).transpose()?;
        let map = SmoothLoop { body: LoopBody::new(&self.forward, q, &x0.device())?, energy, fix: self, q };
        Ok(fixed_point_smooth(&map, x0, &self.config.forward)?)
    }

    /// `(I - J)⁻¹` at a point `(x, q..)`.
    pub(crate) fn resolvent(&self) -> Arc<Resolvent> {
        let new = || {
            let parts = linearize(&self.g, &[0]);
            let mut builder = Builder::new();
            let c = builder.input(self.state().clone());
            let point: Vec<Var> = self.g.input_types().map(|ty| builder.input(ty.clone())).collect();
            let mut operands = builder.inline(&parts.primal, &point).split_off(1);
            operands.push(c);
            let pushed = builder.inline(&parts.tangent.into_program(), &operands);
            let map = simplify(&builder.finish(pushed));
            Arc::new(Resolvent::new(map, self.config.clone(), Arc::clone(&self.statistics)))
        };
        Arc::clone(self.resolvent.get_or_init(new))
    }

    /// `x` as it depends on `q`, which is on the tape: v becomes the adjoint c on its way back. The derivatives are taken
    /// at `point`, which is `(x, q..)` off the tape, and lost rows have none.
    pub(crate) fn on_tape(
        &self,
        x: Tensor<2>,
        q: Vec<Value>,
        point: Vec<Value>,
        lost: Option<Vec<bool>>,
        report: impl Fn(AdjointReport) + Send + Sync + 'static,
    ) -> Result<Tensor<2>, Error> {
        let adjoint = self.resolvent().transposed();
        let at = point.clone();
        join_inputs(x, q, Arc::clone(&self.pullbacks), point, None, move |v| {
            let v = match &lost {
                Some(lost) => chosen(lost, v.zeros_like(), v),
                None => v,
            };
            let (c, found) =
                adjoint.solve(&v, &at).unwrap_or_else(|error| panic!("the adjoint solve: {error}"));
            report(found);
            c
        })
    }

    fn state(&self) -> &Type {
        self.g.type_of(self.g.inputs()[0])
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
        locked(&self.statistics).count(&Report::new(&solution));
        let x = match self.config.on_failure {
            crate::OnFailure::Best => solution.value,
            crate::OnFailure::Error => solution.into_converged().map_err(|error| failed(error.into()))?,
        };
        if q.iter().any(|value| value.device().is_autodiff()) {
            let statistics = Arc::clone(&self.statistics);
            let count = move |report: AdjointReport| locked(&statistics).count_adjoint(&report);
            let point = std::iter::once(x.clone().into()).chain(detached).collect();
            return Ok(self.on_tape(x, q, point, None, count).map_err(failed)?.into());
        }
        Ok(x.into())
    }

    fn tangent(&self, point: &mut Linearizer, operands: &[Var], result: Var) -> Option<Var> {
        let at: Vec<Var> = std::iter::once(result).chain(operands[1..].iter().copied()).collect();
        let tangents: Vec<Option<Var>> =
            std::iter::once(None).chain(operands[1..].iter().map(|&var| point.tangent(var))).collect();
        let b = point.derivative(&self.g, &at, &tangents).remove(0)?;
        Some(point.custom(Arc::new(Handle(self.resolvent())), b, &at))
    }

    fn row_by_row(&self) -> bool {
        let all: Vec<usize> = (0..self.g.inputs().len()).collect();
        rows(&self.g, &[0]) == Rows::Independent && rows(&self.g, &all) == Rows::Independent
    }
}

/// `b -> c = (I - A(q))⁻¹ b` for a linear map `A` given as a program `(c, q..) -> A(q) c`.
#[derive(Debug)]
pub(crate) struct Resolvent {
    map: Program,
    parts: Hoisted,
    config: FixedPointConfig,
    native: OnceLock<Native>,
    pullbacks: Arc<Pullbacks>,
    transposed: OnceLock<Arc<Resolvent>>,
    statistics: Arc<Mutex<Statistics>>,
}

impl Resolvent {
    fn new(map: Program, config: FixedPointConfig, statistics: Arc<Mutex<Statistics>>) -> Self {
        let parts = hoist(&map, &[0]);
        let pullbacks = Arc::new(Pullbacks::new(map.clone(), config.engine));
        let (native, transposed) = (OnceLock::new(), OnceLock::new());
        Resolvent { map, parts, config, native, pullbacks, transposed, statistics }
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
            Arc::new(Resolvent::new(map, self.config.clone(), Arc::clone(&self.statistics)))
        };
        Arc::clone(self.transposed.get_or_init(new))
    }

    fn counted(&self, b: &Tensor<2>, q: &[Value]) -> Result<Tensor<2>, Error> {
        let (c, report) = self.solve(b, q)?;
        locked(&self.statistics).count_adjoint(&report);
        Ok(c)
    }

    /// Solves `c = A c + b`: the coefficients are computed once, every step applies `A` only.
    pub(crate) fn solve(&self, b: &Tensor<2>, q: &[Value]) -> Result<(Tensor<2>, AdjointReport), Error> {
        let settings = &self.config.adjoint;
        let first = self.solve_by(b, q, settings)?;
        let mut report = AdjointReport::new(&settings.solver, &first);
        if first.converged() || !self.config.escalate {
            return Ok((first.value, report));
        }
        let settings = Settings { solver: other(&settings.solver), ..settings.clone() };
        let second = self.solve_by(b, q, &settings)?;
        let better = report.escalate(&settings.solver, &second);
        Ok((chosen(&better, second.value, first.value), report))
    }

    fn solve_by(
        &self,
        b: &Tensor<2>,
        q: &[Value],
        settings: &Settings<LinearSolver>,
    ) -> Result<Solution<Tensor<2>>, Error> {
        if self.config.engine == Engine::Native && on_host(b, q) {
            let native = self.native.get_or_init(|| Native::new(&self.parts));
            if let Some(solution) = native.linear(b, q, settings)? {
                return Ok(solution);
            }
        }
        let body = LoopBody::new(&self.parts, q, &b.device())?;
        Ok(solve_linear(&|c: &Tensor<2>| body.apply(c), b, settings)?)
    }
}

/// A resolvent as a primitive of `(b, q..)` and as a linear map in b.
#[derive(Clone, Debug)]
struct Handle(Arc<Resolvent>);

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
        let back = move |v: Tensor<2>| {
            adjoint.counted(&v, &detached).unwrap_or_else(|error| panic!("the adjoint solve: {error}"))
        };
        let (pullbacks, direct) = (Arc::clone(&self.0.pullbacks), b.try_into_tensor()?);
        Ok(join_inputs(c, q, pullbacks, point, Some(direct), back).map_err(failed)?.into())
    }

    fn tangent(&self, point: &mut Linearizer, operands: &[Var], result: Var) -> Option<Var> {
        let q = &operands[1..];
        let at: Vec<Var> = std::iter::once(result).chain(q.iter().copied()).collect();
        let tangents: Vec<Option<Var>> =
            std::iter::once(None).chain(q.iter().map(|&var| point.tangent(var))).collect();
        let turned = point.derivative(&self.0.map, &at, &tangents).remove(0);
        let b = point.tangent(operands[0]);
        let b = point.sum(b, turned)?;
        Some(point.custom(Arc::new(self.clone()), b, q))
    }

    fn row_by_row(&self) -> bool {
        let all: Vec<usize> = (0..self.0.map.inputs().len()).collect();
        rows(&self.0.map, &all) == Rows::Independent
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
struct LoopBody<'a> {
    program: &'a Program,
    carried: Vec<Value>,
}

impl<'a> LoopBody<'a> {
    fn new(parts: &'a Hoisted, fixed: &[Value], device: &Device) -> Result<Self, Error> {
        Ok(LoopBody { program: &parts.body, carried: evaluate_on(&parts.prologue, fixed.to_vec(), device)? })
    }

    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        applied(self.program, x, &self.carried)
    }
}

/// A loop's body on one changing tensor.
///
/// # Panics
/// Never for a program and values that were traced together.
fn applied(body: &Program, x: &Tensor<2>, carried: &[Value]) -> Tensor<2> {
    let inputs = std::iter::once(x.clone().into()).chain(carried.iter().cloned()).collect();
    let result = run_single(body, inputs).and_then(|value| Ok(value.try_into_tensor()?));
    result.unwrap_or_else(|error| panic!("the loop body of a traced update: {error}"))
}

/// The loop of a fixed point with what Newton's method asks for: the derivative at a point, and the energy.
struct SmoothLoop<'a> {
    body: LoopBody<'a>,
    energy: Option<LoopBody<'a>>,
    fix: &'a Fix,
    q: &'a [Value],
}

impl Map<Tensor<2>> for SmoothLoop<'_> {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        self.body.apply(x)
    }
}

impl Smooth<Tensor<2>> for SmoothLoop<'_> {
    fn derivative<'a>(&'a self, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        let resolvent = self.fix.resolvent();
        let point: Vec<Value> = std::iter::once(x.clone().into()).chain(self.q.iter().cloned()).collect();
        let carried = evaluate(&resolvent.parts.prologue, point);
        let carried = carried.unwrap_or_else(|error| panic!("the derivative of a traced update: {error}"));
        Box::new(move |t: &Tensor<2>| applied(&resolvent.parts.body, t, &carried))
    }

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        let column = self.energy.as_ref()?.apply(x);
        Some(column.into_data().iter::<f64>().collect())
    }
}

/// The solver that is tried where one failed.
fn other(solver: &LinearSolver) -> LinearSolver {
    match solver {
        LinearSolver::Gmres(_) => LinearSolver::Neumann(Neumann::default()),
        LinearSolver::Neumann(_) | _ => LinearSolver::Gmres(Gmres::default()),
    }
}

/// The type of a state that a program maps to itself, if the operands are the program's inputs.
fn fits(program: &Program, operands: &[&Type]) -> Result<Type, String> {
    let expected: Vec<&Type> = program.input_types().collect();
    if operands == expected.as_slice() {
        Ok(expected[0].clone())
    } else {
        Err(format!("expected {expected:?}"))
    }
}
