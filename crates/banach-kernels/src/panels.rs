//! Packing of the right operand of a product: in panels as wide as a tile, each read from end to end.

use crate::level::Level;
use crate::lines::Lines;
use crate::real::Real;
use crate::tile::WIDEST;
use pulp::{Simd, WithSimd};
use std::fmt;
use std::marker::PhantomData;

/// A matrix `[rows, columns]` somewhere in a slice.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    /// Where the numbers are; the first is that of row 0 and column 0.
    pub data: &'a [T],
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Numbers from one row to the next.
    pub row_stride: usize,
    /// Numbers from one column to the next.
    pub column_stride: usize,
}

impl<'a, T: Real> Matrix<'a, T> {
    /// The matrix `[rows, columns]` that lies row after row.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same numbers as `[columns, rows]`.
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

/// Rows packed together when the matrix lies column after column, so that lines of the cache are read whole.
const ROWS: usize = 16;

/// The right side of products, a matrix `[depth, columns]` packed for the tiles of a level.
///
/// A panel takes as many columns as two vectors hold, the last one as many as one vector where that is enough; missing
/// columns are zeros. A panel lies row after row.
#[derive(Clone)]
pub struct Panels<T> {
    level: Level,
    lanes: usize,
    depth: usize,
    columns: usize,
    lines: Lines,
    numbers: PhantomData<T>,
}

impl<T: Real> Panels<T> {
    /// Panels of no columns, to be packed later.
    pub fn empty(level: Level) -> Self {
        let lines = Lines::new();
        Self { level, lanes: lanes::<T>(level), depth: 0, columns: 0, lines, numbers: PhantomData }
    }

    /// Packs a matrix `[depth, columns]` for a level.
    ///
    /// # Panics
    /// If the matrix does not lie in its slice.
    pub fn pack(level: Level, matrix: Matrix<'_, T>) -> Self {
        let mut panels = Self::empty(level);
        panels.repack(matrix);
        panels
    }

    /// Packs another matrix for the same level; allocates only if it is larger than all before.
    ///
    /// # Panics
    /// If the matrix does not lie in its slice.
    pub fn repack(&mut self, matrix: Matrix<'_, T>) {
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

    /// Packs what `read(row, first column, out)` writes: as many columns of that row as `out` takes.
    pub(crate) fn fill(&mut self, depth: usize, columns: usize, read: impl Fn(usize, usize, &mut [T])) {
        self.resize(depth, columns);
        for panel in 0..self.count() {
            let (start, used) = self.span(panel);
            let (width, numbers) = self.panel_mut(panel);
            for (row, out) in numbers.chunks_exact_mut(width).enumerate() {
                read(row, start, &mut out[..used]);
                out[used..].fill(T::ZERO);
            }
        }
    }

    fn resize(&mut self, depth: usize, columns: usize) {
        (self.depth, self.columns) = (depth, columns);
        let numbers = columns.checked_next_multiple_of(self.lanes).and_then(|wide| wide.checked_mul(depth));
        assert!(numbers.is_some(), "panels larger than any memory");
        self.lines.resize::<T>(numbers.unwrap_or_default());
    }

    /// The level they are packed for.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Rows of the matrix.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Columns of the matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many panels there are.
    pub(crate) fn count(&self) -> usize {
        self.columns.div_ceil(self.lanes * WIDEST)
    }

    /// Vectors in a row of a panel.
    pub(crate) fn vectors(&self, panel: usize) -> usize {
        (self.columns.div_ceil(self.lanes) - panel * WIDEST).min(WIDEST)
    }

    /// The first column of a panel, and how many of the matrix it has.
    pub(crate) fn span(&self, panel: usize) -> (usize, usize) {
        let start = panel * self.lanes * WIDEST;
        (start, (self.columns - start).min(self.lanes * WIDEST))
    }

    /// A panel: `[depth, vectors(panel) lanes]`.
    pub(crate) fn panel(&self, panel: usize) -> &[T] {
        let start = self.start(panel);
        &self.lines.numbers()[start..start + self.depth * self.vectors(panel) * self.lanes]
    }

    /// How wide a panel is, and its numbers.
    fn panel_mut(&mut self, panel: usize) -> (usize, &mut [T]) {
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

/// Numbers in a vector of a level.
pub(crate) fn lanes<T: Real>(level: Level) -> usize {
    struct Lanes<T>(PhantomData<T>);
    impl<T: Real> WithSimd for Lanes<T> {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            T::lanes::<S>()
        }
    }
    level.run(Lanes::<T>(PhantomData))
}
