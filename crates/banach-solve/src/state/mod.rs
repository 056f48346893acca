//! States of solvers: row arithmetic on tensors and on matrices in memory.

mod matrix;
mod pooled_vector;
pub(crate) mod rows;
mod tensor;

pub use matrix::Matrix;
pub use pooled_vector::Number;
pub use rows::Rows;
