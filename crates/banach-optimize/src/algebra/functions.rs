//! Linear solves and symmetric eigenvectors as functions of tensors.

use super::eigen::{SymmetricEigen, values, vectors};
use super::linear_solve::{Factorization, LinearSolve, OnSingular};
use crate::error::Error;
use crate::tensors::rows_of;
use banach::Function;
use banach::program::{Builder, Custom, CustomOp, Primitive, Program, Type, Value};
use burn::tensor::Tensor;
use std::sync::Arc;

/// Solves M c = b in every row, for b of shape [rows, n] and M of shape [n, n] or [rows, n, n].
///
/// Works on plain tensors, on Burn's tape, and inside the trace of an update. Values are computed in double precision
/// by LU with partial pivoting on the CPU, rows over cores.
///
/// ```
/// use banach_optimize::solve;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex().autodiff();
/// let m = Tensor::<2>::from_data([[2.0, 1.0], [0.0, 4.0]], &device).require_grad();
/// let b = Tensor::<2>::from_data([[4.0, 8.0]], &device).require_grad();
/// let c = solve(m.clone(), b.clone())?;
/// assert_eq!(c.to_data().iter::<f32>().collect::<Vec<_>>(), [1.0, 2.0]);
/// let gradients = c.sum().backward();
/// let of_b = b.grad(&gradients).expect("b is on the tape").into_data();
/// assert_eq!(of_b.iter::<f32>().collect::<Vec<_>>(), [0.5, 0.125]);
/// # Ok::<(), banach_optimize::Error>(())
/// ```
///
/// # Errors
/// [`Error::Tensor`] for shapes that do not fit; [`Error::Banach`] names the row of a singular matrix.
pub fn solve(matrix: impl Into<Value>, b: Tensor<2>) -> Result<Tensor<2>, Error> {
    linear(matrix.into(), b, Factorization::Lu)
}

/// Solves ½ (M + Mᵀ) c = b in every row, for M whose symmetric part is positive definite.
///
/// Half the work of [`solve`]. The gradient of M is symmetric.
///
/// # Errors
/// As [`solve`], and for a matrix that is not positive definite.
pub fn cholesky_solve(matrix: impl Into<Value>, b: Tensor<2>) -> Result<Tensor<2>, Error> {
    linear(matrix.into(), b, Factorization::Cholesky)
}

fn linear(matrix: Value, b: Tensor<2>, factorization: Factorization) -> Result<Tensor<2>, Error> {
    let b = Value::from(b);
    let (of_b, of_matrix) = (b.ty(), matrix.ty());
    let [rows, n] = of_b.shape[..] else { panic!("bug: found {of_b}, expected a matrix") };
    let own = rows_of("the matrix", &of_matrix, &[n, n])?;
    if of_matrix.kind != of_b.kind || own.is_some_and(|own| own != rows) {
        let expected = format!("one matrix or {rows}, of the dtype of b, {}", of_b.kind);
        return Err(Error::Tensor { what: "the matrix", found: of_matrix.to_string(), expected });
    }
    let (transposed, on_singular) = (false, OnSingular::Refuse);
    let primitive =
        LinearSolve { b: of_b.clone(), matrix: of_matrix.clone(), factorization, transposed, on_singular };
    let program = super::tape::program(&(Arc::new(primitive) as Arc<dyn Custom>), &[of_b, of_matrix]);
    Ok(call(program, vec![b, matrix])?.remove(0).try_into_tensor()?)
}

/// Returns the eigenvalues [rows, n], in ascending order, and the eigenvectors [rows, n, n], in columns, of the
/// symmetric parts of matrices [rows, n, n].
///
/// Eigenvectors of equal eigenvalues have no derivative; their coupling is left out of it.
///
/// # Errors
/// [`Error::Tensor`] for matrices that are not square; [`Error::Banach`] names a row that is not finite.
pub fn symmetric_eigen(matrices: Tensor<3>) -> Result<(Tensor<2>, Tensor<3>), Error> {
    let matrices = Value::from(matrices);
    let ty: Type = matrices.ty();
    if ty.shape[1] != ty.shape[2] || ty.is_empty() {
        let expected = "square matrices [rows, n, n]".into();
        return Err(Error::Tensor {
            what: "the operand of symmetric eigenvectors",
            found: ty.to_string(),
            expected,
        });
    }
    let mut builder = Builder::new();
    let operand = builder.input(ty.clone());
    let primitive = CustomOp(Arc::new(SymmetricEigen { matrix: ty }) as Arc<dyn Custom>);
    let result = builder.push(Primitive::Custom(primitive), &[operand]);
    let outputs = vec![values(&mut builder, result), vectors(&mut builder, result)];
    let mut found = call(builder.finish(outputs), vec![matrices])?;
    let vectors = found.remove(1).try_into_tensor()?;
    Ok((found.remove(0).try_into_tensor()?, vectors))
}

/// Calls a program eagerly, on the tape, or inside the trace that its inputs belong to.
pub(crate) fn call(program: Program, inputs: Vec<Value>) -> Result<Vec<Value>, Error> {
    Ok(Function::from(program).call_values(inputs)?)
}
