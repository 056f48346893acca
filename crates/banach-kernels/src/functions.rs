//! Functions of all numbers of a vector: exponentials and logarithms; others lane by lane.

mod exponential;
mod lanes;
mod logarithm;

pub(crate) use exponential::{erf, exp, sigmoid, tanh};
pub(crate) use lanes::{Functions, Lane};
pub(crate) use logarithm::{log, log_sigmoid, log1p};
