//! Tests of quadratic and cone programs: golden values, finite differences, dot products, outcomes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod algebra;
mod cones;
mod golden;
mod golden_fixed_points;
mod groups;
mod mistakes;
mod orders;
mod outcomes;
mod random_cones;
mod random_programs;
mod reference;
