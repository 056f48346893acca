//! Matrices in memory as solver states.

use super::pooled_vector::{Number, PooledVector};
use super::rows::{Rows, pseudo_random};
use banach_kernels::{
    Level, add, careful_norm, change, combined, distances_and_sizes, dots, scale, square_sums, subtract,
};
use std::ops::Range;
use std::sync::Arc;

/// A row-major matrix `[rows, width]` in memory.
///
/// Clones share their memory until one of them is written. The memory of a dropped matrix is pooled in its
/// thread for the next matrix of similar size.
///
/// ```
/// use banach_solve::{Matrix, Settings, fixed_point};
///
/// let x0 = Matrix::new(2, 1, vec![0.0_f64, 1.0]);
/// let cosine = |x: &Matrix<f64>| Matrix::new(2, 1, x.as_slice().iter().map(|x| x.cos()).collect());
/// let x = fixed_point(&cosine, &x0, &Settings::default())?.into_converged()?;
/// assert!(x.as_slice().iter().all(|x| (x - 0.739085).abs() < 1e-4));
/// # Ok::<(), banach_solve::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Matrix<T: Number> {
    rows: usize,
    width: usize,
    values: Arc<PooledVector<T>>,
}

impl<T: Number> Matrix<T> {
    /// Creates a matrix from its elements in row-major order.
    ///
    /// # Panics
    /// If the number of elements is not `rows * width`.
    pub fn new(rows: usize, width: usize, values: Vec<T>) -> Self {
        assert_eq!(values.len(), rows * width, "the elements of a matrix of {rows} rows of width {width}");
        Self { rows, width, values: Arc::new(PooledVector(values)) }
    }

    /// Creates a matrix of zeros.
    pub fn zeros(rows: usize, width: usize) -> Self {
        Self::written(rows, width, |values| values.fill(T::default()))
    }

    /// Creates a matrix whose elements `write` sets; it receives all of them, with unspecified content.
    pub fn written(rows: usize, width: usize, write: impl FnOnce(&mut [T])) -> Self {
        let mut vector = PooledVector::any(rows * width);
        write(&mut vector.0);
        Self { rows, width, values: Arc::new(vector) }
    }

    /// Returns the elements in row-major order.
    pub fn as_slice(&self) -> &[T] {
        &self.values.0
    }

    /// Returns the elements for writing, copied first if they are shared.
    pub fn make_mut(&mut self) -> &mut [T] {
        &mut Arc::make_mut(&mut self.values).0
    }

    /// Returns the elements, copied if they are shared.
    pub fn into_vec(self) -> Vec<T> {
        match Arc::try_unwrap(self.values) {
            Ok(mut vector) => std::mem::take(&mut vector.0),
            Err(shared) => shared.0.clone(),
        }
    }

    /// Returns one row.
    pub fn row(&self, row: usize) -> &[T] {
        &self.as_slice()[row * self.width..][..self.width]
    }

    /// Copies a range of rows.
    pub fn rows_range(&self, rows: Range<usize>) -> Self {
        let count = rows.len();
        let values = &self.as_slice()[rows.start * self.width..rows.end * self.width];
        Self::written(count, self.width, |out| out.copy_from_slice(values))
    }
}

