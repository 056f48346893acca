//! Cone programs as a layer.

use super::layout::{Layout, Structure};
use super::operation::ConeOperation;
use super::problem::ConeProblem;
use super::settings::ConeSettings;
use crate::algebra::matrices::part;
use crate::error::Error;
use crate::projection::cone::Cone;
use crate::report::{OptimizationCounts, OptimizationReport, SolveJournal};
use banach::Function;
use banach::program::{Builder, Custom, CustomOp, Primitive, Program, Type, Value, evaluate};
use burn::tensor::Tensor;
use std::sync::Arc;

/// A layer that solves cone programs, and differentiates their solutions in all data.
///
/// ```text
/// x = argmin ½ xᵀPx + qᵀx   subject to   Ax + s = b,  s ∈ K
/// ```
///
/// K is a product of [`Cone`]s, in the order of the rows of A and b. Each row of a batch is solved in double precision by
/// Clarabel (P. Goulart and Y. Chen, 2024), or by an accelerated splitting if there is a semidefinite cone, and both are
/// ended by Newton's method on the optimality conditions. The gradient comes from the Jacobian of these conditions, which
/// holds the derivative of the projection onto K (A. Agrawal and others, "Differentiating through a cone program", 2019).
///
/// ```
/// use banach_optimize::{Cone, ConeProblem, ConeProgram};
/// use burn::tensor::{DType, Device, Tensor};
///
/// // Minimise qᵀx over the ball ‖x‖ ≤ r: x = -r q / ‖q‖.
/// let place = (&Device::flex().autodiff(), DType::F64);
/// let q = Tensor::<1>::from_data([3.0, 4.0], place);
/// let a = Tensor::<2>::from_data([[0.0, 0.0], [-1.0, 0.0], [0.0, -1.0]], place);
/// let b = Tensor::<1>::from_data([2.0, 0.0, 0.0], place).require_grad();
///
/// let program = ConeProgram::new(&[Cone::SecondOrder(3)])?;
/// let solution = program.solve(ConeProblem::new(q, a, b.clone()))?;
/// assert!(solution.report.solved());
/// let x: Vec<f64> = solution.x.to_data().iter().collect();
/// assert!((x[0] + 1.2).abs() < 1e-9 && (x[1] + 1.6).abs() < 1e-9);
/// let slope: Vec<f64> = b.grad(&solution.x.sum().backward()).expect("b is on the tape").into_data().iter().collect();
/// assert!((slope[0] + 1.4).abs() < 1e-9);
/// # Ok::<(), banach_optimize::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConeProgram {
    cones: Arc<[Cone]>,
    settings: ConeSettings,
    journal: Arc<SolveJournal>,
}

/// The solutions of a batch of cone programs, on the tape where their data are.
#[derive(Clone, Debug)]
#[must_use = "rows may have no solution"]
#[non_exhaustive]
pub struct ConeSolution {
    /// The minimisers `[rows, n]`.
    pub x: Tensor<2>,
    /// The slacks s = b - Ax in K, `[rows, m]`.
    pub slacks: Tensor<2>,
    /// The dual variables y in the dual cone of K, `[rows, m]`: Px + q + Aᵀy = 0.
    pub duals: Tensor<2>,
    /// How each row ended.
    pub report: OptimizationReport,
}

impl ConeProgram {
    /// Creates the layer for a product of cones, with default settings.
    ///
    /// # Errors
    /// [`Error::Setting`] for cones without a row.
    pub fn new(cones: &[Cone]) -> Result<Self, Error> {
        Self::with_settings(cones, ConeSettings::default())
    }

    /// Creates the layer with settings.
    ///
    /// # Errors
    /// [`Error::Setting`] for cones without a row, and for settings without a meaning.
    pub fn with_settings(cones: &[Cone], settings: ConeSettings) -> Result<Self, Error> {
        settings.validate()?;
        if cones.is_empty() || cones.iter().any(|cone| cone.rows() == 0) {
            let expected = "at least one cone, each with at least one row";
            return Err(Error::Setting { setting: "cones", found: format!("{cones:?}"), expected });
        }
        Ok(ConeProgram { cones: cones.into(), settings, journal: Arc::default() })
    }

    /// Returns the settings.
    pub fn settings(&self) -> &ConeSettings {
        &self.settings
    }

    /// Returns the counts of all solves of this layer and its clones.
    pub fn counts(&self) -> OptimizationCounts {
        self.journal.counts()
    }

    /// Solves a batch.
    ///
    /// Rows without a solution are named in the report, hold a finite point, and have no gradient.
    ///
    /// # Errors
    /// [`Error::Tensor`] for tensors that do not fit; [`Error::Unsolved`] with
    /// [`OnFailure::Error`](banach::OnFailure::Error).
    pub fn solve(&self, problem: ConeProblem) -> Result<ConeSolution, Error> {
        let structure = self.structure(&problem)?;
        let operands = problem.operands();
        Value::on_one_device(&operands)?;
        let types: Vec<Type> = operands.iter().map(Value::ty).collect();
        let layout = Layout::new(&structure, &types.iter().collect::<Vec<_>>())?;
        if operands.iter().any(Value::is_placeholder) {
            // Inside a trace nothing is solved yet.
            let outputs = self.written(structure, types, &layout).call_values(operands)?;
            return solution(outputs, OptimizationReport::default());
        }
        let (points, report) = self.operation(structure, types).solve(operands)?;
        let outputs = evaluate(&split(&layout, points.ty()), vec![points])?;
        solution(outputs, report)
    }

