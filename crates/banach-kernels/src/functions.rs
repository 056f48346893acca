//! Vectorized exponentials and logarithms.

mod exponential;
mod logarithm;

pub(crate) use exponential::{erf, exp, sigmoid, tanh};
pub(crate) use logarithm::{log, log_sigmoid, log1p};
