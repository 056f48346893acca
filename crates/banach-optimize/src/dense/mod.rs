//! Dense linear algebra in double precision, on slices: by `faer`, and for eight problems side by side.
//!
//! Matrices of factorisations are stored column by column. A row-major matrix of shape [k, n] is its transpose
//! [n, k] column by column, so constraint matrices are read as they lie.

pub(crate) mod buffer;
pub(crate) mod cholesky;
pub(crate) mod eigen;
pub(crate) mod lanes;
pub(crate) mod lu;
pub(crate) mod packed;
pub(crate) mod product;
pub(crate) mod registers;
mod rows;
pub(crate) mod vector;
