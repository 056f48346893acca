//! Triangular matrices of eight problems side by side: Cholesky factors, solves and products.
//!
//! A lower triangle is stored row after row, row i with its i + 1 elements. A factor L holds the reciprocals of its
//! diagonal. Rows are treated four at a time where there are four, which depends on sizes alone, so every sum has one
//! order of its terms.

use super::lanes::Lanes;
use super::vector::wide;
use std::array::from_fn;
use std::ops::Range;

/// The number of elements of a triangle with n rows.
pub(crate) fn packed(n: usize) -> usize {
    n * (n + 1) / 2
}

/// Row i of a triangle.
#[inline(always)]
pub(crate) fn triangle_row(a: &[Lanes], i: usize) -> &[Lanes] {
    &a[packed(i)..packed(i) + i + 1]
}

/// The products of R rows with S rows.
#[inline(always)]
fn products<const R: usize, const S: usize>(a: [&[Lanes]; R], b: [&[Lanes]; S]) -> [[Lanes; S]; R] {
    let mut sums = [[Lanes::ZERO; S]; R];
    let len = b[0].len();
    let (a, b) = (a.map(|a| &a[..len]), b.map(|b| &b[..len]));
    for at in 0..len {
        let b = b.map(|b| b[at]);
        for r in 0..R {
            let a = a[r][at];
            for s in 0..S {
                sums[r][s] += a * b[s];
            }
        }
    }
    sums
}

/// out += Σ fᵣ aᵣ
#[inline(always)]
fn add_rows<const R: usize>(out: &mut [Lanes], factors: [Lanes; R], a: [&[Lanes]; R]) {
    let a = a.map(|a| &a[..out.len()]);
    for at in 0..out.len() {
        let mut sum = out[at];
        for r in 0..R {
            sum += factors[r] * a[r][at];
        }
        out[at] = sum;
    }
}

/// Four at a time, then one at a time.
#[inline(always)]
fn fours(count: usize) -> (impl DoubleEndedIterator<Item = usize>, Range<usize>) {
    let whole = count / 4 * 4;
    ((0..whole).step_by(4), whole..count)
}

/// Columns j to j + S of x <- x L⁻ᵀ for the R rows x of `rows` that begin at `starts`.
#[inline(always)]
fn eliminate_columns<const R: usize, const S: usize>(
    l: &[Lanes],
    j: usize,
    rows: &mut [Lanes],
    starts: [usize; R],
) {
    let of: [&[Lanes]; S] = from_fn(|s| triangle_row(l, j + s));
    let sums = products::<R, S>(starts.map(|start| &rows[start..start + j]), of.map(|row| &row[..j]));
    for (&start, sums) in starts.iter().zip(sums) {
        let x = &mut rows[start + j..start + j + S];
        for s in 0..S {
            let mut rest = x[s] - sums[s];
            for u in 0..s {
                rest -= x[u] * of[s][j + u];
            }
            x[s] = rest * of[s][j + s];
        }
    }
}

/// x <- x L⁻ᵀ for n columns of R rows.
#[inline(always)]
fn eliminate<const R: usize>(l: &[Lanes], n: usize, rows: &mut [Lanes], starts: [usize; R]) {
    let (blocks, rest) = fours(n);
    for j in blocks {
        eliminate_columns::<R, 4>(l, j, rows, starts);
    }
    for j in rest {
        eliminate_columns::<R, 1>(l, j, rows, starts);
    }
}

/// Factors the rows i to i + R after the rows before them.
#[inline(always)]
fn factor_rows<const R: usize>(a: &mut [Lanes], i: usize) {
    let (before, rows) = a.split_at_mut(packed(i));
    let starts: [usize; R] = from_fn(|r| packed(i + r) - packed(i));
    eliminate(before, i, rows, starts);
    let of = starts.map(|start| &rows[start..start + i]);
    let sums = products::<R, R>(of, of);
    for r in 0..R {
        for s in 0..=r {
            let mut rest = rows[starts[r] + i + s] - sums[r][s];
            for u in 0..s {
                rest -= rows[starts[r] + i + u] * rows[starts[s] + i + u];
            }
            rows[starts[r] + i + s] =
                if r == s { rest.map(|rest| 1.0 / rest.sqrt()) } else { rest * rows[starts[s] + i + s] };
        }
    }
}

/// Factors the symmetric A = L Lᵀ in place. A lane that is not positive definite becomes NaN.
pub(crate) fn factor(a: &mut [Lanes], n: usize) {
    wide(
        #[inline(always)]
        || {
            let (blocks, rest) = fours(n);
            for i in blocks {
                factor_rows::<4>(a, i);
            }
            for i in rest {
                factor_rows::<1>(a, i);
            }
        },
    );
}

