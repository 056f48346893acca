//! Roots of equations F(x, z; θ) = 0, as fixed points of x - F(x).

mod difference;
pub(crate) mod equation_fn;
pub(crate) mod root;
mod root_function;
