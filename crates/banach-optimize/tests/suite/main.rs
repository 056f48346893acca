//! Tests of quadratic and cone programs: golden values, finite differences, dot products, outcomes.

mod algebra;
mod cones;
mod golden;
mod mistakes;
mod orders;
mod outcomes;
mod random_cones;
mod random_programs;
mod reference;
