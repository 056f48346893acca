//! Quadratic programs and cone programs as differentiable layers for Burn.
//!
//! | question | place |
//! | :-- | :-- |
//! | How do I solve ½ xᵀQx + qᵀx under linear constraints? | [`QuadraticProgram`], [`QuadraticProblem`] |
//! | How do I put x into second-order, semidefinite or exponential cones? | [`ConeProgram`], [`ConeProblem`], [`Cone`] |
//! | Has every row a solution? | [`OptimizationReport`], [`Termination`] |
//! | How do I solve linear systems inside an update? | [`solve`], [`cholesky_solve`], [`symmetric_eigen`] |

mod algebra;
mod cone;
mod dense;
mod error;
mod operands;
mod projection;
mod quadratic;
mod report;
mod tensors;
mod termination;

pub use algebra::functions::{cholesky_solve, solve, symmetric_eigen};
pub use cone::problem::{ConeProblem, SparseMatrix};
pub use cone::program::{ConeProgram, ConeSolution, scaled_vector, symmetric_matrix};
pub use cone::settings::ConeSettings;
pub use error::Error;
pub use projection::cone::Cone;
pub use quadratic::problem::QuadraticProblem;
pub use quadratic::program::{QuadraticProgram, QuadraticSolution};
pub use quadratic::settings::QuadraticSettings;
pub use report::{OptimizationCounts, OptimizationReport};
pub use termination::Termination;
