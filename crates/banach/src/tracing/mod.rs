//! From a module to programs: its update, its parameters, and the layout of its state.

pub(crate) mod auxiliary;
pub(crate) mod cache;
pub(crate) mod compare;
pub(crate) mod detached;
mod device_precision;
pub(crate) mod fingerprint;
pub(crate) mod layout;
pub(crate) mod module_fn;
pub(crate) mod parameters;
pub(crate) mod release;
pub(crate) mod row_substitution;
pub(crate) mod traced;
pub(crate) mod update;
pub(crate) mod update_fn;
