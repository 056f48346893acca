//! Quadratic programs as a layer.

use super::layout::{Constraints, Layout};
use super::operation::QuadraticOperation;
use super::problem::QuadraticProblem;
use super::row::Sizes;
use super::settings::QuadraticSettings;
use crate::algebra::matrices::part;
use crate::error::Error;
use crate::report::{OptimizationCounts, OptimizationReport, SolveJournal};
use banach::Function;
use banach::program::{Builder, Custom, CustomOp, Primitive, Program, Type, Value};
use burn::tensor::Tensor;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A layer that solves quadratic programs, and differentiates their solutions in all data.
///
/// ```text
/// x = argmin ½ xᵀQx + qᵀx   subject to   Gx ≤ h,  Ax = b
/// ```
///
/// Q must be positive semidefinite. Each row of a batch is solved in double precision, also where its data are f32: by a
/// primal-dual interior-point method, ended by the exact solution of the optimality system of the active set. The
/// gradient comes from this system too (B. Amos and J. Z. Kolter, "OptNet", ICML 2017), with the factors of the last
/// step, so a backward pass costs little beside a solve. Rows run over cores; factors of what rows share, and of what the
/// iteration does not change, are computed once. Where Q is positive definite and there are at most 80 variables and 80
/// constraints, eight rows are solved side by side, one in each lane of the processor's vectors. A row has the same bits
/// alone and in any batch.
///
/// Memory of these solves and of gradients is kept for the next solve, whatever layer asks for it: at most 64 MiB of
/// each kind of number.
///
/// ```
/// use banach_optimize::{QuadraticProblem, QuadraticProgram};
/// use burn::tensor::{DType, Device, Tensor};
///
/// // The point of {x : x₁ + x₂ ≤ h} nearest to (2, 1).
/// let device = (&Device::flex().autodiff(), DType::F64);
/// let q = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 1.0]], device);
/// let linear = Tensor::<1>::from_data([-2.0, -1.0], device);
/// let g = Tensor::<2>::from_data([[1.0, 1.0]], device);
/// let h = Tensor::<1>::from_data([1.0], device).require_grad();
///
/// let program = QuadraticProgram::default();
/// let problem = QuadraticProblem::new(q, linear).with_inequalities(g, h.clone());
/// let solution = program.solve(problem)?;
/// assert!(solution.report.solved());
/// let x: Vec<f64> = solution.x.to_data().iter().collect();
/// assert!((x[0] - 1.0).abs() < 1e-12 && x[1].abs() < 1e-12);
/// let slope = h.grad(&solution.x.sum().backward()).expect("h is on the tape");
/// assert!((slope.into_scalar::<f64>() - 1.0).abs() < 1e-12);
/// # Ok::<(), banach_optimize::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct QuadraticProgram {
    settings: QuadraticSettings,
    journal: Arc<SolveJournal>,
    /// The active sets of samples.
    samples: Arc<Mutex<HashMap<u64, Vec<usize>>>>,
}

/// The solutions of a batch of quadratic programs, on the tape where their data are.
#[derive(Clone, Debug)]
#[must_use = "rows may have no solution"]
#[non_exhaustive]
pub struct QuadraticSolution {
    /// The minimisers `[rows, n]`.
    pub x: Tensor<2>,
    /// The dual variables λ ≥ 0 of the inequalities `[rows, m]`.
    pub inequality_duals: Option<Tensor<2>>,
    /// The dual variables ν of the equalities `[rows, p]`.
    pub equality_duals: Option<Tensor<2>>,
    /// How each row ended.
    pub report: OptimizationReport,
}

impl QuadraticProgram {
    /// Creates the layer.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings without a meaning.
    pub fn new(settings: QuadraticSettings) -> Result<Self, Error> {
        settings.validate()?;
        Ok(QuadraticProgram { settings, ..QuadraticProgram::default() })
    }

    /// Returns the settings.
    pub fn settings(&self) -> &QuadraticSettings {
        &self.settings
    }

    /// Returns the counts of all solves of this layer and its clones.
    pub fn counts(&self) -> OptimizationCounts {
        self.journal.counts()
    }

    /// Solves a batch.
    ///
    /// Rows without a solution are named in the report, hold their last finite iterate, and have no gradient.
    ///
    /// # Errors
    /// [`Error::Tensor`] for tensors that do not fit; [`Error::Unsolved`] with
    /// [`OnFailure::Error`](banach::OnFailure::Error).
    pub fn solve(&self, problem: QuadraticProblem) -> Result<QuadraticSolution, Error> {
        self.solve_guessed(problem, None)
    }

