//! Sums and combinations of the rows of matrices, in double precision with one final rounding, bit for bit equal at every
//! level and whatever the other rows. All rows are computed in one call: small ones take less time than a call.

use crate::arithmetic::Arithmetic;
use crate::level::Level;
use crate::vector::{Block, LANES, padded, sums};
use pulp::{Simd, WithSimd};
use std::array;
use std::ops::Range;

/// Columns of a cache block, which several terms pass over.
const BLOCK: usize = 2048;

/// Adds the inner products of every row of the two matrices of each pair to an entry of `out`.
pub(crate) fn dots<T: Arithmetic>(level: Level, pairs: &[[&[T]; 2]], width: usize, out: &mut [Vec<f64>]) {
    assert_eq!(pairs.len(), out.len(), "the numbers of pairs and of results must be equal");
    for (pair, out) in pairs.iter().zip(&*out) {
        let len = out.len() * width;
        assert!(pair.iter().all(|matrix| matrix.len() == len), "the lengths of matrices must be equal");
    }
    level.run(Dots { pairs, width, out });
}

/// Writes the changes of `F = gx - x` and of gx between two points, the newer first, and adds inner products of rows: of the
/// change of F with itself and with each of `older`, then of F with the same. F is held in blocks that stay in the cache.
pub(crate) fn change<T: Arithmetic>(
    level: Level,
    points: [[&[T]; 2]; 2],
    older: &[&[T]],
    width: usize,
    (out, products): ([&mut [T]; 2], &mut [Vec<f64>]),
) {
    assert_eq!(out[0].len(), out[1].len(), "the lengths of matrices must be equal");
    let all = points.as_flattened().iter().chain(older);
    assert!(all.copied().all(|matrix| matrix.len() == out[0].len()), "the lengths of matrices must be equal");
    let fits = |sums: &Vec<f64>| sums.len() * width == out[0].len();
    assert!(products.len() == 2 * (older.len() + 1) && products.iter().all(fits), "the number of sums");
    level.run(Change { points, older, width, out, products });
}

/// Writes the sums of `(gx - x)^2` and of `gx^2` of every row, in one pass.
pub(crate) fn distances_and_sizes<T: Arithmetic>(
    level: Level,
    [x, gx]: [&[T]; 2],
    width: usize,
    out: &mut [[f64; 2]],
) {
    assert!(x.len() == out.len() * width && gx.len() == x.len(), "the lengths of matrices must be equal");
    level.run(RowSums(
        [x, gx],
        width,
        out,
        #[inline(always)]
        |x: Block, gx: Block| [[array::from_fn(|lane| gx[lane] - x[lane]); 2], [gx; 2]],
    ));
}

/// Writes the sum of squares of every row.
pub(crate) fn square_sums<T: Arithmetic>(level: Level, x: &[T], width: usize, out: &mut [[f64; 1]]) {
    assert_eq!(x.len(), out.len() * width, "the length of a matrix");
    level.run(RowSums(
        [x, x],
        width,
        out,
        #[inline(always)]
        |x: Block, _: Block| [[x; 2]],
    ));
}

/// Writes `x` plus all terms, each a matrix whose rows are scaled by their factors, added in order. A factor of zero adds
/// nothing, even to a term that is infinite or NaN.
pub(crate) fn combined<T: Arithmetic>(
    level: Level,
    out: &mut [T],
    x: &[T],
    terms: &[(&[f64], &[T])],
    width: usize,
) {
    for (factors, term) in terms {
        let fits = term.len() == out.len() && factors.len() * width == out.len();
        assert!(fits, "the lengths of matrices must be equal");
    }
    assert_eq!(x.len(), out.len(), "the lengths of matrices must be equal");
    level.run(Combined { out, x, terms, width });
}

/// The cache blocks of all rows: the row of each, and its range in memory.
#[inline(always)]
fn blocks(rows: usize, width: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    let block = move |row: usize, start: usize| row * width + start..row * width + width.min(start + BLOCK);
    (0..rows).flat_map(move |row| (0..width).step_by(BLOCK).map(move |start| (row, block(row, start))))
}

