//! Layers: fixed points and gradients against golden values, closed forms, differences and unrolled iteration.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod approximate;
mod book;
mod branches;
mod calculus;
mod certificate;
mod corners;
mod energy;
mod engine;
mod every;
mod golden;
mod gradients;
mod inside;
mod layer;
mod modules;
mod newton;
mod outcomes;
mod policies;
mod precision;
mod random_fixed_points;
mod reference;
mod regularize;
mod starts;
mod training;
mod warm;
mod warm_batches;
mod zoo;
