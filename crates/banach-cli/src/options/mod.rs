//! Options that several commands share: names, ranges of numbers, verbosity.

mod measuring;
mod names;
pub(crate) mod numbers;
mod solvers;
mod verbosity;

pub(crate) use measuring::Measuring;
pub(crate) use names::{BackwardName, ConvolutionName, EngineName, LayerName, RecipeName};
pub(crate) use solvers::{AdjointName, SolverName};
pub(crate) use verbosity::Verbosity;
