//! Data sets, and their mini-batches.

pub(crate) mod arff;
pub(crate) mod batches;
pub(crate) mod bibtex;
