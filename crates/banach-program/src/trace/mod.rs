//! Tracing: from Burn code to programs.

pub(crate) mod lower;
pub(crate) mod outputs;
pub(crate) mod record;
pub(crate) mod tensors;
