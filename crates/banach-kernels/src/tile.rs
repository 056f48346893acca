//! The micro-kernel of products: a tile of results in registers, a few rows high and one or two vectors wide.
//!
//! Products, convolutions and their weight gradients are all sums of terms "a few rows times a panel",
//! computed by one loop. The order of summation of a row does not depend on the height of its tile.

use crate::arithmetic::Arithmetic;
use pulp::{Simd, WithSimd};

/// The most rows of a tile.
pub(crate) const TALLEST: usize = 14;
/// The most vectors in a row of a tile.
pub(crate) const WIDEST: usize = 2;

/// One term of the sum: the starts of its rows and of its range of the panel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    /// The index in [`Tile::rows`] of the pointer to the first row.
    pub(crate) rows: usize,
    /// The first row of the panel.
    pub(crate) panel: usize,
}

/// A tile: `c[i, j] = Σ_term Σ_p rows[term.rows + i step][skip + p stride] · panel[term.panel + p, j]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile<'a, T> {
    /// Pointers to the rows of the left operand.
    pub(crate) rows: *const *const T,
    /// Pointers from one row of the tile to the next.
    pub(crate) step: usize,
    /// Elements to skip in every left row.
    pub(crate) skip: usize,
    /// Elements from one summand to the next in a left row.
    pub(crate) stride: usize,
    /// Summands in a term.
    pub(crate) depth: usize,
    /// The terms of the sum.
    pub(crate) terms: &'a [Term],
    /// The right operand, in rows of whole vectors.
    pub(crate) panel: *const T,
    /// Elements from one row of the right operand to the next.
    pub(crate) pitch: usize,
    /// The first result.
    pub(crate) c: *mut T,
    /// Elements from one row of results to the next.
    pub(crate) c_stride: usize,
    /// Results in a row: they fill all vectors but the last, which they fill at least in part.
    pub(crate) columns: usize,
    /// Whether to add to the existing results.
    pub(crate) add: bool,
}

/// The largest height of a tile of this width whose sums fit in the registers.
#[inline(always)]
pub(crate) const fn tallest<S: Simd>(vectors: usize) -> usize {
    if S::REGISTER_COUNT >= 32 { TALLEST } else { 12 / vectors }
}

/// Splits `0..count` into ranges of nearly equal length, at most `most`: the start and the length of each.
#[inline(always)]
pub(crate) fn balanced(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = count.div_ceil(most);
    (0..parts).map(move |part| {
        let start = part * count / parts;
        (start, (part + 1) * count / parts - start)
    })
}

/// Computes a tile of a given height and width in vectors.
///
/// # Safety
/// `1 <= vectors <= WIDEST` and `1 <= height <= tallest(vectors)`. For every row `i < height`, term and
/// `p < depth` the numbers the formula of [`Tile`] names can be read, the panel's rows as whole vectors;
/// `columns` results can be written at `c + i c_stride`, and no other reference to them exists.
#[inline(always)]
pub(crate) unsafe fn compute<S: Simd, T: Arithmetic>(
    simd: S,
    vectors: usize,
    height: usize,
    tile: &Tile<'_, T>,
) {
    macro_rules! heights {
        ($vectors:literal: $($height:literal)*) => {
            match height {
                // SAFETY: the caller's contract, for this height and width.
                $($height => unsafe { fixed::<S, T, $height, $vectors>(simd, tile) },)*
                _ => unreachable!("a tile of {height} rows"),
            }
        };
    }
    if vectors == 1 {
        heights!(1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    } else {
        heights!(2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    }
}

/// # Safety
/// As for [`compute`].
#[inline(never)]
unsafe fn fixed<S: Simd, T: Arithmetic, const H: usize, const V: usize>(simd: S, tile: &Tile<'_, T>) {
    struct Fixed<'a, T, const H: usize, const V: usize>(&'a Tile<'a, T>);
    impl<T: Arithmetic, const H: usize, const V: usize> WithSimd for Fixed<'_, T, H, V> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            // SAFETY: constructed by `fixed` alone, under its contract.
            unsafe {
                if self.0.stride == 1 {
                    store(simd, self.0, sums::<S, T, H, V, true>(simd, self.0));
                } else {
                    store(simd, self.0, sums::<S, T, H, V, false>(simd, self.0));
                }
            }
        }
    }
    if const { H <= tallest::<S>(V) } {
        simd.vectorize(Fixed::<T, H, V>(tile));
    } else {
        unreachable!("a tile of {H} rows")
    }
}

/// # Safety
/// As for [`compute`].
#[inline(always)]
unsafe fn sums<S: Simd, T: Arithmetic, const H: usize, const V: usize, const UNIT: bool>(
    simd: S,
    tile: &Tile<'_, T>,
) -> [[T::Vector<S>; V]; H] {
    let lanes = T::lanes::<S>();
    let stride = if UNIT { 1 } else { tile.stride };
    let mut sums = [[T::splat(simd, T::ZERO); V]; H];
    for term in tile.terms {
        // SAFETY: reads exactly the elements of the formula, which the caller guarantees to be readable.
        unsafe {
            let mut rows = [std::ptr::null::<T>(); H];
            for (i, row) in rows.iter_mut().enumerate() {
                *row = (*tile.rows.add(term.rows + i * tile.step)).add(tile.skip);
            }
            let mut panel = tile.panel.add(term.panel * tile.pitch);
            for p in 0..tile.depth {
                let mut right = [T::splat(simd, T::ZERO); V];
                for (v, right) in right.iter_mut().enumerate() {
                    *right = panel.add(v * lanes).cast::<T::Vector<S>>().read_unaligned();
                }
                for i in 0..H {
                    let left = T::splat(simd, *rows[i].add(p * stride));
                    for v in 0..V {
                        sums[i][v] = T::multiply_add(simd, left, right[v], sums[i][v]);
                    }
                }
                panel = panel.wrapping_add(tile.pitch);
            }
        }
    }
    sums
}

/// # Safety
/// As for [`compute`].
#[inline(always)]
unsafe fn store<S: Simd, T: Arithmetic, const H: usize, const V: usize>(
    simd: S,
    tile: &Tile<'_, T>,
    sums: [[T::Vector<S>; V]; H],
) {
    let lanes = T::lanes::<S>();
    if tile.columns == V * lanes && !tile.add {
        for (i, row) in sums.iter().enumerate() {
            for (v, sum) in row.iter().enumerate() {
                // SAFETY: whole vectors of results, writable by the caller's contract. Sums stay in registers
                // until here.
                unsafe {
                    let c = tile.c.add(i * tile.c_stride + v * lanes);
                    c.cast::<T::Vector<S>>().write_unaligned(*sum);
                }
            }
        }
        return;
    }
    for (i, row) in sums.into_iter().enumerate() {
        for (v, mut sum) in row.into_iter().enumerate() {
            let columns = tile.columns - v * lanes;
            // SAFETY: `columns` results from here are writable by the caller's contract.
            unsafe {
                let c = tile.c.add(i * tile.c_stride + v * lanes);
                if columns >= lanes {
                    let c = c.cast::<T::Vector<S>>();
                    if tile.add {
                        sum = T::add(simd, sum, c.read_unaligned());
                    }
                    c.write_unaligned(sum);
                } else {
                    let c = std::slice::from_raw_parts_mut(c, columns);
                    if tile.add {
                        sum = T::add(simd, sum, T::load_part(simd, c));
                    }
                    T::store_part(simd, c, sum);
                }
            }
        }
    }
}
