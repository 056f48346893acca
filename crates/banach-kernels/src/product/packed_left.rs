//! Packing of the left operand of a product, where its rows are not contiguous.

use crate::aligned_buffer::AlignedBuffer;
use crate::arithmetic::Arithmetic;
use crate::panels::StridedMatrix;
use crate::tile::balanced;
use std::cell::RefCell;

/// The stride in bytes from which on elements of a row lie so far apart that packing them pays.
const FAR: usize = 512;
/// The least number of summands for which packing pays.
const DEEP: usize = 64;
/// The least number of columns of the right operand for which packing pays.
const WIDE: usize = 256;

thread_local! {
    /// A packed block.
    pub(super) static PACKED: RefCell<AlignedBuffer> = const { RefCell::new(AlignedBuffer::new()) };
}

/// Returns whether packing pays for a product with a right operand of so many columns.
pub(super) fn pays<T: Arithmetic>(a: &StridedMatrix<'_, T>, columns: usize) -> bool {
    a.column_stride * size_of::<T>() >= FAR && a.columns >= DEEP && columns >= WIDE
}

/// Packs a block of rows and summands, each given as start and length: the rows of each tile beside each other,
/// summand by summand.
pub(super) fn pack<'b, T: Arithmetic>(
    buffer: &'b mut AlignedBuffer,
    a: &StridedMatrix<'_, T>,
    [(top, rows), (skip, depth)]: [(usize, usize); 2],
    tallest: usize,
) -> &'b [T] {
    buffer.grow::<T>(rows * depth);
    let packed = buffer.numbers_mut();
    for (row, height) in balanced(rows, tallest) {
        let block = packed[row * depth..][..height * depth].chunks_exact_mut(height);
        for (p, packed) in (skip..).zip(block) {
            let from = (top + row) * a.row_stride + p * a.column_stride;
            if a.row_stride == 1 {
                packed.copy_from_slice(&a.data[from..from + height]);
            } else {
                for (i, packed) in packed.iter_mut().enumerate() {
                    *packed = a.data[from + i * a.row_stride];
                }
            }
        }
    }
    packed
}
