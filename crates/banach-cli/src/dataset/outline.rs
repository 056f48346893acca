//! Outlines of random shapes: star-shaped, smooth or with corners, some with a hole.

use crate::random::Generator;
use std::f64::consts::TAU;

/// Directions in which the radius of an outline is tabulated.
const DIRECTIONS: usize = 128;
/// The share of shapes with corners, and of shapes with a hole.
const CORNERED: f64 = 0.4;
const HOLLOW: f64 = 0.3;

/// A shape about the origin that reaches at most to the distance 1.
#[derive(Clone, Debug)]
pub(crate) struct Outline {
    /// The distance of the edge in each direction; the first is repeated at the end.
    radii: Vec<f32>,
    /// The edge of the hole, as a share of the outer edge; 0 for none.
    hole: f32,
    /// The distances between which the edges lie: of the hole, and of the shape.
    solid: [f32; 2],
}

impl Outline {
    /// A random shape.
    pub(crate) fn draw(generator: &mut Generator) -> Self {
        let mut radii = if generator.uniform() < CORNERED { cornered(generator) } else { smooth(generator) };
        let greatest = radii.iter().copied().fold(0.0, f64::max);
        radii.push(radii[0]);
        let hole = if generator.uniform() < HOLLOW { 0.3 + 0.4 * generator.uniform() } else { 0.0 };
        let least = radii.iter().copied().fold(greatest, f64::min) / greatest;
        let radii = radii.iter().map(|radius| (radius / greatest) as f32).collect();
        Self { radii, hole: hole as f32, solid: [hole as f32, least as f32] }
    }

    /// How much of a pixel at a point lies in the shape; `pixel` is its side in the units of the shape.
    #[inline(always)]
    pub(crate) fn coverage(&self, [x, y]: [f64; 2], pixel: f32) -> f32 {
        let (x, y) = (x as f32, y as f32);
        let away = (x * x + y * y).sqrt();
        if away > 1.0 + pixel {
            return 0.0;
        }
        // The direction takes longest, and is needed near the edges alone.
        let [from, to] = self.solid;
        if away < to - pixel && (from == 0.0 || away > from + pixel) {
            return 1.0;
        }
        let edge = self.edge(y.atan2(x));
        let inside = |edge: f32| ((edge - away) / pixel + 0.5).clamp(0.0, 1.0);
        if self.hole > 0.0 { inside(edge).min(1.0 - inside(self.hole * edge)) } else { inside(edge) }
    }

    /// The distance of the edge in a direction.
    fn edge(&self, angle: f32) -> f32 {
        let turn = angle / TAU as f32;
        let place = (if turn < 0.0 { turn + 1.0 } else { turn }) * DIRECTIONS as f32;
        let index = (place as usize).min(DIRECTIONS - 1);
        let (share, radii) = (place - index as f32, self.radii.as_slice());
        radii[index] * (1.0 - share) + radii[index + 1] * share
    }
}

/// Waves of a few lengths around a circle.
fn smooth(generator: &mut Generator) -> Vec<f64> {
    let waves: Vec<[f64; 3]> = (2..7)
        .map(|count| {
            let count = f64::from(count);
            [count, 0.9 * generator.uniform() / count, TAU * generator.uniform()]
        })
        .collect();
    let radius = |angle: f64| {
        let sum: f64 = waves.iter().map(|[count, size, phase]| size * (count * angle + phase).cos()).sum();
        (1.0 + sum).max(0.15)
    };
    (0..DIRECTIONS).map(|index| radius(TAU * index as f64 / DIRECTIONS as f64)).collect()
}

/// Straight edges between a few corners at random distances.
fn cornered(generator: &mut Generator) -> Vec<f64> {
    let count = 3 + (5.0 * generator.uniform()) as usize;
    let corner = |index: usize, generator: &mut Generator| {
        let angle = TAU * (index as f64 + 0.6 * generator.uniform()) / count as f64;
        let away = 0.4 + 0.6 * generator.uniform();
        (angle, [away * angle.cos(), away * angle.sin()])
    };
    let mut corners: Vec<(f64, [f64; 2])> = (0..count).map(|index| corner(index, generator)).collect();
    let (first, place) = corners[0];
    corners.push((first + TAU, place));
    let radius = |angle: f64| {
        let angle = if angle < first { angle + TAU } else { angle };
        let end = corners.iter().skip(1).position(|(corner, _)| *corner >= angle).unwrap_or(count - 1);
        let ([px, py], [qx, qy]) = (corners[end].1, corners[end + 1].1);
        // The ray in this direction meets the line through both corners.
        let (sine, cosine) = angle.sin_cos();
        let across = (px * qy - py * qx) / (cosine * (qy - py) - sine * (qx - px));
        across.clamp(0.05, 1.0)
    };
    (0..DIRECTIONS).map(|index| radius(TAU * index as f64 / DIRECTIONS as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_lie_within_the_unit_circle_and_cover_part_of_it() {
        for stream in 0..40 {
            let outline = Outline::draw(&mut Generator::new(1, stream));
            assert!(
                outline.radii.iter().all(|radius| (0.01..=1.0).contains(radius)),
                "{stream}: {outline:?}"
            );
            let grid = || (-20..=20).map(|at| f64::from(at) / 20.0);
            let covered: f32 =
                grid().flat_map(|x| grid().map(move |y| [x, y])).map(|p| outline.coverage(p, 0.05)).sum();
            assert!((30.0..1400.0).contains(&covered), "{stream}: {covered}");
            assert_eq!(outline.coverage([1.2, 0.0], 0.05), 0.0);
            assert_eq!(outline.coverage([0.0, 0.0], 0.01) == 0.0, outline.hole > 0.0);
        }
    }
}
