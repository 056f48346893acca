//! Fields of optical flow: where the pixels of an image lie in the next one.

/// A displacement for every pixel, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FlowField {
    /// Pixels of a row.
    pub(crate) width: usize,
    /// Number of rows.
    pub(crate) height: usize,
    /// The displacement (u, v) of each pixel, to the right and down, in pixels; none where it is unknown.
    pub(crate) vectors: Vec<Option<[f32; 2]>>,
}

impl FlowField {
    /// A field from the displacement at each column and row.
    pub(crate) fn from_vectors(
        [width, height]: [usize; 2],
        vector: impl Fn(usize, usize) -> Option<[f32; 2]>,
    ) -> Self {
        let mut vectors = vec![None; width * height];
        for y in 0..height {
            let (first, mut x) = (y * width, 0);
            while x < width {
                vectors[first + x] = vector(x, y);
                x += 1;
            }
        }
        Self { width, height, vectors }
    }

    /// The displacement at a column and a row.
    pub(crate) fn at(&self, x: usize, y: usize) -> Option<[f32; 2]> {
        self.vectors[y * self.width + x]
    }

    /// The length of the longest known displacement that is shorter than all but a share `beyond` of them; 0 where none is
    /// known.
    pub(crate) fn longest(&self, beyond: f64) -> f32 {
        let mut lengths: Vec<f32> = self.vectors.iter().flatten().map(|[u, v]| u.hypot(*v)).collect();
        if lengths.is_empty() {
            return 0.0;
        }
        let last = ((lengths.len() - 1) as f64 * (1.0 - beyond)) as usize;
        *lengths.select_nth_unstable_by(last, f32::total_cmp).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_displacement_leaves_out_the_unknown_and_a_share() {
        let field = FlowField::from_vectors([10, 10], |x, y| (x > 0).then_some([3.0, y as f32]));
        assert_eq!((field.at(0, 4), field.at(2, 4)), (None, Some([3.0, 4.0])));
        assert_eq!(field.longest(0.0), 3.0_f32.hypot(9.0));
        assert_eq!(field.longest(0.5), 5.0);
        assert_eq!(FlowField::from_vectors([2, 1], |_, _| None).longest(0.0), 0.0);
    }
}
