//! Evaluation of programs: on any device, and compiled for the CPU.

pub(crate) mod evaluate;
pub(crate) mod native;
pub(crate) mod operand;
mod schedule;
pub(crate) mod value;
