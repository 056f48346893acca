//! What is the derivative of a fixed point? The implicit function theorem, in both directions.
//!
//! At `x̂ = g(x̂, z; θ)` with `J = ∂g/∂x`, differentiating both sides gives `dx̂ = J dx̂ + ∂g/∂(z, θ) d(z, θ)`, hence
//!
//! ```text
//! dx̂/d(z, θ) = (I - J)⁻¹ ∂g/∂(z, θ)                        (Jeon, Lee and Choi, eq. 4)
//! ```
//!
//! A cotangent `v` of `x̂` is pulled back through this in two steps: solve `c = Jᵀ c + v` (eq. 9: the backward
//! fixed-point layer), then pull `c` back through one application of `g`. The first step is [`Adjoint::solve`]; the
//! second is whatever differentiates `g` once, the tape or a program.

use crate::error::Error;
use crate::flatten::run_single;
use crate::report::AdjointReport;
use crate::settings::FixedPointConfig;
use crate::traced::TracedUpdate;
use banach_program::{Program, Value, evaluate, evaluate_on};
use banach_solve::{Gmres, LinearSolver, Neumann, Settings, Solution, fixed_point, solve_linear};
use burn::tensor::{Bool, Tensor, TensorData};
use std::sync::Arc;

/// Solves `x = g(x, z; θ)` from `x0`; `fixed` are z and θ.
pub(crate) fn solve_forward(
    traced: &TracedUpdate,
    x0: &Tensor<2>,
    fixed: &[Value],
    config: &FixedPointConfig,
) -> Result<Solution<Tensor<2>>, Error> {
    let carried = evaluate_on(&traced.forward.prologue, fixed.to_vec(), &x0.device())?;
    let body = LoopBody::new(&traced.forward.body, carried);
    let solution = fixed_point(&|x: &Tensor<2>| body.apply(x), x0, &config.forward)?;
    Ok(solution)
}

/// A program applied again and again to one changing tensor.
struct LoopBody<'a> {
    program: &'a Program,
    carried: Vec<Value>,
}

impl<'a> LoopBody<'a> {
    fn new(program: &'a Program, carried: Vec<Value>) -> Self {
        LoopBody { program, carried }
    }

    /// # Panics
    /// Never for a program and values that were traced together.
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        let mut inputs = vec![Value::from(x.clone())];
        inputs.extend(self.carried.iter().cloned());
        let result = run_single(self.program, inputs).and_then(|value| Ok(value.try_into_tensor()?));
        result.unwrap_or_else(|error| panic!("the loop body of a traced update: {error}"))
    }
}

/// The backward fixed-point problem at one point.
#[derive(Clone, Debug)]
pub(crate) struct Adjoint {
    pub(crate) traced: Arc<TracedUpdate>,
    pub(crate) config: FixedPointConfig,
    /// x̂, then z and θ, off the tape.
    pub(crate) point: Vec<Value>,
}

impl Adjoint {
    /// Solves `c = Jᵀ c + v`. `g` is linearized once; every step applies `Jᵀ` only.
    pub(crate) fn solve(&self, v: &Tensor<2>) -> Result<(Tensor<2>, AdjointReport), Error> {
        let parts = self.traced.adjoint();
        let body = LoopBody::new(&parts.body, evaluate(&parts.prologue, self.point.clone())?);
        let map = |c: &Tensor<2>| body.apply(c);
        let first = solve_linear(&map, v, &self.config.adjoint)?;
        let mut report = AdjointReport::new(&self.config.adjoint.solver, &first);
        if first.converged() || !self.config.escalate {
            return Ok((first.value, report));
        }
        let settings = Settings { solver: other(&self.config.adjoint.solver), ..self.config.adjoint.clone() };
        let second = solve_linear(&map, v, &settings)?;
        let better = report.escalate(&settings.solver, &second);
        Ok((chosen(&better, second.value, first.value), report))
    }
}

/// The solver that is tried where one failed.
fn other(solver: &LinearSolver) -> LinearSolver {
    match solver {
        LinearSolver::Gmres(_) => LinearSolver::Neumann(Neumann::default()),
        LinearSolver::Neumann(_) | _ => LinearSolver::Gmres(Gmres::default()),
    }
}

/// Rows of `yes` where the mask is true, of `no` elsewhere.
pub(crate) fn chosen(mask: &[bool], yes: Tensor<2>, no: Tensor<2>) -> Tensor<2> {
    let shape = no.dims();
    let data = TensorData::new(mask.to_vec(), [mask.len(), 1]);
    let mask = Tensor::<2, Bool>::from_data(data, &no.device()).expand(shape);
    no.mask_where(mask, yes)
}
