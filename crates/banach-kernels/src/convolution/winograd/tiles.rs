//! Sizes and scratch memory of Winograd tiles.

use crate::aligned_buffer::AlignedBuffer;
use std::cell::RefCell;

/// Products of a tile for one pair of channels.
pub(in crate::convolution) const PRODUCTS: usize = 16;
/// Output pixels of a tile along an axis.
pub(super) const SIDE: usize = 2;
/// Input pixels of a tile along an axis.
pub(super) const PATCH: usize = 4;

thread_local! {
    /// Transformed tiles before and after the products.
    pub(super) static TILES: RefCell<AlignedBuffer> = const { RefCell::new(AlignedBuffer::new()) };
}

/// Elements of a cache line. The stride between products is padded by one cache line, so that equal offsets
/// in all products do not map to the same cache set.
pub(super) const fn line<T>() -> usize {
    64 / size_of::<T>()
}
