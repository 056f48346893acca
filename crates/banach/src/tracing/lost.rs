//! Substitution of rows that have no finite residual, so that they cannot contaminate batch gradients.
//!
//! Its cotangent is zero, but zero times a slope that is not a number is not a number, and the gradient of a parameter
//! sums over rows. So where `g` is evaluated for the tape, a converged row takes the place of a lost one.

use crate::error::Error;
use crate::tracing::flatten::run_single;
use banach_program::{
    Builder, Constant, Index, Kind, Literal, Primitive, Program, RowDependence, Type, Value, row_dependence,
};
use burn::tensor::{Bool, IntDType, Tensor, TensorData};
use std::sync::Arc;

/// Which row of a batch is differentiated in the place of each row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StandIns {
    rows: Vec<i64>,
    /// The rows that are lost.
    pub(crate) lost: Vec<bool>,
}

impl StandIns {
    /// The stand-ins for rows with these residuals; none if no row is lost, or none is left.
    pub(crate) fn new(residuals: &[f64]) -> Option<Self> {
        Self::of(residuals.iter().map(|residual| !residual.is_finite()).collect())
    }

    /// The stand-ins for these lost rows; none if no row is lost, or none is left.
    pub(crate) fn of(lost: Vec<bool>) -> Option<Self> {
        let sound = lost.iter().position(|lost| !lost).filter(|_| lost.contains(&true))? as i64;
        let rows = lost.iter().enumerate().map(|(row, lost)| if *lost { sound } else { row as i64 });
        Some(StandIns { rows: rows.collect(), lost })
    }

    /// The state and the inputs of `g` with stand-ins in lost rows; what is no batch of rows stays.
    pub(crate) fn placed(&self, per_row: &[bool], values: Vec<Value>) -> Result<Vec<Value>, Error> {
        let placed = values
            .into_iter()
            .enumerate()
            .map(|(position, value)| if per_row[position] { self.select(value) } else { Ok(value) });
        placed.collect()
    }

    pub(crate) fn select(&self, value: Value) -> Result<Value, Error> {
        let mut builder = Builder::new();
        let x = builder.input(value.ty());
        let ty = Type::new([self.rows.len()], Kind::Int(IntDType::I64));
        let data = TensorData::new(self.rows.clone(), [self.rows.len()]);
        let literal = Literal::Data(Arc::new(data));
        let positions = builder.push(Primitive::Constant(Constant { ty, literal }), &[]);
        let selected = builder.push(Primitive::Index(Index::Select(0)), &[x, positions]);
        run_single(&builder.finish(vec![selected]), vec![value])
    }
}

/// Which inputs of `g(x, q..)` hold one row for each row of the state x.
pub(crate) fn rows_of_inputs(g: &Program) -> Vec<bool> {
    (0..g.inputs().len()).map(|at| row_dependence(g, &[0, at]) == RowDependence::Independent).collect()
}

/// Rows of `yes` where the mask is true, of `no` elsewhere.
pub(crate) fn chosen(mask: &[bool], yes: Tensor<2>, no: Tensor<2>) -> Tensor<2> {
    let shape = no.dims();
    if shape.contains(&0) {
        return no; // Burn expands to no shape without numbers.
    }
    let data = TensorData::new(mask.to_vec(), [mask.len(), 1]);
    let mask = Tensor::<2, Bool>::from_data(data, &no.device()).expand(shape);
    no.mask_where(mask, yes)
}
