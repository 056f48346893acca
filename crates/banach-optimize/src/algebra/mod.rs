//! Linear algebra as primitives of programs, with derivatives of every order.

pub(crate) mod eigen;
pub(crate) mod functions;
pub(crate) mod linear_solve;
pub(crate) mod matrices;
pub(crate) mod tape;
