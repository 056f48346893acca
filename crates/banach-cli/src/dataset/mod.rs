//! Which data do the experiments read, and how does it become mini-batches?

pub(crate) mod arff;
pub(crate) mod batches;
pub(crate) mod bibtex;
