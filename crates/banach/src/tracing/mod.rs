//! From a module to programs: its update, its parameters, and the layout of its state.

pub(crate) mod cache;
pub(crate) mod compare;
pub(crate) mod detached;
pub(crate) mod flatten;
pub(crate) mod lost;
pub(crate) mod parameters;
pub(crate) mod release;
pub(crate) mod traced;
pub(crate) mod update;
pub(crate) mod update_fn;
