//! Programs: traced, evaluated, differentiated and refused, each against an independent road.

mod harness;
mod hoisting;
mod networks;
mod operations;
mod random_programs;
mod refusals;
mod row_independence;
mod transforms;
