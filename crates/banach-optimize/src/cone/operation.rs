//! The solution of a batch of cone programs as a primitive.

use super::layout::{Layout, Structure};
use super::pullback::pull_rows;
use super::resolvent::{ConeResolvent, residual};
use super::settings::ConeSettings;
use super::solve::{RowSolution, solve};
use crate::error::Error;
use crate::report::{OptimizationReport, SolveJournal};
use crate::tensors::{Numbers, Place};
use banach::program::{Custom, TangentBuilder, Type, Value, Var};
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::sync::Arc;

/// `(P, q, A, b) -> [x, s, y]` of shape [rows, n + 2 m], without P where there is none.
#[derive(Debug)]
pub(crate) struct ConeOperation {
    pub(crate) structure: Structure,
    pub(crate) types: Vec<Type>,
    pub(crate) settings: ConeSettings,
    pub(crate) journal: Arc<SolveJournal>,
}

impl ConeOperation {
    fn layout(&self, operands: &[Type]) -> Result<Layout, Error> {
        Layout::new(&self.structure, &operands.iter().collect::<Vec<_>>())
    }

    /// Solves the batch; the points are on the tape where an operand is.
    pub(crate) fn solve(&self, operands: Vec<Value>) -> Result<(Value, OptimizationReport), Error> {
        let types: Vec<Type> = operands.iter().map(Value::ty).collect();
        let layout = self.layout(&types)?;
        let data: Vec<Numbers> = operands.iter().map(Numbers::of).collect();
        let solutions: Vec<RowSolution> = (0..layout.operands.rows)
            .into_par_iter()
            .map(|row| solve(&layout.row(&data, row), &self.settings))
            .collect();
        let report = OptimizationReport {
            terminations: solutions.iter().map(|row| row.termination).collect(),
            steps: solutions.iter().map(|row| row.steps).collect(),
            errors: solutions.iter().map(|row| row.error).collect(),
            infeasibilities: (0..layout.operands.rows)
                .map(|row| layout.row(&data, row).infeasibility(&solutions[row].x, &solutions[row].s))
                .collect(),
        };
        self.journal.record(&report, self.settings.on_failure)?;
        let points = solutions.iter().flat_map(|row| {
            let y = row.s.iter().zip(&row.w).map(|(s, w)| s - w);
            row.x.iter().chain(&row.s).copied().chain(y)
        });
        let place = Place::of(&operands[0]);
        let points = place.value(points.collect(), &[layout.operands.rows, layout.point()])?;
        if !operands.iter().any(|operand| operand.device().is_autodiff()) {
            return Ok((points, report));
        }
        let points: Tensor<2> = points.try_into_tensor()?;
        let attached = banach::attach(points, operands, move |v, positions| {
            let pulled = pull_rows(&layout, &solutions, &Numbers::of(&Value::from(v)), positions);
            let value = |(numbers, position): (Vec<f64>, &usize)| {
                let value = place.value(numbers, &types[*position].shape);
                value.map_err(|error| error.into_program("a cone program").into())
            };
            pulled.into_iter().zip(positions).map(value).collect()
        })?;
        Ok((attached.into(), report))
    }
}

impl Custom for ConeOperation {
    fn name(&self) -> String {
        "cone program".into()
    }

    fn result_type(&self, operands: &[&Type]) -> Result<Type, String> {
        let layout = Layout::new(&self.structure, operands).map_err(|error| error.to_string())?;
        Ok(Type::new([layout.operands.rows, layout.point()], operands[0].kind))
    }

    fn evaluate(&self, operands: Vec<Value>) -> Result<Value, banach::program::Error> {
        Ok(self.solve(operands).map_err(|error| error.into_program(&self.name()))?.0)
    }

    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], result: Var) -> Option<Var> {
        let layout = self
            .layout(&self.types)
            .unwrap_or_else(|error| panic!("bug: a cone program of operands that do not fit: {error}"));
        let at: Vec<Var> = std::iter::once(result).chain(operands.iter().copied()).collect();
        let tangents: Vec<Option<Var>> =
            std::iter::once(None).chain(operands.iter().map(|&operand| point.tangent(operand))).collect();
        let right = point.derivative(&residual(&layout, &self.types), &at, &tangents).remove(0)?;
        let points = Type::new([layout.operands.rows, layout.point()], self.types[0].kind);
        let types = std::iter::once(points).chain(self.types.iter().cloned()).collect();
        let resolvent = ConeResolvent { layout, types, transposed: false };
        Some(point.custom(Arc::new(resolvent), right, &at))
    }

    fn row_by_row(&self, has_rows: &[bool]) -> bool {
        has_rows.contains(&true)
    }
}
