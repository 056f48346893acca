//! Solutions of linear systems M c = b, one for every row, as a primitive.
//!
//! ```text
//! tangent     dc = M⁻¹ (db - dM c)
//! transpose   b  = M⁻ᵀ v: a solve again
//! ```

use super::matrices::product;
use super::tape::attached;
use crate::dense::cholesky::{Scratch, factor, solve_lower, solve_lower_transposed};
use crate::dense::lu::Lu;
use crate::error::Error;
use crate::tensors::{Numbers, Place, rows_of};
use banach::program::{Builder, Custom, CustomLinear, TangentBuilder, Type, Value, Var};
use rayon::prelude::*;
use std::sync::Arc;

/// How the matrices are factored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Factorization {
    /// LU with partial pivoting.
    Lu,
    /// Cholesky, of the symmetric part of M, which must be positive definite.
    Cholesky,
}

/// What a singular matrix gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnSingular {
    /// An error that names the row.
    Refuse,
    /// A solution of zeros: the row has no derivative.
    Zero,
}

/// `(b, M) -> M⁻¹ b` for b of shape [rows, n] and M of shape [n, n] or [rows, n, n].
#[derive(Clone, Debug)]
pub(crate) struct LinearSolve {
    pub(crate) b: Type,
    pub(crate) matrix: Type,
    pub(crate) factorization: Factorization,
    pub(crate) transposed: bool,
    pub(crate) on_singular: OnSingular,
}

/// A solve with factors.
type Solver = Box<dyn Fn(&[f64]) -> Vec<f64> + Send + Sync>;

impl LinearSolve {
    /// Solves all rows; None marks the rows whose matrix is singular.
    fn rows(&self, b: &[f64], matrix: &[f64], n: usize) -> Vec<Option<Vec<f64>>> {
        let shared = matrix.len() == n * n;
        if shared {
            let solve = self.solver(matrix, n);
            return b.par_chunks_exact(n).map(|b| solve.as_ref().map(|solve| solve(b))).collect();
        }
        b.par_chunks_exact(n)
            .zip(matrix.par_chunks_exact(n * n))
            .map(|(b, matrix)| self.solver(matrix, n).map(|solve| solve(b)))
            .collect()
    }

    /// Factors a matrix, and returns the solve with the factors.
    fn solver(&self, matrix: &[f64], n: usize) -> Option<Solver> {
        match self.factorization {
            Factorization::Lu => {
                let (lu, transposed) = (Lu::new(matrix.to_vec(), n)?, self.transposed);
                Some(Box::new(move |b| {
                    let mut b = b.to_vec();
                    lu.solve(&mut b, transposed);
                    b
                }))
            }
            Factorization::Cholesky => {
                let mut l: Vec<f64> =
                    (0..n * n).map(|at| 0.5 * (matrix[at] + matrix[at % n * n + at / n])).collect();
                factor(&mut l, n, &mut Scratch::default())?;
                Some(Box::new(move |b| {
                    let mut b = b.to_vec();
                    solve_lower(&l, &mut b);
                    solve_lower_transposed(&l, &mut b);
                    b
                }))
            }
        }
    }

    fn solved(&self, operands: &[Value]) -> Result<Value, Error> {
        let (b, matrix) = (Numbers::of(&operands[0]), Numbers::of(&operands[1]));
        let shape = operands[0].ty().shape;
        let n = shape[1];
        let rows = self.rows(b.slice(), matrix.slice(), n);
        let singular = rows.iter().position(Option::is_none);
        if let Some(row) = singular.filter(|_| self.on_singular == OnSingular::Refuse) {
            let found = match self.factorization {
                Factorization::Lu => format!("a singular matrix in row {row} of {}", rows.len()),
                Factorization::Cholesky => {
                    format!("a matrix that is not positive definite in row {row} of {}", rows.len())
                }
            };
            let expected = "a regular one; add a small number to its diagonal".into();
            return Err(Error::Tensor { what: "the matrix of a linear solve", found, expected });
        }
        if let Some(row) = singular {
            log::warn!(target: "banach", "the derivative of row {row} does not exist: its system is singular");
        }
        let zero = vec![0.0; n];
        let numbers = rows.into_iter().flat_map(|row| row.unwrap_or_else(|| zero.clone())).collect();
        Place::of(&operands[0]).value(numbers, &shape)
    }
}

impl Custom for LinearSolve {
    fn name(&self) -> String {
        let method = match self.factorization {
            Factorization::Lu => "solve",
            Factorization::Cholesky => "Cholesky solve",
        };
        if self.transposed { format!("transposed {method}") } else { method.into() }
    }

    fn result_type(&self, operands: &[&Type]) -> Result<Type, String> {
        let [b, matrix] = operands else {
            return Err(format!("{} operands, expected b and M", operands.len()));
        };
        let (rows, n) = match b.shape[..] {
            [rows, n] => (rows, n),
            _ => return Err(format!("b is {b}, expected [rows, n]")),
        };
        let own = rows_of("M", matrix, &[n, n]).map_err(|error| error.to_string())?;
        if matrix.kind != b.kind || own.is_some_and(|own| own != rows) {
            return Err(format!("M is {matrix}, expected one matrix or {rows} of the dtype of b"));
        }
        Ok((*b).clone())
    }

    fn evaluate(&self, operands: Vec<Value>) -> Result<Value, banach::program::Error> {
        let failed = |error: Error| error.into_program(&self.name());
        let result = self.solved(&operands).map_err(failed)?;
        let primitive: Arc<dyn Custom> = Arc::new(self.clone());
        attached(&primitive, result, operands).map_err(failed)
    }

    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], result: Var) -> Option<Var> {
        let db = point.tangent(operands[0]);
        let dm = point.tangent(operands[1]);
        let mut builder = Builder::new();
        let (matrix, c) = (builder.input(self.matrix.clone()), builder.input(self.b.clone()));
        let mut moved = product(&mut builder, matrix, c, self.transposed);
        if self.factorization == Factorization::Cholesky {
            let other = product(&mut builder, matrix, c, !self.transposed);
            let both = builder.add(moved, other);
            moved = builder.scale(both, 0.5);
        }
        let moved = builder.scale(moved, -1.0);
        let moved = builder.finish(vec![moved]);
        let turned =
            dm.and_then(|dm| point.derivative(&moved, &[operands[1], result], &[Some(dm), None]).remove(0));
        let right = point.sum(db, turned)?;
        Some(point.custom(Arc::new(self.clone()), right, &operands[1..]))
    }

    fn row_by_row(&self, has_rows: &[bool]) -> bool {
        has_rows[0]
    }
}

impl CustomLinear for LinearSolve {
    fn primitive(&self) -> Arc<dyn Custom> {
        Arc::new(self.clone())
    }

    fn transposed(&self) -> Arc<dyn CustomLinear> {
        Arc::new(LinearSolve { transposed: !self.transposed, ..self.clone() })
    }
}
