//! The full-screen dashboard: curves of a training run while it runs. A build has it with the feature `dashboard`.

#[cfg(not(feature = "dashboard"))]
mod absent;
pub(crate) mod metric;
#[cfg(feature = "dashboard")]
mod screen;

#[cfg(not(feature = "dashboard"))]
pub(crate) use absent::{Dashboard, check};
#[cfg(feature = "dashboard")]
pub(crate) use screen::{Dashboard, check};
