//! Loops of compiled programs, and runs of single programs, on the CPU or on a device.

mod batch_slice;
mod compiled_loop;
mod compiled_map;
pub(crate) mod device_loop;
pub(crate) mod engine_loop;
pub(crate) mod failure;
pub(crate) mod linear_system;
mod native_loop;
mod number;
mod operands;
mod origin;
pub(crate) mod programs;
#[cfg(feature = "remote")]
pub(crate) mod remote_engine;
#[cfg(feature = "remote")]
pub(crate) mod remote_loop;
pub(crate) mod runner;
#[cfg(feature = "remote")]
pub(crate) mod wire;