    /// Solves a batch of known samples, each from the active set at which it ended before.
    ///
    /// Where the active set of a sample has not changed, its solve takes no step. `samples` has one number for
    /// every row.
    ///
    /// # Errors
    /// As [`solve`](Self::solve), and [`Error::Setting`] for another number of samples.
    pub fn solve_samples(
        &self,
        problem: QuadraticProblem,
        samples: &[u64],
    ) -> Result<QuadraticSolution, Error> {
        self.solve_guessed(problem, Some(samples))
    }

    /// Forgets the active sets of all samples.
    pub fn forget_samples(&self) {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns the solutions as a function of the data, in the order Q, q, G, h, A, b without those of absent
    /// constraints: to x, then λ, then ν. It has derivatives of every order, in forward and reverse mode.
    ///
    /// # Errors
    /// [`Error::Tensor`] for tensors that do not fit.
    pub fn function(&self, problem: &QuadraticProblem) -> Result<Function, Error> {
        let operands = problem.clone().operands();
        let types: Vec<Type> = operands.iter().map(Value::ty).collect();
        let layout = Layout::new(problem.constraints(), &types.iter().collect::<Vec<_>>())?;
        let operation: Arc<dyn Custom> = Arc::new(self.operation(problem.constraints(), types.clone()));
        let mut builder = Builder::new();
        let inputs: Vec<_> = types.iter().map(|ty| builder.input(ty.clone())).collect();
        let points = builder.push(Primitive::Custom(CustomOp(operation)), &inputs);
        let outputs = split(&layout, builder.type_of(points).clone());
        let outputs = builder.inline(&outputs, &[points]);
        Ok(Function::from(builder.finish(outputs)))
    }

    fn operation(&self, constraints: Constraints, types: Vec<Type>) -> QuadraticOperation {
        let (settings, journal) = (self.settings.clone(), Arc::clone(&self.journal));
        QuadraticOperation { constraints, types, settings, journal, system: OnceLock::new() }
    }

    fn solve_guessed(
        &self,
        problem: QuadraticProblem,
        samples: Option<&[u64]>,
    ) -> Result<QuadraticSolution, Error> {
        let constraints = problem.constraints();
        let function = problem.clone();
        let operands = problem.operands();
        Value::on_one_device(&operands)?;
        let types: Vec<Type> = operands.iter().map(Value::ty).collect();
        let layout = Layout::new(constraints, &types.iter().collect::<Vec<_>>())?;
        if let Some(samples) = samples.filter(|samples| samples.len() != layout.operands.rows) {
            let found = format!("{} ids for {} rows", samples.len(), layout.operands.rows);
            return Err(Error::Setting { setting: "samples", found, expected: "one id for every row" });
        }
        if operands.iter().any(Value::is_placeholder) {
            // Inside a trace nothing is solved yet.
            let outputs = self.function(&function)?.call_values(operands)?;
            return solution(&layout, outputs, OptimizationReport::default());
        }
        let guesses: Vec<Option<Vec<usize>>> = {
            let known = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
            samples.unwrap_or_default().iter().map(|sample| known.get(sample).cloned()).collect()
        };
        let solved = self.operation(constraints, types).solve(operands, &guesses)?;
        let mut known = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        for ((sample, active), termination) in
            samples.unwrap_or_default().iter().zip(solved.active).zip(&solved.report.terminations)
        {
            if !termination.is_failure() {
                known.insert(*sample, active);
            }
        }
        let ty = solved.points.ty();
        let outputs = banach::program::evaluate(&split(&layout, ty), vec![solved.points])?;
        solution(&layout, outputs, solved.report)
    }
}

/// The program that splits points [x, λ, ν] into their parts.
fn split(layout: &Layout, ty: Type) -> Program {
    let Sizes { n, m, p } = layout.sizes;
    let mut builder = Builder::new();
    let points = builder.input(ty);
    let parts = [(0, n), (n, m), (n + m, p)].into_iter().filter(|(_, count)| *count > 0);
    let outputs = parts.map(|(first, count)| part(&mut builder, points, 1, first, count)).collect();
    builder.finish(outputs)
}

fn solution(
    layout: &Layout,
    outputs: Vec<Value>,
    report: OptimizationReport,
) -> Result<QuadraticSolution, Error> {
    let mut outputs = outputs.into_iter();
    let mut next = |there: bool| -> Result<Option<Tensor<2>>, Error> {
        Ok(if there { outputs.next().map(Value::try_into_tensor).transpose()? } else { None })
    };
    let Some(x) = next(true)? else { panic!("bug: found no solution, expected x") };
    let inequality_duals = next(layout.sizes.m > 0)?;
    let equality_duals = next(layout.sizes.p > 0)?;
    Ok(QuadraticSolution { x, inequality_duals, equality_duals, report })
}