impl<T: Number> Rows for Matrix<T> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn width(&self) -> usize {
        self.width
    }

    fn precision(&self) -> f64 {
        T::EPSILON
    }

    fn zeros(&self) -> Self {
        Matrix::zeros(self.rows, self.width)
    }

    fn probe(&self, seed: u32) -> Self {
        let row: Vec<T> = (0..self.width).map(|column| T::from_f64(pseudo_random(seed, column))).collect();
        Matrix::new(self.rows, self.width, row.repeat(self.rows))
    }

    fn holding(&self, numbers: &[f64]) -> Self {
        Matrix::new(self.rows, self.width, numbers.iter().map(|number| T::from_f64(*number)).collect())
    }

    fn numbers(&self) -> Vec<f64> {
        self.as_slice().iter().map(|number| number.to_f64()).collect()
    }

    fn plus(&self, other: &Self) -> Self {
        Self::written(self.rows, self.width, |out| {
            add(Level::best(), out, self.as_slice(), other.as_slice());
        })
    }

    fn minus(&self, other: &Self) -> Self {
        Self::written(self.rows, self.width, |out| {
            subtract(Level::best(), out, self.as_slice(), other.as_slice());
        })
    }

    fn scaled(&self, factors: &[f64]) -> Self {
        let level = Level::best();
        Self::written(self.rows, self.width, |out| {
            out.copy_from_slice(self.as_slice());
            for (row, out) in out.chunks_exact_mut(self.width.max(1)).enumerate() {
                scale(level, out, factors[row]);
            }
        })
    }

    /// A factor of zero adds nothing, even to a term that is infinite or NaN.
    fn add_scaled(&self, terms: &[(&[f64], &Self)]) -> Self {
        let terms: Vec<(&[f64], &[T])> =
            terms.iter().map(|(factors, term)| (*factors, term.as_slice())).collect();
        Self::written(self.rows, self.width, |out| {
            combined(Level::best(), out, self.as_slice(), &terms, self.width);
        })
    }

    fn dots(pairs: &[(&Self, &Self)]) -> Vec<Vec<f64>> {
        let Some((first, _)) = pairs.first() else { return Vec::new() };
        let slices: Vec<[&[T]; 2]> =
            pairs.iter().map(|(left, right)| [left.as_slice(), right.as_slice()]).collect();
        let mut products = vec![vec![0.0; first.rows]; pairs.len()];
        dots(Level::best(), &slices, first.width, &mut products);
        products
    }

    fn change(point: [&Self; 2], before: [&Self; 2], older: &[&Self]) -> ([Self; 2], Vec<Vec<f64>>) {
        let [Matrix { rows, width, .. }, _] = point;
        let older: Vec<&[T]> = older.iter().map(|older| older.as_slice()).collect();
        let mut products = vec![vec![0.0; *rows]; 2 * (older.len() + 1)];
        let points = [point, before].map(|point| point.map(Self::as_slice));
        let mut image = Self::written(*rows, *width, |_| {});
        let difference = Self::written(*rows, *width, |out| {
            change(Level::best(), points, &older, *width, ([out, image.make_mut()], &mut products));
        });
        ([difference, image], products)
    }

    fn norms(matrices: &[&Self]) -> Vec<Vec<f64>> {
        let level = Level::best();
        let norms = |matrix: &&Self| {
            let mut squares = vec![[0.0]; matrix.rows];
            square_sums(level, matrix.as_slice(), matrix.width, &mut squares);
            let norm = |(row, [square]): (usize, [f64; 1])| {
                safe_root::<T>(square, || careful_norm(level, matrix.row(row)))
            };
            squares.into_iter().enumerate().map(norm).collect()
        };
        matrices.iter().map(norms).collect()
    }

    fn largest(matrices: &[&Self]) -> Vec<Vec<f64>> {
        let larger = |largest: f64, value: &T| {
            let value = value.to_f64().abs();
            if value.is_nan() { f64::INFINITY } else { largest.max(value) }
        };
        let largest = |row: &[T]| row.iter().fold(0.0, larger);
        matrices.iter().map(|matrix| (0..matrix.rows).map(|row| largest(matrix.row(row))).collect()).collect()
    }

    fn distances(&self, from: &Self) -> (Vec<f64>, Vec<f64>) {
        let level = Level::best();
        let mut sums = vec![[0.0; 2]; self.rows];
        distances_and_sizes(level, [from.as_slice(), self.as_slice()], self.width, &mut sums);
        let of = |(row, [distance, size]): (usize, [f64; 2])| {
            let careful = || {
                let (mut difference, gx) = (vec![T::default(); self.width], self.row(row));
                subtract(level, &mut difference, gx, from.row(row));
                careful_norm(level, &difference)
            };
            (safe_root::<T>(distance, careful), safe_root::<T>(size, || careful_norm(level, self.row(row))))
        };
        sums.into_iter().enumerate().map(of).unzip()
    }

    fn replace(&mut self, mask: &[bool], by: &Self) {
        let width = self.width;
        let values = self.make_mut();
        for row in (0..mask.len()).filter(|row| mask[*row]) {
            values[row * width..][..width].copy_from_slice(by.row(row));
        }
    }

    fn gather(&self, rows: &[usize]) -> Self {
        Self::written(rows.len(), self.width, |out| {
            for (position, row) in rows.iter().enumerate() {
                out[position * self.width..][..self.width].copy_from_slice(self.row(*row));
            }
        })
    }

    fn put(&mut self, rows: &[usize], part: &Self) {
        let width = self.width;
        let values = self.make_mut();
        for (position, row) in rows.iter().enumerate() {
            values[row * width..][..width].copy_from_slice(part.row(position));
        }
    }

    fn stacked(parts: &[Self]) -> Self {
        let width = parts[0].width;
        assert!(
            parts.iter().all(|part| part.width == width),
            "matrices to be stacked must have the same width"
        );
        let mut place = 0;
        Self::written(parts.iter().map(|part| part.rows).sum(), width, |out| {
            for part in parts.iter().map(Self::as_slice) {
                out[place..][..part.len()].copy_from_slice(part);
                place += part.len();
            }
        })
    }
}

/// The square root of a sum of squares, or `careful()` where squares may have overflowed or underflowed.
/// Squares of single precision do not underflow in a sum of double precision.
fn safe_root<T: Number>(square: f64, careful: impl FnOnce() -> f64) -> f64 {
    let vanishing = if T::EPSILON > f64::EPSILON { 0.0 } else { VANISHING };
    if square >= vanishing && square.is_finite() { square.sqrt() } else { careful() }
}

/// The sum of squares below which underflow of squares in double precision may exceed rounding.
const VANISHING: f64 = 1e-280;
