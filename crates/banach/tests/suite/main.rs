//! Layers: fixed points and gradients against golden values, closed forms, differences and unrolled iteration.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod approximate;
mod book;
mod book_operations;
mod book_peers;
mod branches;
mod calculus;
mod captured;
mod certificate;
mod certificate_bounds;
mod closures;
mod convex_energies;
mod corners;
mod energy;
mod engine;
mod every;
mod golden;
mod gradients;
mod inside;
mod layer;
mod logging;

mod minima;
mod mistakes;
mod modules;
mod newton;
mod outcomes;
mod outputs;
mod own_solver;
mod policies;
mod precision;
mod projections;
mod random_fixed_points;
mod random_mistakes;
mod reference;
mod regularize;
#[cfg(feature = "remote")]
mod remote;
mod replicas;
mod roots;
mod rows_without_gradient;
mod starts;
mod traces;
mod training;
mod unsolvable;
mod untraced;
mod warm;
mod warm_batches;
mod zoo;

use burn::tensor::{DType, Device};

/// The largest error of a result computed in double precision.
pub(crate) const EXACT: f64 = 1e-8;
/// The tolerance of a solve to double precision.
pub(crate) const TIGHTEST: f64 = 1e-13;

/// Where the tests of reference values compute.
pub(crate) fn place() -> (Device, DType) {
    (Device::flex(), DType::F64)
}
