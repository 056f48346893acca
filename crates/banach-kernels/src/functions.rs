//! Which functions can kernels apply to every number of a vector? Exponentials and logarithms; others lane by lane.

mod exponential;
mod lanes;
mod logarithm;

pub(crate) use exponential::{erf, exp, sigmoid, tanh};
pub(crate) use lanes::{Functions, Lane};
pub(crate) use logarithm::{log, log_sigmoid, log1p};
