//! Data sets, and their mini-batches.

mod arff;
pub(crate) mod batches;
pub(crate) mod bibtex;
mod csv;
pub(crate) mod data_set;
pub(crate) mod dead_leaves;
pub(crate) mod encoding;
pub(crate) mod example;
mod fields;
mod format;
mod label_choice;
pub(crate) mod labelled;
mod libsvm;
mod lines;
pub(crate) mod patches;
pub(crate) mod photographs;
pub(crate) mod picture;
pub(crate) mod plane;
pub(crate) mod source;
pub(crate) mod splitting;
mod table;
