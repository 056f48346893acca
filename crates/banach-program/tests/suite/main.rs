//! Programs: traced, evaluated, differentiated and refused, each against an independent computation.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod arithmetic;
mod branches;
mod corners;
mod dual;
mod exactness;
mod expression;
mod extremes;
mod harness;
mod hoisting;
mod mistakes;
mod native;
mod networks;
mod operations;
mod precision;
mod random_programs;
mod random_shapes;
mod range;
mod refusals;
mod row_independence;
mod special;
mod transforms;
