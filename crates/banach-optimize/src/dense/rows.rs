//! Sums over rows of lanes: products of rows with rows, and rows times factors.

use super::lanes::Lanes;
use super::registers::Register;
use pulp::Simd;
use std::ops::Range;

/// The products of R rows with C rows.
#[inline(always)]
pub(super) fn products<S: Simd, const N: usize, const R: usize, const C: usize>(
    simd: S,
    a: [&[Lanes]; R],
    b: [&[Lanes]; C],
) -> [[Register<S, N>; C]; R] {
    let mut sums = [[Register::zero(simd); C]; R];
    let len = b[0].len();
    let (a, b) = (a.map(|a| &a[..len]), b.map(|b| &b[..len]));
    for at in 0..len {
        let b = b.map(|b| Register::load(simd, &b[at]));
        for r in 0..R {
            let a = Register::load(simd, &a[r][at]);
            for c in 0..C {
                sums[r][c] = sums[r][c].plus_product(a, b[c]);
            }
        }
    }
    sums
}

/// out += Σ fᵣ aᵣ
#[inline(always)]
pub(super) fn add_rows<S: Simd, const N: usize, const R: usize>(
    out: &mut [Lanes],
    factors: [Register<S, N>; R],
    a: [&[Lanes]; R],
    simd: S,
) {
    let a = a.map(|a| &a[..out.len()]);
    for at in 0..out.len() {
        let mut sum = Register::load(simd, &out[at]);
        for r in 0..R {
            sum = sum.plus_product(factors[r], Register::load(simd, &a[r][at]));
        }
        sum.store(&mut out[at]);
    }
}

/// Four at a time, then one at a time.
#[inline(always)]
pub(super) fn fours(count: usize) -> (impl DoubleEndedIterator<Item = usize>, Range<usize>) {
    let whole = count / 4 * 4;
    ((0..whole).step_by(4), whole..count)
}
