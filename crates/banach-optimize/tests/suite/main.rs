//! Tests of quadratic and cone programs: golden values, finite differences, dot products, outcomes.

mod algebra;
mod golden;
mod mistakes;
mod orders;
mod outcomes;
mod random_programs;
mod reference;
