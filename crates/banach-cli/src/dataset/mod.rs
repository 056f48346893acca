//! Data sets, and their mini-batches.

pub(crate) mod arff;
pub(crate) mod batches;
pub(crate) mod bibtex;
pub(crate) mod dead_leaves;
pub(crate) mod patches;
pub(crate) mod photographs;
pub(crate) mod picture;
pub(crate) mod plane;
