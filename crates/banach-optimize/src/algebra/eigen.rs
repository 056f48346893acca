//! Eigenvalues and eigenvectors of symmetric matrices, as a primitive.
//!
//! For A = V diag(λ) Vᵀ and E = Vᵀ dA V,
//!
//! ```text
//! dλᵢ = Eᵢᵢ        dV = V (F ∘ E),  Fᵢⱼ = 1 / (λⱼ - λᵢ), 0 where the eigenvalues are equal
//! ```

use super::matrices::{concat, identity, part, spread, sum_last, transposed};
use super::tape::attached;
use crate::dense::eigen::Eigen;
use crate::error::Error;
use crate::tensors::{Numbers, Place};
use banach::program::{
    Builder, Comparison, Custom, Elementwise, Primitive, TangentBuilder, Type, Unary, Value, Var,
};
use rayon::prelude::*;
use std::sync::Arc;

/// Eigenvalues nearer than this number, relative to the largest, count as equal.
const EQUAL: f64 = 1e-12;

/// `A -> [λ; V]` for A of shape [rows, n, n]: in every row the eigenvalues in ascending order, then the rows of V.
#[derive(Clone, Debug)]
pub(crate) struct SymmetricEigen {
    pub(crate) matrix: Type,
}

/// The eigenvalues [rows, n] in a result [rows, n + 1, n].
pub(crate) fn values(b: &mut Builder, result: Var) -> Var {
    let shape = b.shape(result);
    let values = part(b, result, 1, 0, 1);
    b.reshape(values, &[shape[0], shape[2]])
}

/// The eigenvectors [rows, n, n], in columns, in a result [rows, n + 1, n].
pub(crate) fn vectors(b: &mut Builder, result: Var) -> Var {
    let n = b.shape(result)[2];
    part(b, result, 1, 1, n)
}

impl SymmetricEigen {
    fn decomposed(&self, operands: &[Value]) -> Result<Value, Error> {
        let shape = operands[0].ty().shape;
        let (rows, n) = (shape[0], shape[1]);
        let matrix = Numbers::of(&operands[0]);
        let rows_found: Vec<Option<Eigen>> =
            matrix.slice().par_chunks_exact(n * n).map(|a| Eigen::new(a, n)).collect();
        if let Some(row) = rows_found.iter().position(Option::is_none) {
            let found = format!("a matrix without finite eigenvalues in row {row} of {rows}");
            let expected = "matrices of finite numbers".into();
            return Err(Error::Tensor { what: "the operand of symmetric eigenvectors", found, expected });
        }
        let mut numbers = Vec::with_capacity(rows * (n + 1) * n);
        for eigen in rows_found.into_iter().flatten() {
            numbers.extend_from_slice(&eigen.values);
            numbers.extend((0..n * n).map(|at| eigen.vectors[at % n * n + at / n]));
        }
        Place::of(&operands[0]).value(numbers, &[rows, n + 1, n])
    }

    /// The program (result, A) -> tangent, linear in A.
    fn derivative(&self) -> banach::program::Program {
        let (rows, n) = (self.matrix.shape[0], self.matrix.shape[1]);
        let mut b = Builder::new();
        let result = b.input(Type::new([rows, n + 1, n], self.matrix.kind));
        let a = b.input(self.matrix.clone());
        let (lambda, v) = (values(&mut b, result), vectors(&mut b, result));
        let turned = transposed(&mut b, a);
        let symmetric = b.add(a, turned);
        let symmetric = b.scale(symmetric, 0.5);
        let turned = transposed(&mut b, v);
        let product = b.matmul(turned, symmetric);
        let inner = b.matmul(product, v);
        let eye = identity(&mut b, n, rows, &self.matrix);
        let diagonal = b.multiply(inner, eye);
        let of_values = sum_last(&mut b, diagonal);
        let gaps = gaps(&mut b, lambda);
        let size = b.unary(Unary::Abs, lambda);
        let size = b.push(Primitive::Extreme { axis: 1, largest: true }, &[size]);
        let size = b.scale(size, EQUAL);
        let size = b.reshape(size, &[rows, 1, 1]);
        let size = b.broadcast(size, &[rows, n, n]);
        let wide = b.unary(Unary::Abs, gaps);
        let equal = b.push(Elementwise::Compare(Comparison::LessEqual), &[wide, size]);
        let one = b.full(self.matrix.clone(), 1.0);
        let safe = b.choose(equal, one, gaps);
        let quotient = b.divide(inner, safe);
        let quotient = b.push(Elementwise::Erase, &[equal, quotient]);
        let of_vectors = b.matmul(v, quotient);
        let of_values = b.reshape(of_values, &[rows, 1, n]);
        let whole = concat(&mut b, &[of_values, of_vectors], 1);
        b.finish(vec![whole])
    }
}

/// λⱼ - λᵢ in row i and column j.
pub(crate) fn gaps(b: &mut Builder, lambda: Var) -> Var {
    let n = b.shape(lambda)[1];
    let own = spread(b, lambda, n);
    let others = transposed(b, own);
    b.subtract(others, own)
}

impl Custom for SymmetricEigen {
    fn name(&self) -> String {
        "symmetric eigenvectors".into()
    }

    fn result_type(&self, operands: &[&Type]) -> Result<Type, String> {
        match operands {
            [a] if a.shape.len() == 3 && a.shape[1] == a.shape[2] && a.kind.is_float() => {
                Ok(Type::new([a.shape[0], a.shape[1] + 1, a.shape[2]], a.kind))
            }
            _ => Err("expected one float tensor [rows, n, n]".into()),
        }
    }

    fn evaluate(&self, operands: Vec<Value>) -> Result<Value, banach::program::Error> {
        let failed = |error: Error| error.into_program(&self.name());
        let result = self.decomposed(&operands).map_err(failed)?;
        let primitive: Arc<dyn Custom> = Arc::new(self.clone());
        attached(&primitive, result, operands).map_err(failed)
    }

    fn tangent(&self, point: &mut dyn TangentBuilder, operands: &[Var], result: Var) -> Option<Var> {
        let tangent = point.tangent(operands[0])?;
        point.derivative(&self.derivative(), &[result, operands[0]], &[None, Some(tangent)]).remove(0)
    }

    fn row_by_row(&self, has_rows: &[bool]) -> bool {
        has_rows[0]
    }
}
