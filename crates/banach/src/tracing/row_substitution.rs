//! Substitution of rows that have no finite residual, so that they cannot contaminate batch gradients.
//!
//! The cotangent of such a row is zero. But zero times a slope that is NaN is NaN, and the gradient of a parameter sums
//! over rows. So g is differentiated at a point in which another row replaces every failed row.

use crate::error::Error;
use crate::tracing::layout::run_single;
use banach_program::{
    Builder, Constant, Index, Kind, Literal, Primitive, Program, RowDependence, Type, Value, row_dependence,
};
use burn::tensor::{Bool, IntDType, Tensor, TensorData};
use std::sync::Arc;

/// The row of a batch that replaces each row where g is differentiated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowSubstitution {
    sources: Vec<i64>,
    failed: Vec<bool>,
}

impl RowSubstitution {
    /// Replaces failed rows by the first row that has not failed. None if no row has failed, or if all have.
    pub(crate) fn new(failed: &[bool]) -> Option<Self> {
        let sound = failed.iter().position(|failed| !failed).filter(|_| failed.contains(&true))? as i64;
        let sources = failed.iter().enumerate().map(|(row, failed)| if *failed { sound } else { row as i64 });
        Some(RowSubstitution { sources: sources.collect(), failed: failed.to_vec() })
    }

    /// Returns which rows are replaced.
    pub(crate) fn failed(&self) -> &[bool] {
        &self.failed
    }

    /// Replaces the failed rows of a point of g. Values without a row for each row of the state are unchanged.
    pub(crate) fn apply(&self, per_row: &[bool], point: Vec<Value>) -> Result<Vec<Value>, Error> {
        let values = point.into_iter().zip(per_row);
        values.map(|(value, per_row)| if *per_row { self.select(value) } else { Ok(value) }).collect()
    }

    /// Replaces the failed rows of one value.
    pub(crate) fn select(&self, value: Value) -> Result<Value, Error> {
        let mut builder = Builder::new();
        let x = builder.input(value.ty());
        let ty = Type::new([self.sources.len()], Kind::Int(IntDType::I64));
        let data = TensorData::new(self.sources.clone(), [self.sources.len()]);
        let literal = Literal::Data(Arc::new(data));
        let positions = builder.push(Primitive::Constant(Constant { ty, literal }), &[]);
        let selected = builder.push(Primitive::Index(Index::Select(0)), &[x, positions]);
        run_single(&builder.finish(vec![selected]), vec![value])
    }
}

/// Returns which rows have no finite residual.
pub(crate) fn failed_rows(residuals: &[f64]) -> Vec<bool> {
    residuals.iter().map(|residual| !residual.is_finite()).collect()
}

/// Returns which inputs of `g(x, q..)` hold one row for each row of the state x.
pub(crate) fn rows_of_inputs(g: &Program) -> Vec<bool> {
    (0..g.inputs().len()).map(|at| row_dependence(g, &[0, at]) == RowDependence::Independent).collect()
}

/// Selects rows of `yes` where the mask is true, and of `no` elsewhere.
pub(crate) fn select_rows(mask: &[bool], yes: Tensor<2>, no: Tensor<2>) -> Tensor<2> {
    let shape = no.dims();
    if shape.contains(&0) {
        return no; // Burn cannot expand to a shape without elements.
    }
    let data = TensorData::new(mask.to_vec(), [mask.len(), 1]);
    let mask = Tensor::<2, Bool>::from_data(data, &no.device()).expand(shape);
    no.mask_where(mask, yes)
}

/// Sets the rows of the mask to zero.
pub(crate) fn zero_rows(mask: &[bool], x: Tensor<2>) -> Tensor<2> {
    select_rows(mask, x.zeros_like(), x)
}
