//! Application of a function to every position of a block, vector by vector.

use crate::arithmetic::Arithmetic;
use pulp::Simd;
use std::array;

/// A matrix to read, whose element (r, c) lies at `pointer + r row_stride + c column_stride`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<T> {
    pub(super) pointer: *const T,
    pub(super) row_stride: usize,
    /// 0 or 1.
    pub(super) column_stride: usize,
}

/// A matrix to write, whose element (r, c) lies at `pointer + r row_stride + c`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<T> {
    pub(super) pointer: *mut T,
    pub(super) row_stride: usize,
}

/// The size of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// The operands and the target of an operation; operations with fewer operands ignore the last sources.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<T> {
    pub(super) extent: Extent,
    pub(super) sources: [Source<T>; 3],
    pub(super) target: Target<T>,
}

/// Applies a function of vectors to the first sources of a block. The function is inlined into the loop, and
/// so compiled for its instruction set.
macro_rules! each {
    ($simd:ident, $block:ident, |$($operand:ident),*| $function:expr) => {{
        let [$($operand,)* ..] = $block.sources;
        crate::chain::map::map(
            $simd,
            $block.extent,
            [$($operand),*],
            $block.target,
            #[inline(always)]
            |[$($operand),*]| $function,
        )
    }};
    ($simd:ident, $block:ident, || $function:expr) => {
        crate::chain::map::map(
            $simd,
            $block.extent,
            [],
            $block.target,
            #[inline(always)]
            |[]| $function,
        )
    };
}

/// Applies a function of single numbers to the first sources of a block.
macro_rules! each_lane {
    ($block:ident, |$($operand:ident),*| $function:expr) => {{
        let [$($operand,)* ..] = $block.sources;
        crate::chain::map::map_lanes(
            $block.extent,
            [$($operand),*],
            $block.target,
            #[inline(always)]
            |[$($operand),*]| $function,
        )
    }};
}

pub(super) use {each, each_lane};

/// Applies a function to every position of a block.
///
/// # Safety
///
/// Every source must be readable and the target writable at every position of the extent. A source may
/// overlap the target only if both have each position at the same address.
#[inline(always)]
pub(super) unsafe fn map<S: Simd, T: Arithmetic, const N: usize>(
    simd: S,
    extent: Extent,
    sources: [Source<T>; N],
    target: Target<T>,
    function: impl Fn([T::Vector<S>; N]) -> T::Vector<S>,
) {
    let lanes = T::lanes::<S>();
    let whole = extent.columns - extent.columns % lanes;
    for row in 0..extent.rows {
        let mut repeated = [T::splat(simd, T::ZERO); N];
        let mut at = [std::ptr::null::<T>(); N];
        for (n, source) in sources.iter().enumerate() {
            // SAFETY: the row starts inside the source.
            at[n] = unsafe { source.pointer.add(row * source.row_stride) };
            if source.column_stride == 0 {
                // SAFETY: the element is readable.
                repeated[n] = T::splat(simd, unsafe { *at[n] });
                at[n] = (&raw const repeated[n]).cast();
            }
        }
        let steps = sources.map(|source| source.column_stride);
        // SAFETY: the row starts inside the target.
        let out = unsafe { target.pointer.add(row * target.row_stride) };
        let mut column = 0;
        while column < whole {
            let operands = array::from_fn(
                #[inline(always)]
                |n| {
                    // SAFETY: a vector from here lies inside the row, or is the repeated number.
                    unsafe { at[n].add(column * steps[n]).cast::<T::Vector<S>>().read_unaligned() }
                },
            );
            // SAFETY: as above.
            unsafe { out.add(column).cast::<T::Vector<S>>().write_unaligned(function(operands)) };
            column += lanes;
        }
        let rest = extent.columns - whole;
        if rest > 0 {
            let operands = array::from_fn(
                #[inline(always)]
                |n| {
                    // SAFETY: the rest of the row, or of a vector of the repeated number, is readable.
                    let rest = unsafe { std::slice::from_raw_parts(at[n].add(whole * steps[n]), rest) };
                    T::load_part(simd, rest)
                },
            );
            let result = function(operands);
            // SAFETY: the rest of the row is writable, and no other reference to it is alive.
            let rest = unsafe { std::slice::from_raw_parts_mut(out.add(whole), rest) };
            T::store_part(simd, rest, result);
        }
    }
}

/// Applies a function of single numbers to every position of a block.
///
/// # Safety
///
/// As for [`map`].
#[inline(always)]
pub(super) unsafe fn map_lanes<T: Arithmetic, const N: usize>(
    extent: Extent,
    sources: [Source<T>; N],
    target: Target<T>,
    function: impl Fn([T; N]) -> T,
) {
    for row in 0..extent.rows {
        for column in 0..extent.columns {
            // SAFETY: the position lies inside every source and the target.
            unsafe {
                let operands = sources.map(|source| {
                    *source.pointer.add(row * source.row_stride + column * source.column_stride)
                });
                *target.pointer.add(row * target.row_stride + column) = function(operands);
            }
        }
    }
}