    /// Returns the solutions as a function of P (where there is one), q, the values of A and b: to x, s and y. It has
    /// first and second derivatives, in forward and reverse mode.
    ///
    /// # Errors
    /// [`Error::Tensor`] for tensors that do not fit.
    pub fn function(&self, problem: &ConeProblem) -> Result<Function, Error> {
        let structure = self.structure(problem)?;
        let types: Vec<Type> = problem.clone().operands().iter().map(Value::ty).collect();
        let layout = Layout::new(&structure, &types.iter().collect::<Vec<_>>())?;
        Ok(self.written(structure, types, &layout))
    }

    fn written(&self, structure: Structure, types: Vec<Type>, layout: &Layout) -> Function {
        let mut builder = Builder::new();
        let inputs: Vec<_> = types.iter().map(|ty| builder.input(ty.clone())).collect();
        let operation: Arc<dyn Custom> = Arc::new(self.operation(structure, types));
        let points = builder.push(Primitive::Custom(CustomOp(operation)), &inputs);
        let ty = builder.type_of(points).clone();
        let outputs = builder.inline(&split(layout, ty), &[points]);
        Function::from(builder.finish(outputs))
    }

    fn operation(&self, structure: Structure, types: Vec<Type>) -> ConeOperation {
        let (settings, journal) = (self.settings.clone(), Arc::clone(&self.journal));
        ConeOperation { structure, types, settings, journal }
    }

    fn structure(&self, problem: &ConeProblem) -> Result<Structure, Error> {
        let pattern = Arc::clone(&problem.matrix.pattern);
        let rows: usize = self.cones.iter().map(|cone| cone.rows()).sum();
        if pattern.rows != rows {
            let found = format!("a matrix of {} rows", pattern.rows);
            let expected = format!("{rows} rows, as the cones {:?} have", self.cones);
            return Err(Error::Tensor { what: "A", found, expected });
        }
        Ok(Structure { pattern, cones: Arc::clone(&self.cones), quadratic: problem.quadratic.is_some() })
    }
}

/// The program that splits points [x, s, y] into their parts.
fn split(layout: &Layout, ty: Type) -> Program {
    let (n, m) = (layout.n(), layout.m());
    let mut builder = Builder::new();
    let points = builder.input(ty);
    let parts = [(0, n), (n, m), (n + m, m)];
    let outputs = parts.map(|(first, count)| part(&mut builder, points, 1, first, count)).to_vec();
    builder.finish(outputs)
}

fn solution(outputs: Vec<Value>, report: OptimizationReport) -> Result<ConeSolution, Error> {
    let outputs: Vec<Tensor<2>> =
        outputs.into_iter().map(Value::try_into_tensor).collect::<Result<_, banach::program::Error>>()?;
    let [x, slacks, duals] = <[Tensor<2>; 3]>::try_from(outputs)
        .unwrap_or_else(|found| panic!("bug: found {} outputs of a cone program, expected 3", found.len()));
    Ok(ConeSolution { x, slacks, duals, report })
}

/// Converts symmetric matrices `[rows, n, n]` to the vectors `[rows, n (n + 1) / 2]` of a semidefinite cone.
///
/// The vector holds the upper triangle, column by column, with elements off the diagonal times √2, so that inner products
/// of matrices are those of their vectors. Of a matrix that is not symmetric, the symmetric part counts.
pub fn scaled_vector(matrices: Tensor<3>) -> Tensor<2> {
    let [rows, n, columns] = matrices.dims();
    assert_eq!(n, columns, "found matrices of {n} rows and {columns} columns, expected square ones");
    let symmetric = (matrices.clone() + matrices.swap_dims(1, 2)) * 0.5;
    let flat: Tensor<2> = symmetric.reshape([rows, n * n]);
    let parts = (0..n).flat_map(|j| {
        let flat = &flat;
        (0..=j).map(move |i| {
            let scale = if i == j { 1.0 } else { std::f64::consts::SQRT_2 };
            flat.clone().narrow(1, i * n + j, 1) * scale
        })
    });
    Tensor::cat(parts.collect(), 1)
}

/// Converts vectors `[rows, n (n + 1) / 2]` of a semidefinite cone to symmetric matrices `[rows, n, n]`, the inverse of
/// [`scaled_vector`].
pub fn symmetric_matrix(vectors: Tensor<2>, n: usize) -> Tensor<3> {
    let [rows, length] = vectors.dims();
    assert_eq!(length, n * (n + 1) / 2, "found vectors of {length} numbers, expected {n} ({n} + 1) / 2");
    let place = |i: usize, j: usize| {
        let (i, j) = (i.min(j), i.max(j));
        let scale = if i == j { 1.0 } else { std::f64::consts::FRAC_1_SQRT_2 };
        vectors.clone().narrow(1, j * (j + 1) / 2 + i, 1) * scale
    };
    let parts = (0..n * n).map(|at| place(at / n, at % n)).collect();
    Tensor::cat(parts, 1).reshape([rows, n, n])
}
