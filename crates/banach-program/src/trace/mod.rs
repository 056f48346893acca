//! Tracing: from Burn code to programs.

pub(crate) mod lower;
pub(crate) mod record;
pub(crate) mod tensors;
