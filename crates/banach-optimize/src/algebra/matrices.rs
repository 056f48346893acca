//! Equations of programs on batches of matrices, one for all rows or one for each.

use banach::program::{Bilinear, Builder, Constant, Literal, Primitive, Span, Structure, Type, Var};
use burn::tensor::TensorData;
use std::sync::Arc;

/// M x (or Mᵀ x) in every row, for M of shape [r, c] or [rows, r, c].
pub(crate) fn product(b: &mut Builder, matrix: Var, x: Var, transposed: bool) -> Var {
    let form = Primitive::Bilinear(Bilinear::Matmul([false, !transposed]));
    let shape = b.shape(x);
    if b.shape(matrix).len() == 2 {
        return b.push(form, &[x, matrix]);
    }
    let x = b.reshape(x, &[shape[0], 1, shape[1]]);
    let product = b.push(form, &[x, matrix]);
    let width = b.shape(product)[2];
    b.reshape(product, &[shape[0], width])
}

/// A tensor with a leading axis for the rows, repeated where all rows share it.
pub(crate) fn for_each_row(b: &mut Builder, x: Var, rank: usize, rows: usize) -> Var {
    let mut shape = b.shape(x);
    if shape.len() == rank {
        shape.insert(0, rows);
        return b.broadcast(x, &shape);
    }
    x
}

/// The transposes of a batch of matrices.
pub(crate) fn transposed(b: &mut Builder, matrices: Var) -> Var {
    b.swap(matrices, 1, 2)
}

/// The identity matrix in every row.
pub(crate) fn identity(b: &mut Builder, n: usize, rows: usize, ty: &Type) -> Var {
    let numbers: Vec<f64> = (0..n * n).map(|at| if at / n == at % n { 1.0 } else { 0.0 }).collect();
    let literal = Literal::Data(Arc::new(TensorData::new(numbers, [1, n, n])));
    let constant = Constant { ty: Type::f64([1, n, n]), literal };
    let identity = b.push(Primitive::Constant(constant), &[]);
    let identity = b.cast(identity, ty.kind);
    b.broadcast(identity, &[rows, n, n])
}

/// Vectors as columns of matrices: [rows, n] to [rows, n, width].
pub(crate) fn spread(b: &mut Builder, x: Var, width: usize) -> Var {
    let shape = b.shape(x);
    let column = b.reshape(x, &[shape[0], shape[1], 1]);
    b.broadcast(column, &[shape[0], shape[1], width])
}

/// The sum over the last axis, which goes.
pub(crate) fn sum_last(b: &mut Builder, x: Var) -> Var {
    let mut shape = b.shape(x);
    let sum = b.structure(Structure::Sum(vec![shape.len() - 1]), x);
    shape.pop();
    b.reshape(sum, &shape)
}

/// Tensors side by side along an axis.
pub(crate) fn concat(b: &mut Builder, parts: &[Var], axis: usize) -> Var {
    if let [part] = parts { *part } else { b.push(Primitive::Concat(axis), parts) }
}

/// `count` elements along an axis, from `first` on.
pub(crate) fn part(b: &mut Builder, x: Var, axis: usize, first: usize, count: usize) -> Var {
    let whole = |&size: &usize| Span { start: 0, end: size, step: 1 };
    let mut spans: Vec<Span> = b.type_of(x).shape.iter().map(whole).collect();
    spans[axis] = Span { start: first, end: first + count, step: 1 };
    b.structure(Structure::Slice(spans), x)
}
