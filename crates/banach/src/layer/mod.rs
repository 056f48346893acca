//! The fixed-point layer, its starts and its warm starts.

pub(crate) mod fixed_point;
pub(crate) mod memory;
pub(crate) mod observed;
pub(crate) mod shared;
pub(crate) mod start;
pub(crate) mod warm;
