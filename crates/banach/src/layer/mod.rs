//! The fixed-point layer, its starts and its warm starts.

pub(crate) mod call;
mod display;
mod finish;
pub(crate) mod fixed_point;
mod given;
mod observed;
mod outputs;
pub(crate) mod sample_cache;
mod shared;
mod start;
pub(crate) mod step;
pub(crate) mod warm;
