//! Gray images in single precision, and their folding to smaller ones.

/// A gray image, row by row, from 0 for black to 1 for white.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plane {
    /// Pixels of a row.
    pub(crate) width: usize,
    /// Number of rows.
    pub(crate) height: usize,
    /// `height * width` gray levels.
    pub(crate) values: Vec<f32>,
}

impl Plane {
    /// A plane from the gray level at each column and row.
    pub(crate) fn from_levels([width, height]: [usize; 2], level: impl Fn(usize, usize) -> f32) -> Self {
        let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Self { width, height, values: rows.map(|(x, y)| level(x, y)).collect() }
    }

    /// The gray level at a column and a row.
    pub(crate) fn at(&self, x: usize, y: usize) -> f32 {
        self.values[y * self.width + x]
    }

    /// The gray levels of a row.
    pub(crate) fn row(&self, y: usize) -> &[f32] {
        &self.values[y * self.width..][..self.width]
    }

    /// The rectangle of `size`, width and height, whose first pixel is at `[x, y]`.
    pub(crate) fn part(&self, [x, y]: [usize; 2], size: [usize; 2]) -> Self {
        Self::from_levels(size, |column, row| self.at(x + column, y + row))
    }

    /// The rectangle of `size` at `[x, y]`, in which pixels beyond the last row and column repeat these.
    pub(crate) fn extended(&self, [x, y]: [usize; 2], [width, height]: [usize; 2]) -> Self {
        let mut values = Vec::with_capacity(width * height);
        for y in (y..y + height).map(|y| y.min(self.height - 1)) {
            let row = &self.row(y)[x..];
            let inside = &row[..width.min(row.len())];
            values.extend_from_slice(inside);
            values.resize(values.len() + width - inside.len(), row[row.len() - 1]);
        }
        Self { width, height, values }
    }

    /// The square of `side` pixels at `[x, y]` in one of its eight orientations.
    pub(crate) fn oriented(&self, [x, y]: [usize; 2], side: usize, orientation: usize) -> Self {
        let turned = |at: usize, mirrored: bool| if mirrored { side - 1 - at } else { at };
        Self::from_levels([side, side], |column, row| {
            let (column, row) = if orientation & 4 == 0 { (column, row) } else { (row, column) };
            self.at(x + turned(column, orientation & 1 == 1), y + turned(row, orientation & 2 == 2))
        })
    }

    /// The image as n² of an nth of the size, `[n², ⌈height / n⌉, ⌈width / n⌉]`: channel `n r + c` holds the pixels in row r
    /// and column c of each block of n by n. The last row and column are repeated where a block goes beyond them.
    pub(crate) fn folded(&self, n: usize) -> Vec<f32> {
        let [height, width] = self.folded_size(n);
        let mut values = Vec::with_capacity(n * n * height * width);
        for channel in 0..n * n {
            for row in 0..height {
                let line = self.row((n * row + channel / n).min(self.height - 1));
                let end = values.len() + width;
                values.extend(line.iter().skip(channel % n).step_by(n));
                values.resize(end, line[line.len() - 1]);
            }
        }
        values
    }

    /// Height and width of the channels of [`folded`](Self::folded).
    pub(crate) fn folded_size(&self, n: usize) -> [usize; 2] {
        [self.height.div_ceil(n), self.width.div_ceil(n)]
    }

    /// The image of width and height `size` whose channels of blocks of n by n are `values`.
    pub(crate) fn unfolded([width, height]: [usize; 2], n: usize, values: &[f32]) -> Self {
        let [rows, columns] = [height.div_ceil(n), width.div_ceil(n)];
        let mut unfolded = vec![0.0; width * height];
        for (y, row) in unfolded.chunks_exact_mut(width).enumerate() {
            for first in 0..n.min(width) {
                let levels = &values[((n * (y % n) + first) * rows + y / n) * columns..][..columns];
                row.iter_mut().skip(first).step_by(n).zip(levels).for_each(|(pixel, level)| *pixel = *level);
            }
        }
        Self { width, height, values: unfolded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(width: usize, height: usize) -> Plane {
        Plane::from_levels([width, height], |x, y| (10 * y + x) as f32)
    }

    #[test]
    fn folding_keeps_every_pixel_of_even_and_odd_sizes() {
        for (width, height) in [(4, 6), (5, 3), (1, 1), (2, 1)] {
            let plane = counted(width, height);
            for n in 1..=3 {
                let folded = plane.folded(n);
                assert_eq!(folded.len(), n * n * plane.folded_size(n).iter().product::<usize>());
                assert_eq!(Plane::unfolded([width, height], n, &folded), plane);
            }
            assert_eq!(plane.folded(1), plane.values);
        }
        assert_eq!(counted(4, 2).folded(2), [0.0, 2.0, 1.0, 3.0, 10.0, 12.0, 11.0, 13.0]);
        assert_eq!(counted(1, 1).folded(2), [0.0; 4]);
    }

    #[test]
    fn an_extended_part_repeats_the_last_row_and_column() {
        let plane = counted(4, 3);
        assert_eq!(plane.extended([1, 1], [2, 2]), plane.part([1, 1], [2, 2]));
        let extended = plane.extended([2, 1], [4, 3]);
        assert_eq!(extended.values, [12.0, 13.0, 13.0, 13.0, 22.0, 23.0, 23.0, 23.0, 22.0, 23.0, 23.0, 23.0]);
    }

    #[test]
    fn the_eight_orientations_differ_and_hold_the_same_pixels() {
        let plane = counted(5, 4);
        let all: Vec<Plane> = (0..8).map(|orientation| plane.oriented([1, 0], 3, orientation)).collect();
        assert_eq!(all[0], plane.part([1, 0], [3, 3]));
        for (index, one) in all.iter().enumerate() {
            assert!(all[..index].iter().all(|other| other != one));
            let mut values = one.values.clone();
            values.sort_by(f32::total_cmp);
            assert_eq!(values, [1.0, 2.0, 3.0, 11.0, 12.0, 13.0, 21.0, 22.0, 23.0]);
        }
    }
}
