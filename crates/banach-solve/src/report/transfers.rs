//! Counts of transfers between a host and a device.

use serde::{Deserialize, Serialize};

/// The transfers of a deferred solve, without those of the map and of the constants at its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Transfers {
    /// Reads from the device, each of which waits until the device has computed what is read.
    pub reads: usize,
    /// Writes to the device.
    pub writes: usize,
}

impl Transfers {
    /// The transfers of two solves together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { reads: self.reads + other.reads, writes: self.writes + other.writes }
    }
}
