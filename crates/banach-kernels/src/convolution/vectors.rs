//! Loads and stores of full or partial vectors.

use crate::arithmetic::Arithmetic;
use pulp::Simd;

/// Loads a vector, or as many elements as there are.
#[inline(always)]
pub(super) fn whole<S: Simd, T: Arithmetic>(simd: S, numbers: &[T]) -> T::Vector<S> {
    match T::vectors::<S>(numbers) {
        ([vector], _) => *vector,
        (_, part) => T::load_part(simd, part),
    }
}

/// Stores a vector, or as many elements as fit.
#[inline(always)]
pub(super) fn write<S: Simd, T: Arithmetic>(simd: S, numbers: &mut [T], vector: T::Vector<S>) {
    match T::vectors_mut::<S>(numbers) {
        ([whole], _) => *whole = vector,
        (_, part) => T::store_part(simd, part, vector),
    }
}
