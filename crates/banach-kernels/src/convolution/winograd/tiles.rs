//! Sizes and scratch memory of Winograd tiles.

use crate::aligned_buffer::AlignedBuffer;
use crate::arithmetic::Arithmetic;
use pulp::Simd;
use std::cell::RefCell;

/// Taps of the kernel along an axis.
pub(super) const TAPS: usize = 3;

/// A size of tiles: `SIDE` output pixels along an axis, from `PATCH` input pixels.
pub(super) trait Tiling<const SIDE: usize, const PATCH: usize> {
    /// `Bᵀ d`.
    fn input<S: Simd, T: Arithmetic>(simd: S, d: [T::Vector<S>; PATCH]) -> [T::Vector<S>; PATCH];

    /// `Aᵀ m`.
    fn output<S: Simd, T: Arithmetic>(simd: S, m: [T::Vector<S>; PATCH]) -> [T::Vector<S>; SIDE];

    /// `G g`.
    fn weights(g: [f64; TAPS]) -> [f64; PATCH];
}

thread_local! {
    /// Transformed tiles before and after the products.
    pub(super) static TILES: RefCell<AlignedBuffer> = const { RefCell::new(AlignedBuffer::new()) };
}

/// Elements of a cache line.
pub(super) const fn line<T>() -> usize {
    64 / size_of::<T>()
}

/// The stride between products of a number of elements each: an odd number of cache lines, so that equal offsets
/// in all products do not map to the same cache set.
pub(super) const fn apart<T>(elements: usize) -> usize {
    (elements.div_ceil(line::<T>()) | 1) * line::<T>()
}
