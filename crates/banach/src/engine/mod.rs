//! Loops of compiled programs, and runs of single programs, on the CPU or on a device.

pub(crate) mod compiled;
pub(crate) mod failure;
pub(crate) mod native;
pub(crate) mod part;
pub(crate) mod runner;
pub(crate) mod smooth;
