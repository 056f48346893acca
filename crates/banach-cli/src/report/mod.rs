//! Results: folders, files, curves, tables, JSON and figures about the process.

pub(crate) mod curves;
pub(crate) mod file;
pub(crate) mod folder;
pub(crate) mod json;
pub(crate) mod memory;
pub(crate) mod plane;
pub(crate) mod plural;
pub(crate) mod sample;
pub(crate) mod sheet;
pub(crate) mod table;