struct Change<'a, T> {
    points: [[&'a [T]; 2]; 2],
    older: &'a [&'a [T]],
    width: usize,
    out: [&'a mut [T]; 2],
    products: &'a mut [Vec<f64>],
}

impl<T: Arithmetic> WithSimd for Change<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Change { points: [[x, gx], [x_before, gx_before]], older, width, out: [out, image], products } =
            self;
        let mut block = vec![T::ZERO; width.min(BLOCK)];
        let rounded = |a: T, b: T| T::from_f64(a.to_f64() - b.to_f64());
        for (row, place) in blocks(products[0].len(), width) {
            let (difference, out) = (&mut block[..place.len()], &mut out[place.clone()]);
            let image = &mut image[place.clone()];
            let (x, gx) = (&x[place.clone()], &gx[place.clone()]);
            let (x_before, gx_before) = (&x_before[place.clone()], &gx_before[place.clone()]);
            for at in 0..difference.len() {
                difference[at] = rounded(gx[at], x[at]);
                out[at] = rounded(difference[at], rounded(gx_before[at], x_before[at]));
                image[at] = rounded(gx[at], gx_before[at]);
            }
            let (of_change, of_difference) = products.split_at_mut(older.len() + 1);
            for (left, sums) in [(&*out, of_change), (&*difference, of_difference)] {
                sums[0][row] += inner_product(simd, left, out);
                for (older, sums) in older.iter().zip(&mut sums[1..]) {
                    sums[row] += inner_product(simd, left, &older[place.clone()]);
                }
            }
        }
    }
}

struct Dots<'a, T> {
    pairs: &'a [[&'a [T]; 2]],
    width: usize,
    out: &'a mut [Vec<f64>],
}

impl<T: Arithmetic> WithSimd for Dots<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Dots { pairs, width, out } = self;
        for (row, place) in blocks(out.first().map_or(0, Vec::len), width) {
            for ([left, right], out) in pairs.iter().zip(&mut *out) {
                out[row] += inner_product(simd, &left[place.clone()], &right[place.clone()]);
            }
        }
    }
}

/// The inner product.
#[inline(always)]
fn inner_product<S: Simd, T: Arithmetic>(simd: S, left: &[T], right: &[T]) -> f64 {
    let [sum] = sums(
        simd,
        left,
        right,
        #[inline(always)]
        |a: Block, b: Block| [[a, b]],
    );
    sum
}

/// K sums of products over the elements of every row of two matrices.
struct RowSums<'a, T, F, const K: usize>([&'a [T]; 2], usize, &'a mut [[f64; K]], F);

impl<T: Arithmetic, F: Fn(Block, Block) -> [[Block; 2]; K], const K: usize> WithSimd
    for RowSums<'_, T, F, K>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let RowSums([x, y], width, out, factors) = self;
        for (row, out) in out.iter_mut().enumerate() {
            *out = sums(simd, &x[row * width..][..width], &y[row * width..][..width], &factors);
        }
    }
}

struct Combined<'a, T> {
    out: &'a mut [T],
    x: &'a [T],
    terms: &'a [(&'a [f64], &'a [T])],
    width: usize,
}

impl<T: Arithmetic> WithSimd for Combined<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Combined { out, x, terms, width } = self;
        let mut of_row: Vec<(f64, &[T])> = Vec::with_capacity(terms.len());
        for (row, (out, x)) in
            out.chunks_exact_mut(width.max(1)).zip(x.chunks_exact(width.max(1))).enumerate()
        {
            of_row.clear();
            let used = terms.iter().filter(|(factors, _)| factors[row] != 0.0);
            of_row.extend(used.map(|(factors, term)| (factors[row], &term[row * width..][..width])));
            let ((chunks, rest), mut start) = (out.as_chunks_mut::<LANES>(), 0);
            for chunk in chunks {
                let x = &x[start..start + LANES];
                let mut sums: Block = array::from_fn(|lane| x[lane].to_f64());
                for (factor, term) in &of_row {
                    let term = &term[start..start + LANES];
                    for lane in 0..LANES {
                        sums[lane] += factor * term[lane].to_f64();
                    }
                }
                for lane in 0..LANES {
                    chunk[lane] = T::from_f64(sums[lane]);
                }
                start += LANES;
            }
            if !rest.is_empty() {
                let mut sums = padded(&x[start..]);
                for (factor, term) in &of_row {
                    let term = padded(&term[start..]);
                    for lane in 0..LANES {
                        sums[lane] += factor * term[lane];
                    }
                }
                let sums = sums.map(T::from_f64);
                rest.copy_from_slice(&sums[..rest.len()]);
            }
        }
    }
}
