//! Counts of transfers between a host and a device.

/// The transfers of a deferred solve, without those of the map and of the constants at its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transfers {
    /// Reads from the device, each of which waits until the device has computed what is read.
    pub reads: usize,
    /// Writes to the device.
    pub writes: usize,
}
