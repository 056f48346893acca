//! Matrix products, by a register-blocked micro-kernel on packed panels of `B`.

mod packed_left;

use crate::aligned_buffer::AlignedBuffer;
use crate::arithmetic::Arithmetic;
use crate::level::Level;
use crate::panels::{Panels, StridedMatrix, lanes};
use crate::tile::{self, TALLEST, Term, Tile, WIDEST};
use pulp::{Simd, WithSimd};

/// The most summands of a cache block, between two updates of a result.
const DEEPEST: usize = 512;
/// Bytes of a cache block of `A`, reused for all panels.
const NEAR: usize = 1 << 19;
/// Columns of `B` packed at once, where it is not packed already.
const BLOCK: usize = 256;
/// The most rows for which packing `B` does not pay.
const FEW: usize = 3 * TALLEST;
/// The stride in bytes at which rows map to the same cache set.
const PAGE: usize = 4096;
/// The associativity of the cache.
const WAYS: usize = 8;

/// `c = a b`, or `c += a b` with `add`.
pub(crate) fn product<T: Arithmetic>(
    a: StridedMatrix<'_, T>,
    b: &Panels<T>,
    c: &mut [T],
    stride: usize,
    add: bool,
) {
    check(a, b.depth(), b.columns(), c, stride);
    if b.depth() == 0 && !add {
        clear(c, a.rows, b.columns(), stride);
    }
    b.level().run(Product { a, b: Right::Packed(b), c, stride, add });
}

/// [`product`] with an unpacked `b`, packed block by block into `scratch`.
pub(crate) fn product_unpacked<T: Arithmetic>(
    a: StridedMatrix<'_, T>,
    b: StridedMatrix<'_, T>,
    c: &mut [T],
    stride: usize,
    add: bool,
    scratch: &mut Panels<T>,
) {
    check(a, b.rows, b.columns, c, stride);
    b.check();
    if b.rows == 0 && !add {
        clear(c, a.rows, b.columns, stride);
    }
    if a.rows == 0 {
        return;
    }
    let plain = if b.column_stride == 1 && a.rows <= FEW {
        b.columns - b.columns % lanes::<T>(scratch.level())
    } else {
        0
    };
    if plain > 0 {
        product_plain(scratch.level(), a, StridedMatrix { columns: plain, ..b }, c, stride, add);
    }
    for (column, columns) in tile::balanced(b.columns - plain, BLOCK) {
        let column = plain + column;
        for (row, rows) in tile::balanced(b.rows, DEEPEST) {
            let data = &b.data[row * b.row_stride + column * b.column_stride..];
            scratch.refill(StridedMatrix { data, rows, columns, ..b });
            let a = StridedMatrix { data: &a.data[row * a.column_stride..], columns: rows, ..a };
            product(a, scratch, &mut c[column..], stride, add || row > 0);
        }
    }
}

/// Computes [`product`] with a `b` that is read where it lies: its rows are contiguous, and vectors that begin in
/// its columns end in its slice.
///
/// # Panics
/// As [`product`], or if `b` exceeds its slice.
pub(crate) fn product_plain<T: Arithmetic>(
    level: Level,
    a: StridedMatrix<'_, T>,
    b: StridedMatrix<'_, T>,
    c: &mut [T],
    stride: usize,
    add: bool,
) {
    check(a, b.rows, b.columns, c, stride);
    StridedMatrix { columns: b.columns.next_multiple_of(lanes::<T>(level)), ..b }.check();
    assert_eq!(b.column_stride, 1, "the rows of the right operand must be contiguous");
    level.run(Product { a, b: Right::Plain(b), c, stride, add });
}

fn check<T: Arithmetic>(a: StridedMatrix<'_, T>, depth: usize, columns: usize, c: &[T], stride: usize) {
    a.check();
    assert_eq!(a.columns, depth, "the columns of the left operand must be the rows of the right operand");
    if a.rows > 0 && columns > 0 {
        assert!(stride >= columns || a.rows == 1, "rows of the result must not overlap");
        let last = (a.rows - 1).checked_mul(stride).and_then(|start| start.checked_add(columns));
        assert!(last.is_some_and(|last| last <= c.len()), "the result must lie in its slice");
    }
}

fn clear<T: Arithmetic>(c: &mut [T], rows: usize, columns: usize, stride: usize) {
    if columns > 0 {
        for row in 0..rows {
            c[row * stride..][..columns].fill(T::ZERO);
        }
    }
}

