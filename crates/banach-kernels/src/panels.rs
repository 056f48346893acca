//! Packing of the right operand of a product, in panels as wide as a micro-kernel tile.

use crate::aligned_buffer::AlignedBuffer;
use crate::arithmetic::Arithmetic;
use crate::level::Level;
use crate::tile::WIDEST;
use pulp::{Simd, WithSimd};
use std::fmt;
use std::marker::PhantomData;

/// A strided view of a matrix `[rows, columns]` in a slice.
#[derive(Clone, Copy, Debug)]
pub struct StridedMatrix<'a, T> {
    /// The slice, which starts with the element at row 0 and column 0.
    pub data: &'a [T],
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub columns: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from one column to the next.
    pub column_stride: usize,
}

impl<'a, T: Arithmetic> StridedMatrix<'a, T> {
    /// A contiguous row-major matrix `[rows, columns]`.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The transposed view `[columns, rows]`.
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// # Panics
    /// If the slice is too short.
    pub(crate) fn check(&self) {
        if self.rows > 0 && self.columns > 0 {
            let last = (self.rows - 1)
                .checked_mul(self.row_stride)
                .zip((self.columns - 1).checked_mul(self.column_stride))
                .and_then(|(row, column)| row.checked_add(column));
            assert!(last.is_some_and(|last| last < self.data.len()), "a matrix must lie in its slice");
        }
    }
}

/// Rows packed together from a column-major matrix, so that whole cache lines are read.
const ROWS: usize = 16;

/// The right operand of a product, a matrix `[depth, columns]` packed for the micro-kernel of a level.
///
/// A panel has the columns of two vectors, the last one of a single vector where that suffices, padded with
/// zeros. Panels are row-major.
#[derive(Clone)]
pub struct Panels<T> {
    level: Level,
    lanes: usize,
    depth: usize,
    columns: usize,
    lines: AlignedBuffer,
    numbers: PhantomData<T>,
}

impl<T: Arithmetic> Panels<T> {
    /// Creates empty panels, to be packed later.
    pub fn empty(level: Level) -> Self {
        let lines = AlignedBuffer::new();
        Self { level, lanes: lanes::<T>(level), depth: 0, columns: 0, lines, numbers: PhantomData }
    }

    /// Packs another matrix for the same level, allocating only beyond the capacity.
    pub(crate) fn refill(&mut self, matrix: StridedMatrix<'_, T>) {
        matrix.check();
        if matrix.column_stride == 1 {
            self.fill(matrix.rows, matrix.columns, |row, start, out| {
                let from = row * matrix.row_stride + start;
                out.copy_from_slice(&matrix.data[from..from + out.len()]);
            });
            return;
        }
        self.resize(matrix.rows, matrix.columns);
        for panel in 0..self.count() {
            let (start, used) = self.span(panel);
            let (width, numbers) = self.panel_mut(panel);
            for (block, out) in numbers.chunks_mut(ROWS * width).enumerate() {
                for column in 0..used {
                    let from = block * ROWS * matrix.row_stride + (start + column) * matrix.column_stride;
                    for (row, out) in out.chunks_exact_mut(width).enumerate() {
                        out[column] = matrix.data[from + row * matrix.row_stride];
                    }
                }
                out.chunks_exact_mut(width).for_each(|out| out[used..].fill(T::ZERO));
            }
        }
    }

    /// Packs a matrix from a function: `read(row, first column, out)` writes the columns of a row that fit in
    /// `out`.
    pub(crate) fn fill(
        &mut self,
        depth: usize,
        columns: usize,
        mut read: impl FnMut(usize, usize, &mut [T]),
    ) {
        self.fill_blocks([1, depth], columns, |_, row, start, out| read(row, start, out));
    }

    /// Packs a matrix of blocks of rows from a function, the first row of every block before the second ones:
    /// `read(block, row of the block, first column, out)`.
    pub(crate) fn fill_blocks(
        &mut self,
        [blocks, rows]: [usize; 2],
        columns: usize,
        mut read: impl FnMut(usize, usize, usize, &mut [T]),
    ) {
        self.resize(blocks * rows, columns);
        for panel in 0..self.count() {
            let (start, used) = self.span(panel);
            let (width, numbers) = self.panel_mut(panel);
            for row in 0..rows {
                for block in 0..blocks {
                    let out = &mut numbers[(block * rows + row) * width..][..width];
                    read(block, row, start, &mut out[..used]);
                    out[used..].fill(T::ZERO);
                }
            }
        }
    }

    /// Changes the shape of the matrix, whose elements have no meaning then.
    pub(crate) fn resize(&mut self, depth: usize, columns: usize) {
        (self.depth, self.columns) = (depth, columns);
        let numbers = columns.checked_next_multiple_of(self.lanes).and_then(|wide| wide.checked_mul(depth));
        assert!(numbers.is_some(), "the size of panels must not overflow");
        self.lines.resize::<T>(numbers.unwrap_or_default());
    }

    /// Returns the level of the packing.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns the memory of the packed numbers in bytes.
    pub fn bytes(&self) -> usize {
        self.lines.bytes()
    }

    /// Returns the number of rows of the matrix.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Returns the number of columns of the matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The number of panels.
    pub(crate) fn count(&self) -> usize {
        self.columns.div_ceil(self.lanes * WIDEST)
    }

    /// Vectors in a row of a panel.
    pub(crate) fn vectors(&self, panel: usize) -> usize {
        (self.columns.div_ceil(self.lanes) - panel * WIDEST).min(WIDEST)
    }

    /// The first column of a panel, and its number of columns without padding.
    pub(crate) fn span(&self, panel: usize) -> (usize, usize) {
        let start = panel * self.lanes * WIDEST;
        (start, (self.columns - start).min(self.lanes * WIDEST))
    }

    /// A panel: `[depth, vectors(panel) lanes]`.
    pub(crate) fn panel(&self, panel: usize) -> &[T] {
        let start = self.start(panel);
        &self.lines.numbers()[start..start + self.depth * self.vectors(panel) * self.lanes]
    }

    /// The width of a panel, and its elements.
    pub(crate) fn panel_mut(&mut self, panel: usize) -> (usize, &mut [T]) {
        let (start, width) = (self.start(panel), self.vectors(panel) * self.lanes);
        let length = self.depth * width;
        (width, &mut self.lines.numbers_mut()[start..start + length])
    }

    fn start(&self, panel: usize) -> usize {
        panel * WIDEST * self.lanes * self.depth
    }
}

impl<T> fmt::Debug for Panels<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Panels({}, [{}, {}])", self.level, self.depth, self.columns)
    }
}

/// Elements of a vector of a level.
pub(crate) fn lanes<T: Arithmetic>(level: Level) -> usize {
    struct Lanes<T>(PhantomData<T>);
    impl<T: Arithmetic> WithSimd for Lanes<T> {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            T::lanes::<S>()
        }
    }
    level.run(Lanes::<T>(PhantomData))
}
