//! Comparisons and selections on a block.

use super::map::{Block, each};
use super::operation::Comparison;
use crate::arithmetic::Arithmetic;
use pulp::Simd;

/// `no` where the mask is 0, else `yes`.
#[inline(always)]
pub(super) fn unless<S: Simd, T: Arithmetic>(
    simd: S,
    mask: T::Vector<S>,
    no: T::Vector<S>,
    yes: T::Vector<S>,
) -> T::Vector<S> {
    T::select(simd, T::equal(simd, mask, T::splat(simd, T::ZERO)), no, yes)
}

/// Truth values of comparisons.
///
/// # Safety
///
/// As for [`apply`](super::apply::apply).
#[inline(always)]
pub(super) unsafe fn compare<S: Simd, T: Arithmetic>(simd: S, block: Block<T>, comparison: Comparison) {
    let (no, yes) = (T::splat(simd, T::ZERO), T::splat(simd, T::ONE));
    // SAFETY: the caller's contract.
    unsafe {
        match comparison {
            Comparison::Equal => {
                each!(simd, block, |a, b| T::select(simd, T::equal(simd, a, b), yes, no));
            }
            Comparison::NotEqual => {
                each!(simd, block, |a, b| T::select(simd, T::equal(simd, a, b), no, yes));
            }
            Comparison::Less => {
                each!(simd, block, |a, b| T::select(simd, T::less(simd, a, b), yes, no));
            }
            Comparison::LessEqual => {
                each!(simd, block, |a, b| T::select(simd, T::less_or_equal(simd, a, b), yes, no));
            }
            Comparison::Greater => {
                each!(simd, block, |a, b| T::select(simd, T::less(simd, b, a), yes, no));
            }
            Comparison::GreaterEqual => {
                each!(simd, block, |a, b| T::select(simd, T::less_or_equal(simd, b, a), yes, no));
            }
        }
    }
}
