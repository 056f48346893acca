//! Dead leaves: images of discs that cover one another, with the edges and the scales of photographs.

use super::colour_image::ColourImage;
use super::plane::Plane;
use crate::random::Generator;

const STREAM: u64 = 1 << 40;
const TINT_STREAM: u64 = 1 << 41;
/// How far a colour may be from the gray level of its leaf.
const TINT: f64 = 0.35;
/// Radii of the leaves, in pixels; their density falls with the third power (Lee, Mumford and Huang, "Occlusion models for
/// natural images", 2001), which makes images look alike at every scale.
const RADII: [f64; 2] = [2.0, 80.0];
/// Samples of a pixel along each axis.
const FINE: usize = 2;

/// A leaf: a disc whose gray level falls from one side to the other, and varies in waves.
struct Leaf {
    centre: [f64; 2],
    radius: f64,
    level: f64,
    slope: [f64; 2],
    wave: [f64; 2],
    strength: f64,
}

impl Leaf {
    fn new([width, height]: [f64; 2], generator: &mut Generator) -> Self {
        let [least, most] = RADII.map(|radius| (radius * FINE as f64).powi(-2));
        let radius = (least + (most - least) * generator.uniform()).powf(-0.5);
        let mut within = |low: f64, high: f64| low + (high - low) * generator.uniform();
        let centre = [within(-radius, width + radius), within(-radius, height + radius)];
        let (level, slope) = (within(0.05, 0.95), [within(-0.1, 0.1), within(-0.1, 0.1)]);
        let (angle, length) = (within(0.0, std::f64::consts::TAU), within(3.0, 16.0) * FINE as f64);
        let frequency = std::f64::consts::TAU / length;
        let wave = [frequency * angle.cos(), frequency * angle.sin()];
        let strength = within(-0.1, 0.15).max(0.0);
        Self { centre, radius, level, slope, wave, strength }
    }

    fn level_at(&self, [x, y]: [f64; 2]) -> f32 {
        let [x, y] = [x - self.centre[0], y - self.centre[1]];
        let slope = (self.slope[0] * x + self.slope[1] * y) / self.radius;
        let wave = self.strength * (self.wave[0] * x + self.wave[1] * y).sin();
        (self.level + slope + wave).clamp(0.0, 1.0) as f32
    }
}

/// Draws image number `index` of a set, of width and height `size`.
pub(crate) fn draw(size: [usize; 2], set: u64, index: u64) -> Plane {
    let [level] = visible(size, set, index, |_| [1.0], |leaf, at, _| [leaf.level_at(at)]);
    level
}

/// Draws image number `index` of a set in colour, of width and height `size`.
pub(crate) fn draw_in_colour(size: [usize; 2], set: u64, index: u64) -> ColourImage {
    let mut tints = Generator::new(set, TINT_STREAM + index);
    let tint = move |_: &Leaf| [(); 3].map(|()| (TINT * (2.0 * tints.uniform() - 1.0)) as f32);
    let planes = visible(size, set, index, tint, |leaf, at, tint| {
        let level = leaf.level_at(at);
        tint.map(|part| (level + part).clamp(0.0, 1.0))
    });
    let pixels = (0..size[0] * size[1]).map(|at| [0, 1, 2].map(|channel: usize| planes[channel].values[at]));
    ColourImage { width: size[0], height: size[1], pixels: pixels.collect() }
}

/// The channels of the leaves that are seen; `tint` is drawn for each leaf, and `paint` makes a point of a leaf of it.
fn visible<const C: usize>(
    [width, height]: [usize; 2],
    set: u64,
    index: u64,
    mut tint: impl FnMut(&Leaf) -> [f32; C],
    paint: impl Fn(&Leaf, [f64; 2], [f32; C]) -> [f32; C],
) -> [Plane; C] {
    let mut generator = Generator::new(set, STREAM + index);
    let fine = [width * FINE, height * FINE];
    let extent = fine.map(|length| length as f64);
    let mut points = vec![[f32::NAN; C]; fine[0] * fine[1]];
    let mut uncovered = points.len();
    // From the front to the back: a point keeps the first leaf that covers it.
    while uncovered > 0 {
        let leaf = Leaf::new(extent, &mut generator);
        let tint = tint(&leaf);
        let range = |axis: usize| {
            let (low, high) = (leaf.centre[axis] - leaf.radius, leaf.centre[axis] + leaf.radius);
            (low.max(0.0) as usize)..(high.max(0.0).ceil().min(extent[axis]) as usize)
        };
        for row in range(1) {
            for column in range(0) {
                let at = [column as f64 + 0.5, row as f64 + 0.5];
                let away = (at[0] - leaf.centre[0]).hypot(at[1] - leaf.centre[1]);
                let point = &mut points[row * fine[0] + column];
                if point[0].is_nan() && away <= leaf.radius {
                    *point = paint(&leaf, at, tint);
                    uncovered -= 1;
                }
            }
        }
    }
    let samples = (FINE * FINE) as f32;
    std::array::from_fn(|channel| {
        Plane::from_levels([width, height], |x, y| {
            let parts = (0..FINE).flat_map(|down| (0..FINE).map(move |right| (down, right)));
            let levels =
                parts.map(|(down, right)| points[(FINE * y + down) * fine[0] + FINE * x + right][channel]);
            levels.sum::<f32>() / samples
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_covered_and_images_differ() {
        let [one, again, other] = [3, 3, 4].map(|index| draw([40, 30], 0, index));
        assert_eq!((one.width, one.height, one.values.len()), (40, 30, 1200));
        assert!(one.values.iter().all(|level| (0.0..=1.0).contains(level)));
        assert!(one == again && one != other);
        let mean = one.values.iter().sum::<f32>() / 1200.0;
        let spread = one.values.iter().map(|level| (level - mean).powi(2)).sum::<f32>() / 1200.0;
        assert!(spread.sqrt() > 0.05, "{spread}");
    }

    #[test]
    fn leaves_in_colour_are_the_gray_ones_with_tints() {
        let [one, again, other] = [3, 3, 4].map(|index| draw_in_colour([24, 20], 0, index));
        assert!(one == again && one != other);
        assert!(one.pixels.iter().flatten().all(|level| (0.0..=1.0).contains(level)));
        assert!(one.pixels.iter().any(|[red, _, blue]| (red - blue).abs() > 0.1));
        let gray = draw([24, 20], 0, 3);
        let green = one.pixels.iter().map(|pixel| pixel[1]);
        let differences = green.zip(&gray.values).map(|(one, other)| (one - other).abs()).sum::<f32>();
        assert!(differences / 480.0 < 0.25, "{differences}");
    }
}
