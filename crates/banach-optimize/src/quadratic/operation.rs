//! The solution of a batch of quadratic programs as a primitive.

use super::batch::{Solutions, pull_rows, solve_rows};
use super::layout::{Constraints, Layout};
use super::settings::QuadraticSettings;
use super::tangent::OptimalitySystem;
use crate::algebra::linear_solve::{Factorization, LinearSolve, OnSingular};
use crate::dense::buffer::Buffer;
use crate::error::Error;
use crate::report::{OptimizationReport, SolveJournal};
use crate::tensors::{Numbers, Place};
use banach::program::{Custom, TangentBuilder, Type, Value, Var};
use burn::tensor::Tensor;
use std::sync::{Arc, OnceLock};

/// `(Q, q, G, h, A, b) -> [x, λ, ν]` of shape [rows, n + m + p], without the operands of absent constraints.
#[derive(Debug)]
pub(crate) struct QuadraticOperation {
    pub(crate) constraints: Constraints,
    pub(crate) types: Vec<Type>,
    pub(crate) settings: QuadraticSettings,
    pub(crate) journal: Arc<SolveJournal>,
    pub(crate) system: OnceLock<OptimalitySystem>,
}

/// The points of a batch, on the tape where an operand is, with their report and active sets.
#[derive(Debug)]
pub(crate) struct Solved {
    pub(crate) points: Value,
    pub(crate) report: OptimizationReport,
    pub(crate) active: Vec<Vec<usize>>,
}

impl QuadraticOperation {
    /// Solves the batch, each row from the active set of an earlier solve if there is one.
    pub(crate) fn solve(
        &self,
        operands: Vec<Value>,
        guesses: &[Option<Vec<usize>>],
    ) -> Result<Solved, Error> {
        let types: Vec<Type> = operands.iter().map(Value::ty).collect();
        let layout = Layout::new(self.constraints, &types.iter().collect::<Vec<_>>())?;
        let data: Vec<Numbers> = operands.iter().map(Numbers::of).collect();
        let solutions = solve_rows(&layout, &data, guesses, &self.settings);
        let report = OptimizationReport {
            terminations: solutions.rows.iter().map(|row| row.termination).collect(),
            steps: solutions.rows.iter().map(|row| row.steps).collect(),
            errors: solutions.rows.iter().map(|row| row.error).collect(),
            infeasibilities: solutions.rows.iter().map(|row| row.infeasibility).collect(),
        };
        self.journal.record(&report, self.settings.on_failure)?;
        let active = solutions.rows.iter().map(|row| row.active.clone()).collect();
        let points: Vec<f64> = solutions.rows.iter().flat_map(|row| &row.y).copied().collect();
        let place = Place::of(&operands[0]);
        let points = place.value(points, &[layout.operands.rows, layout.sizes.point()])?;
        let points = on_tape(points, operands, types, Batch { layout, data, solutions, place })?;
        Ok(Solved { points, report, active })
    }

    fn layout(&self) -> Layout {
        Layout::new(self.constraints, &self.types.iter().collect::<Vec<_>>())
            .unwrap_or_else(|error| panic!("bug: a quadratic program of operands that do not fit: {error}"))
    }
}

/// A solved batch, kept for its backward pass.
struct Batch {
    layout: Layout,
    data: Vec<Numbers>,
    solutions: Solutions,
    place: Place,
}

fn on_tape(points: Value, operands: Vec<Value>, types: Vec<Type>, batch: Batch) -> Result<Value, Error> {
    if !operands.iter().any(|operand| operand.device().is_autodiff()) {
        return Ok(points);
    }
    let points: Tensor<2> = points.try_into_tensor()?;
    let attached = banach::attach(points, operands, move |v, positions| {
        let v = Numbers::of(&Value::from(v));
        let pulled = pull_rows(&batch.layout, &batch.data, &batch.solutions, v.slice(), positions);
        let value = |(numbers, position): (Buffer<f64>, &usize)| {
            let value = batch.place.value_of_buffer(numbers, &types[*position].shape);
            value.map_err(|error| error.into_program("a quadratic program").into())
        };
        pulled.into_iter().zip(positions).map(value).collect()
    })?;
    Ok(attached.into())
}

impl Custom for QuadraticOperation {
    fn name(&self) -> String {
        "quadratic program".into()
    }

    fn result_type(&self, operands: &[&Type]) -> Result<Type, String> {
        let layout = Layout::new(self.constraints, operands).map_err(|error| error.to_string())?;
        Ok(Type::new([layout.operands.rows, layout.sizes.point()], operands[0].kind))
    }

    fn evaluate(&self, operands: Vec<Value>) -> Result<Value, banach::program::Error> {
        let solved = self.solve(operands, &[]).map_err(|error| error.into_program(&self.name()))?;
        Ok(solved.points)
    }

    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], result: Var) -> Option<Var> {
        let layout = self.layout();
        let system =
            self.system.get_or_init(|| OptimalitySystem::new(&layout, &self.types, self.settings.degeneracy));
        let at: Vec<Var> = std::iter::once(result).chain(operands.iter().copied()).collect();
        let tangents: Vec<Option<Var>> =
            std::iter::once(None).chain(operands.iter().map(|&operand| point.tangent(operand))).collect();
        let right = point.derivative(&system.negative_residual, &at, &tangents).remove(0)?;
        let (rows, size, kind) = (layout.operands.rows, layout.sizes.point(), self.types[0].kind);
        let solve = LinearSolve {
            b: Type::new([rows, size], kind),
            matrix: Type::new([rows, size, size], kind),
            factorization: Factorization::Lu,
            transposed: false,
            on_singular: OnSingular::Zero,
        };
        Some(point.custom_of(Arc::new(solve), right, &system.matrix, &at))
    }

    fn row_by_row(&self, has_rows: &[bool]) -> bool {
        has_rows.contains(&true)
    }
}
