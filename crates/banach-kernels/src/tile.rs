//! The micro-kernel of products, on a tile of results in registers: a few rows, one or two vectors wide.
//!
//! Products, convolutions and their weight gradients are all sums of terms "a few rows times a panel", so that one loop
//! serves them all. A row is summed in the same order whatever the height of its tile.

use crate::real::Real;
use pulp::{Simd, WithSimd};

/// The most rows of a tile.
pub(crate) const TALLEST: usize = 14;
/// The most vectors in a row of a tile.
pub(crate) const WIDEST: usize = 2;

/// One term of the sum: where its rows and its part of the panel begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    /// Where, in [`Tile::rows`], the pointer to the first row stands.
    pub(crate) rows: usize,
    /// How many rows of the panel lie before.
    pub(crate) panel: usize,
}

/// A tile: `c[i, j] = Σ_term Σ_p rows[term.rows + i step][skip + p stride] · panel[term.panel + p, j]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile<'a, T> {
    /// Pointers to the left rows.
    pub(crate) rows: *const *const T,
    /// Pointers from one row of the tile to the next.
    pub(crate) step: usize,
    /// Numbers to pass over in every left row.
    pub(crate) skip: usize,
    /// Numbers from one summand to the next in a left row.
    pub(crate) stride: usize,
    /// Summands in a term.
    pub(crate) depth: usize,
    /// What is summed.
    pub(crate) terms: &'a [Term],
    /// The right side: rows of whole vectors.
    pub(crate) panel: *const T,
    /// Numbers from one row of the right side to the next.
    pub(crate) pitch: usize,
    /// The first result.
    pub(crate) c: *mut T,
    /// Numbers from one row of results to the next.
    pub(crate) c_stride: usize,
    /// Results in a row: more than all vectors but the last hold, not more than all hold.
    pub(crate) columns: usize,
    /// Whether results are added to what is there.
    pub(crate) add: bool,
}

/// How tall a tile of so many vectors can be before its sums leave the registers.
#[inline(always)]
pub(crate) const fn tallest<S: Simd>(vectors: usize) -> usize {
    if S::REGISTER_COUNT >= 32 { TALLEST } else { 12 / vectors }
}

/// Parts of `0..count`, none longer than `most` and all nearly equal: where each starts and how long it is.
#[inline(always)]
pub(crate) fn balanced(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = count.div_ceil(most);
    (0..parts).map(move |part| {
        let start = part * count / parts;
        (start, (part + 1) * count / parts - start)
    })
}

/// Computes a tile of so many rows and vectors.
///
/// # Safety
/// `1 <= vectors <= WIDEST` and `1 <= height <= tallest(vectors)`. For every row `i < height`, term and `p < depth` the numbers
/// the formula of [`Tile`] names can be read, the panel's rows as whole vectors; `columns` results can be written at
/// `c + i c_stride`, and nobody else refers to them.
#[inline(always)]
pub(crate) unsafe fn compute<S: Simd, T: Real>(simd: S, vectors: usize, height: usize, tile: &Tile<'_, T>) {
    macro_rules! heights {
        ($vectors:literal: $($height:literal)*) => {
            match height {
                // SAFETY: as the caller promises, for just this height and width.
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
unsafe fn fixed<S: Simd, T: Real, const H: usize, const V: usize>(simd: S, tile: &Tile<'_, T>) {
    struct Fixed<'a, T, const H: usize, const V: usize>(&'a Tile<'a, T>);
    impl<T: Real, const H: usize, const V: usize> WithSimd for Fixed<'_, T, H, V> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            // SAFETY: `fixed` makes this, under the same promise.
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
unsafe fn sums<S: Simd, T: Real, const H: usize, const V: usize, const UNIT: bool>(
    simd: S,
    tile: &Tile<'_, T>,
) -> [[T::Vector<S>; V]; H] {
    let lanes = T::lanes::<S>();
    let stride = if UNIT { 1 } else { tile.stride };
    let mut sums = [[T::splat(simd, T::ZERO); V]; H];
    for term in tile.terms {
        // SAFETY: what is read is what the formula names, as the caller promises.
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
unsafe fn store<S: Simd, T: Real, const H: usize, const V: usize>(
    simd: S,
    tile: &Tile<'_, T>,
    sums: [[T::Vector<S>; V]; H],
) {
    let lanes = T::lanes::<S>();
    if tile.columns == V * lanes && !tile.add {
        for (i, row) in sums.iter().enumerate() {
            for (v, sum) in row.iter().enumerate() {
                // SAFETY: these are results the caller lends, whole vectors of them. No sum leaves its register before.
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
            // SAFETY: these are the results the caller lends, `columns` of them from here on.
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
