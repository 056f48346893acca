//! Affine maps of the plane.

/// The map `p -> A p + t`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Affine {
    /// A, row by row.
    pub(crate) matrix: [[f64; 2]; 2],
    /// t.
    pub(crate) shift: [f64; 2],
}

impl Affine {
    /// A rotation by an angle in radians after a scaling of both axes, and then a shift.
    pub(crate) fn new(angle: f64, [across, down]: [f64; 2], shift: [f64; 2]) -> Self {
        let (sine, cosine) = angle.sin_cos();
        Self { matrix: [[across * cosine, -down * sine], [across * sine, down * cosine]], shift }
    }

    /// A rotation and a zoom about a point, and then a shift.
    pub(crate) fn about([x, y]: [f64; 2], angle: f64, zoom: f64, shift: [f64; 2]) -> Self {
        let [moved_x, moved_y] = Self::new(angle, [zoom; 2], [0.0; 2]).at([x, y]);
        Self::new(angle, [zoom; 2], [x - moved_x + shift[0], y - moved_y + shift[1]])
    }

    /// The image of a point.
    #[inline(always)]
    pub(crate) fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [[a, b], [c, d]] = self.matrix;
        [a * x + b * y + self.shift[0], c * x + d * y + self.shift[1]]
    }

    /// This map after another one.
    pub(crate) fn after(&self, first: &Self) -> Self {
        let column = |index: usize| {
            let [x, y] = [first.matrix[0][index], first.matrix[1][index]];
            [0, 1].map(|row: usize| self.matrix[row][0] * x + self.matrix[row][1] * y)
        };
        let (left, right) = (column(0), column(1));
        Self { matrix: [[left[0], right[0]], [left[1], right[1]]], shift: self.at(first.shift) }
    }

    /// The factor by which the map changes areas.
    pub(crate) fn determinant(&self) -> f64 {
        let [[a, b], [c, d]] = self.matrix;
        a * d - b * c
    }

    /// The inverse of a map whose determinant is not 0.
    pub(crate) fn inverse(&self) -> Self {
        let [[a, b], [c, d]] = self.matrix;
        let scale = self.determinant().recip();
        let linear = Self { matrix: [[d * scale, -b * scale], [-c * scale, a * scale]], shift: [0.0; 2] };
        let [x, y] = linear.at(self.shift);
        Self { shift: [-x, -y], ..linear }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: [f64; 2], expected: [f64; 2]) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {expected:?}");
    }

    #[test]
    fn maps_compose_and_turn_back() {
        let one = Affine::about([3.0, -2.0], 0.7, 1.3, [5.0, 1.0]);
        let other = Affine::new(-0.2, [0.5, 2.0], [1.0, 4.0]);
        near(one.at([3.0, -2.0]), [8.0, -1.0]);
        near(one.after(&other).at([0.3, 0.9]), one.at(other.at([0.3, 0.9])));
        near(other.inverse().at(other.at([6.0, 7.0])), [6.0, 7.0]);
        assert!((other.determinant() - 1.0).abs() < 1e-12);
        near(Affine::new(std::f64::consts::FRAC_PI_2, [1.0; 2], [0.0; 2]).at([1.0, 0.0]), [0.0, 1.0]);
    }
}