/// The right operand of a checked product.
enum Right<'a, T> {
    Packed(&'a Panels<T>),
    /// Row-major; vectors that begin in its columns can be read.
    Plain(StridedMatrix<'a, T>),
}

/// A product with checked sizes.
struct Product<'a, T> {
    a: StridedMatrix<'a, T>,
    b: Right<'a, T>,
    c: &'a mut [T],
    stride: usize,
    add: bool,
}

impl<T: Arithmetic> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let columns = match self.b {
            Right::Packed(b) => b.columns(),
            Right::Plain(b) => b.columns,
        };
        if packed_left::pays(&self.a, columns) {
            packed_left::PACKED.with_borrow_mut(|buffer| self.blocks(simd, Some(buffer)));
        } else {
            self.blocks(simd, None);
        }
    }
}

impl<T: Arithmetic> Product<'_, T> {
    /// Adds all blocks of the left operand, packed one by one into a buffer if there is one.
    #[inline(always)]
    fn blocks<S: Simd>(mut self, simd: S, mut buffer: Option<&mut AlignedBuffer>) {
        let lanes = T::lanes::<S>();
        for summands in tile::balanced(self.a.columns, DEEPEST) {
            let highest = (NEAR / (summands.1 * size_of::<T>())).max(TALLEST);
            for rows in tile::balanced(self.a.rows, highest) {
                let packed = buffer.as_mut().map(|buffer| {
                    packed_left::pack(buffer, &self.a, [rows, summands], tile::tallest::<S>(WIDEST))
                });
                match self.b {
                    Right::Packed(b) => {
                        for panel in 0..b.count() {
                            let pitch = b.vectors(panel) * lanes;
                            let block = [rows, summands, b.span(panel)];
                            self.panel(simd, block, packed, b.panel(panel), pitch);
                        }
                    }
                    Right::Plain(b) => {
                        for column in (0..b.columns).step_by(WIDEST * lanes) {
                            let span = (column, (b.columns - column).min(WIDEST * lanes));
                            let block = [rows, summands, span];
                            self.panel(simd, block, packed, &b.data[column..], b.row_stride);
                        }
                    }
                }
            }
        }
    }

    /// Adds a block of summands to a block of the result; rows of the right operand start `pitch` elements
    /// apart. The ranges are those of rows, summands and columns, each as start and length.
    #[inline(always)]
    fn panel<S: Simd>(
        &mut self,
        simd: S,
        [(top, rows), (skip, depth), (column, columns)]: [(usize, usize); 3],
        packed: Option<&[T]>,
        right: &[T],
        pitch: usize,
    ) {
        let Self { a, stride, .. } = *self;
        let vectors = columns.div_ceil(T::lanes::<S>());
        let (right, add) = (&right[skip * pitch..], self.add || skip > 0);
        debug_assert!((depth - 1) * pitch + vectors * T::lanes::<S>() <= right.len());
        let collide = (a.row_stride * size_of::<T>()).is_multiple_of(PAGE);
        let tallest = match packed {
            Some(_) => tile::tallest::<S>(WIDEST),
            None => tile::tallest::<S>(vectors).min(if collide { WAYS - 1 } else { TALLEST }),
        };
        for (row, height) in tile::balanced(rows, tallest) {
            let mut left = [std::ptr::null(); TALLEST];
            for (i, pointer) in left.iter_mut().take(height).enumerate() {
                *pointer = match packed {
                    Some(packed) => packed[row * depth + i..].as_ptr(),
                    None => a.data[(top + row + i) * a.row_stride..].as_ptr(),
                };
            }
            let row = top + row;
            let (skip, stride_in_row) = match packed {
                Some(_) => (0, height),
                None => (skip * a.column_stride, a.column_stride),
            };
            let tile = Tile {
                rows: left.as_ptr(),
                step: 1,
                skip,
                stride: stride_in_row,
                depth,
                terms: &[Term { rows: 0, panel: 0 }],
                panel: right.as_ptr(),
                pitch,
                c: self.c[row * stride + column..].as_mut_ptr(),
                c_stride: stride,
                columns,
                add,
            };
            // SAFETY: `balanced` keeps the height within bounds; a panel has one or two vectors and is packed
            // for the lanes of `S`, or `product_plain` saw that its vectors lie in the slice. `check` saw that
            // `a`, that matrix and `c` lie in their slices and that the rows of `c`, which is borrowed, do not
            // overlap. A packed block holds `height depth` elements of each tile.
            unsafe { tile::compute(simd, vectors, height, &tile) };
        }
    }
}
