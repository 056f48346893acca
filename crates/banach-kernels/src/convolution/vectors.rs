//! Partial vectors, where fewer numbers are left than a vector holds.

use crate::real::Real;
use pulp::Simd;

/// A vector or the part there is of it.
#[inline(always)]
pub(super) fn whole<S: Simd, T: Real>(simd: S, numbers: &[T]) -> T::Vector<S> {
    match T::vectors::<S>(numbers) {
        ([vector], _) => *vector,
        (_, part) => T::load_part(simd, part),
    }
}

/// Writes a vector or the part there is room for.
#[inline(always)]
pub(super) fn write<S: Simd, T: Real>(simd: S, numbers: &mut [T], vector: T::Vector<S>) {
    match T::vectors_mut::<S>(numbers) {
        ([whole], _) => *whole = vector,
        (_, part) => T::store_part(simd, part, vector),
    }
}