/// x <- L⁻¹ x for every row x of a matrix with n columns.
pub(crate) fn solve_rows(l: &[Lanes], n: usize, rows: &mut [Lanes]) {
    wide(
        #[inline(always)]
        || {
            let (blocks, rest) = fours(rows.len() / n.max(1));
            for i in blocks {
                eliminate::<4>(l, n, rows, from_fn(|r| (i + r) * n));
            }
            for i in rest {
                eliminate::<1>(l, n, rows, [i * n]);
            }
        },
    );
}

/// x <- L⁻ᵀ x
pub(crate) fn solve_transposed(l: &[Lanes], x: &mut [Lanes]) {
    #[inline(always)]
    fn columns<const S: usize>(l: &[Lanes], j: usize, x: &mut [Lanes]) {
        let of: [&[Lanes]; S] = from_fn(|s| triangle_row(l, j + s));
        let (before, x) = x.split_at_mut(j);
        for s in (0..S).rev() {
            x[s] = x[s] * of[s][j + s];
            for u in 0..s {
                let known = x[s];
                x[u] -= known * of[s][j + u];
            }
        }
        add_rows::<S>(before, from_fn(|s| -x[s]), of);
    }
    wide(
        #[inline(always)]
        || {
            let (blocks, rest) = fours(x.len());
            for j in rest.rev() {
                columns::<1>(l, j, x);
            }
            for j in blocks.rev() {
                columns::<4>(l, j, x);
            }
        },
    );
}

/// The lower triangle of V Vᵀ, for a matrix V with k rows of n columns.
pub(crate) fn gram(v: &[Lanes], n: usize, k: usize, out: &mut [Lanes]) {
    #[inline(always)]
    fn rows<const R: usize>(v: &[Lanes], n: usize, i: usize, out: &mut [Lanes]) {
        let of = |i: usize| &v[i * n..(i + 1) * n];
        let mine: [&[Lanes]; R] = from_fn(|r| of(i + r));
        let (blocks, rest) = fours(i + R);
        for j in blocks {
            let sums = products::<R, 4>(mine, from_fn(|s| of(j + s)));
            for r in 0..R {
                for s in 0..4 {
                    if j + s <= i + r {
                        out[packed(i + r) + j + s] = sums[r][s];
                    }
                }
            }
        }
        for j in rest {
            let sums = products::<R, 1>(mine, [of(j)]);
            for r in 0..R {
                out[packed(i + r) + j] = sums[r][0];
            }
        }
    }
    wide(
        #[inline(always)]
        || {
            let (blocks, rest) = fours(k);
            for i in blocks {
                rows::<4>(v, n, i, out);
            }
            for i in rest {
                rows::<1>(v, n, i, out);
            }
        },
    );
}

/// y += A x for a symmetric A, of which the lower triangle is given.
pub(crate) fn add_symmetric_product(y: &mut [Lanes], a: &[Lanes], x: &[Lanes]) {
    wide(
        #[inline(always)]
        || {
            for i in 0..y.len() {
                let (row, known, mut sum) = (triangle_row(a, i), x[i], y[i]);
                for ((y, a), x) in y[..i].iter_mut().zip(row).zip(x) {
                    *y += *a * known;
                    sum += *a * *x;
                }
                y[i] = sum + row[i] * known;
            }
        },
    );
}

/// y += A x for A of shape [y.len(), x.len()].
pub(crate) fn add_product(y: &mut [Lanes], a: &[Lanes], x: &[Lanes]) {
    let n = x.len();
    wide(
        #[inline(always)]
        || {
            let (blocks, rest) = fours(y.len());
            for i in blocks {
                let sums = products::<4, 1>(from_fn(|r| &a[(i + r) * n..(i + r + 1) * n]), [x]);
                for r in 0..4 {
                    y[i + r] += sums[r][0];
                }
            }
            for i in rest {
                y[i] += products::<1, 1>([&a[i * n..(i + 1) * n]], [x])[0][0];
            }
        },
    );
}

/// y += Aᵀ x for A of shape [x.len(), y.len()].
pub(crate) fn add_transposed_product(y: &mut [Lanes], a: &[Lanes], x: &[Lanes]) {
    let n = y.len();
    wide(
        #[inline(always)]
        || {
            let (blocks, rest) = fours(x.len());
            for i in blocks {
                add_rows::<4>(y, from_fn(|r| x[i + r]), from_fn(|r| &a[(i + r) * n..(i + r + 1) * n]));
            }
            for i in rest {
                add_rows::<1>(y, [x[i]], [&a[i * n..(i + 1) * n]]);
            }
        },
    );
}
