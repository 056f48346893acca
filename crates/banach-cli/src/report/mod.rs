//! How are results written: files that are never half there, curves, tables, memory?

pub(crate) mod curves;
pub(crate) mod file;
pub(crate) mod memory;
pub(crate) mod table;
