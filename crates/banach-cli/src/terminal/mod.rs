//! The terminal: what it can display, the two output streams, progress, and Ctrl-C.

pub(crate) mod capability;
pub(crate) mod dashboard;
pub(crate) mod interruption;
pub(crate) mod output;
pub(crate) mod progress;
