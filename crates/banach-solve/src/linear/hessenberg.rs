//! The least-squares problem of GMRES for one row.

/// The least-squares problem of one row in one GMRES cycle, triangularized by Givens rotations.
#[derive(Debug, Clone)]
pub(crate) struct Hessenberg {
    /// The columns of the triangular factor, one after the other: one entry, two entries, ...
    factor: Vec<f64>,
    /// Cosine and sine of every rotation.
    rotations: Vec<(f64, f64)>,
    /// The rotated right-hand side; its last entry is the residual.
    right: Vec<f64>,
}

/// What a step of Arnoldi's process has made of the subspace of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    /// One more dimension.
    Grown,
    /// No more than it was: the image lies in the subspace.
    Exhausted,
    /// Nothing: the image is not finite.
    NonFinite,
}

impl Hessenberg {
    /// Appends the column of `I - A` for the newest vector `q`, given the components of `A q` along the basis, the
    /// length `below` of the rest, and the length of `A q`.
    pub(crate) fn extend(
        &mut self,
        components: impl Iterator<Item = f64>,
        (below, length): (f64, f64),
        precision: f64,
    ) -> Extension {
        let start = self.factor.len();
        self.factor.extend(components.map(|component| -component));
        self.factor[start..].last_mut().into_iter().for_each(|diagonal| *diagonal += 1.0);
        if !(below.is_finite() && self.factor[start..].iter().all(|entry| entry.is_finite())) {
            self.factor.truncate(start);
            return Extension::NonFinite;
        }
        // `I - A` maps a unit vector to a length of at most `1 + length`, with a rounding error in proportion.
        let exhausted = below <= 32.0 * precision * (1.0 + length);
        self.rotate(start, if exhausted { 0.0 } else { -below });
        if exhausted { Extension::Exhausted } else { Extension::Grown }
    }

    /// A problem without columns; `residual` is the residual at the start of the cycle.
    pub(crate) fn new(residual: f64) -> Self {
        Self { factor: Vec::new(), rotations: Vec::new(), right: vec![residual] }
    }

    /// The norm of the least-squares residual.
    pub(crate) fn residual(&self) -> f64 {
        self.right.last().map_or(0.0, |last| last.abs())
    }

    /// Triangularizes the last column of the Hessenberg matrix, which starts at this position, with the entry `below` its
    /// diagonal.
    fn rotate(&mut self, start: usize, below: f64) {
        let column = &mut self.factor[start..];
        for (i, (cosine, sine)) in self.rotations.iter().enumerate() {
            let (upper, lower) = (column[i], column[i + 1]);
            column[i] = cosine * upper + sine * lower;
            column[i + 1] = cosine * lower - sine * upper;
        }
        let last = column.len() - 1;
        let length = column[last].hypot(below);
        let (cosine, sine) = if length > 0.0 { (column[last] / length, below / length) } else { (0.0, 1.0) };
        column[last] = length;
        let residual = self.right[last];
        self.right[last] = cosine * residual;
        self.right.push(-sine * residual);
        self.rotations.push((cosine, sine));
    }

    /// The least-squares solution. Components along which the system is singular to this precision are zero.
    pub(crate) fn combination(&self, precision: f64) -> Vec<f64> {
        let count = self.rotations.len();
        let entry = |row: usize, column: usize| self.factor[column * (column + 1) / 2 + row];
        let largest = (0..count).fold(1.0_f64, |largest, i| largest.max(entry(i, i).abs()));
        let mut solved = self.right[..count].to_vec();
        for i in (0..count).rev() {
            let known: f64 = (i + 1..count).map(|j| entry(i, j) * solved[j]).sum();
            let pivot = entry(i, i);
            let regular = pivot.abs() > 16.0 * precision * largest;
            solved[i] = if regular { (solved[i] - known) / pivot } else { 0.0 };
        }
        solved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Hessenberg {
        fn push(&mut self, column: &[f64], below: f64) {
            let start = self.factor.len();
            self.factor.extend(column);
            self.rotate(start, below);
        }
    }

    #[test]
    fn least_squares_of_a_small_hessenberg_matrix() {
        // Columns (1, 2, 0) and (3, 4, 5) against (7, 0, 0): the normal equations give (287/145, 49/145).
        let mut small = Hessenberg::new(7.0);
        small.push(&[1.0], 2.0);
        small.push(&[3.0, 4.0], 5.0);
        let y = small.combination(f64::EPSILON);
        let residual = [7.0 - y[0] - 3.0 * y[1], -2.0 * y[0] - 4.0 * y[1], -5.0 * y[1]];
        let normal =
            [residual[0] + 2.0 * residual[1], 3.0 * residual[0] + 4.0 * residual[1] + 5.0 * residual[2]];
        assert!(normal.iter().all(|value| value.abs() < 1e-12), "{normal:?}");
        let norm = residual.iter().map(|value| value * value).sum::<f64>().sqrt();
        assert!((norm - small.residual()).abs() < 1e-12);
    }

    #[test]
    fn a_singular_column_is_left_out() {
        let mut small = Hessenberg::new(1.0);
        small.push(&[0.0], 0.0);
        assert_eq!(small.combination(f64::EPSILON), [0.0]);
        assert_eq!(small.residual(), 1.0);
    }
}
