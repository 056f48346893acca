//! The data of a batch of cone programs.

use super::row::Pattern;
use crate::error::Error;
use banach::program::Value;
use burn::tensor::Tensor;
use std::sync::Arc;

/// A matrix whose elements are zero but for the places of a pattern, with one value for every place.
#[derive(Clone, Debug)]
pub struct SparseMatrix {
    pub(crate) pattern: Arc<Pattern>,
    pub(crate) values: Value,
}

impl SparseMatrix {
    /// Creates a matrix of `rows` times `columns` from places (row, column) and their values, `[places]` for all rows of
    /// a batch or `[rows of the batch, places]`. Values of one place add up.
    ///
    /// # Errors
    /// [`Error::Tensor`] for a place outside the matrix.
    pub fn new(
        rows: usize,
        columns: usize,
        places: &[(usize, usize)],
        values: impl Into<Value>,
    ) -> Result<Self, Error> {
        if let Some((row, column)) = places.iter().find(|(row, column)| *row >= rows || *column >= columns) {
            let found = format!("a matrix with the place ({row}, {column})");
            let expected = format!("rows below {rows} and columns below {columns}");
            return Err(Error::Tensor { what: "A", found, expected });
        }
        let pattern = Arc::new(Pattern { rows, columns, places: places.to_vec() });
        Ok(SparseMatrix { pattern, values: values.into() })
    }
}

fn dense(shape: &[usize], values: Value) -> SparseMatrix {
    let (rows, columns) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let places = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).collect();
    let mut flat = shape[..shape.len() - 2].to_vec();
    flat.push(rows * columns);
    SparseMatrix { pattern: Arc::new(Pattern { rows, columns, places }), values: values.reshaped(&flat) }
}

impl From<Tensor<2>> for SparseMatrix {
    fn from(matrix: Tensor<2>) -> Self {
        dense(&matrix.dims(), matrix.into())
    }
}

impl From<Tensor<3>> for SparseMatrix {
    fn from(matrices: Tensor<3>) -> Self {
        dense(&matrices.dims(), matrices.into())
    }
}

/// A batch of problems: minimise ½ xᵀPx + qᵀx subject to Ax + s = b, s ∈ K.
///
/// Every tensor is shared by all rows, or has a leading axis with one problem for every row: q is `[n]` or `[rows, n]`,
/// A `[m, n]`, `[rows, m, n]` or a [`SparseMatrix`], b `[m]` or `[rows, m]`, P `[n, n]` or `[rows, n, n]`. All have one
/// dtype, f32 or f64, and any of them may be on the tape. Of P, the symmetric part counts.
#[derive(Clone, Debug)]
pub struct ConeProblem {
    pub(crate) quadratic: Option<Value>,
    pub(crate) linear: Value,
    pub(crate) matrix: SparseMatrix,
    pub(crate) b: Value,
}

impl ConeProblem {
    /// The problem with P = 0.
    pub fn new(q: impl Into<Value>, a: impl Into<SparseMatrix>, b: impl Into<Value>) -> Self {
        ConeProblem { quadratic: None, linear: q.into(), matrix: a.into(), b: b.into() }
    }

    /// Sets P, which must be positive semidefinite.
    #[must_use]
    pub fn with_quadratic(mut self, p: impl Into<Value>) -> Self {
        self.quadratic = Some(p.into());
        self
    }

    /// The operands in their order.
    pub(crate) fn operands(self) -> Vec<Value> {
        self.quadratic.into_iter().chain([self.linear, self.matrix.values, self.b]).collect()
    }
}
