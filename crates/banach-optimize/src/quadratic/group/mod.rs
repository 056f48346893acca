//! Small programs with a definite Q, solved eight at a time, one in each lane of the arithmetic.
//!
//! A row that does not end in a clean active-set finish is left to the general method, which solves it alone.

mod data;
mod iteration;
pub(super) mod solve;
pub(super) mod system;
