//! Gray images in single precision, and their folding to half the size.

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

    /// The rectangle of `size`, width and height, whose first pixel is at `[x, y]`.
    pub(crate) fn part(&self, [x, y]: [usize; 2], size: [usize; 2]) -> Self {
        Self::from_levels(size, |column, row| self.at(x + column, y + row))
    }

    /// The rectangle of `size` at `[x, y]`, in which pixels beyond the last row and column repeat these.
    pub(crate) fn extended(&self, [x, y]: [usize; 2], size: [usize; 2]) -> Self {
        let [right, bottom] = [self.width - 1, self.height - 1];
        Self::from_levels(size, |column, row| self.at((x + column).min(right), (y + row).min(bottom)))
    }

    /// The square of `side` pixels at `[x, y]` in one of its eight orientations.
    pub(crate) fn oriented(&self, [x, y]: [usize; 2], side: usize, orientation: usize) -> Self {
        let turned = |at: usize, mirrored: bool| if mirrored { side - 1 - at } else { at };
        Self::from_levels([side, side], |column, row| {
            let (column, row) = if orientation & 4 == 0 { (column, row) } else { (row, column) };
            self.at(x + turned(column, orientation & 1 == 1), y + turned(row, orientation & 2 == 2))
        })
    }

    /// The image as four of half the size, `[4, ⌈height / 2⌉, ⌈width / 2⌉]`: channel `2 r + c` holds the pixels in row r and
    /// column c of each block of 2 by 2. A last row or column without a partner is repeated.
    pub(crate) fn folded(&self) -> Vec<f32> {
        let [height, width] = self.folded_size();
        let mut values = Vec::with_capacity(4 * height * width);
        for channel in 0..4 {
            for row in 0..height {
                let y = (2 * row + channel / 2).min(self.height - 1);
                values.extend(
                    (0..width).map(|column| self.at((2 * column + channel % 2).min(self.width - 1), y)),
                );
            }
        }
        values
    }

    /// Height and width of the folded channels.
    pub(crate) fn folded_size(&self) -> [usize; 2] {
        [self.height.div_ceil(2), self.width.div_ceil(2)]
    }

    /// The image of width and height `size` whose folded channels are `values`.
    pub(crate) fn unfolded([width, height]: [usize; 2], values: &[f32]) -> Self {
        let [rows, columns] = [height.div_ceil(2), width.div_ceil(2)];
        Self::from_levels([width, height], |x, y| {
            values[((2 * (y % 2) + x % 2) * rows + y / 2) * columns + x / 2]
        })
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
            let folded = plane.folded();
            assert_eq!(folded.len(), 4 * plane.folded_size().iter().product::<usize>());
            assert_eq!(Plane::unfolded([width, height], &folded), plane);
        }
        assert_eq!(counted(4, 2).folded(), [0.0, 2.0, 1.0, 3.0, 10.0, 12.0, 11.0, 13.0]);
        assert_eq!(counted(1, 1).folded(), [0.0; 4]);
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
