//! The terminal: what it can display, the two output streams, and Ctrl-C.

pub(crate) mod capability;
pub(crate) mod interruption;
pub(crate) mod output;
