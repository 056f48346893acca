//! Scenes of textured shapes in motion before a background in motion: two images, and the exact flow between them.

use super::affine::Affine;
use super::colour_image::ColourImage;
use super::flow_field::FlowField;
use super::outline::Outline;

/// A part of a scene: a shape, or the background, which has no outline.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) outline: Option<Outline>,
    /// From the coordinates of the outline to the first image; the background has those of the image.
    pub(crate) placed: Affine,
    /// From the first image to the second.
    pub(crate) moved: Affine,
    pub(crate) texture: &'a ColourImage,
    /// From the coordinates of the outline to those of the texture.
    pub(crate) textured: Affine,
    /// What the colours of the texture are multiplied with.
    pub(crate) gains: [f32; 3],
}

/// An image of a scene, and the number of the part that is seen at each pixel.
pub(crate) struct View {
    pub(crate) image: ColourImage,
    pub(crate) seen: Vec<usize>,
}

/// The first image of a scene, or the second; the last parts are in front.
pub(crate) fn view([width, height]: [usize; 2], parts: &[Part<'_>], second: bool) -> View {
    let mut pixels = vec![[0.0; 3]; width * height];
    let (mut seen, mut uncovered) = (vec![usize::MAX; width * height], vec![1.0_f32; width * height]);
    // From the front to the back: what is covered already needs no texture.
    for (number, part) in parts.iter().enumerate().rev() {
        let placed = if second { part.moved.after(&part.placed) } else { part.placed };
        let back = placed.inverse();
        let pixel = back.determinant().abs().sqrt() as f32;
        for y in rows(part, &placed, height) {
            for x in columns(part, &placed, width) {
                let at = y * width + x;
                if uncovered[at] <= 0.0 {
                    continue;
                }
                let own = back.at([x as f64, y as f64]);
                let coverage = part.outline.as_ref().map_or(1.0, |outline| outline.coverage(own, pixel));
                if coverage <= 0.0 {
                    continue;
                }
                let colour = part.texture.sampled(part.textured.at(own).map(|place| place as f32));
                let share = coverage * uncovered[at];
                for ((sum, level), gain) in pixels[at].iter_mut().zip(colour).zip(part.gains) {
                    *sum += share * (level * gain).min(1.0);
                }
                uncovered[at] -= share;
                if coverage >= 0.5 && seen[at] == usize::MAX {
                    seen[at] = number;
                }
            }
        }
    }
    View { image: ColourImage { width, height, pixels }, seen }
}

/// The exact flow, from what is seen in the first image.
pub(crate) fn flow([width, height]: [usize; 2], parts: &[Part<'_>], seen: &[usize]) -> FlowField {
    FlowField::from_vectors([width, height], |x, y| {
        let place = [x as f64, y as f64];
        let moved = parts[seen[y * width + x]].moved.at(place);
        Some([0, 1].map(|axis: usize| (moved[axis] - place[axis]) as f32))
    })
}

/// The rows that a part can reach.
fn rows(part: &Part<'_>, placed: &Affine, height: usize) -> std::ops::Range<usize> {
    reach(part, placed, 1, height)
}

fn columns(part: &Part<'_>, placed: &Affine, width: usize) -> std::ops::Range<usize> {
    reach(part, placed, 0, width)
}

/// The pixels along an axis that the image of the unit circle can reach.
fn reach(part: &Part<'_>, placed: &Affine, axis: usize, length: usize) -> std::ops::Range<usize> {
    if part.outline.is_none() {
        return 0..length;
    }
    let [a, b] = placed.matrix[axis];
    let (centre, radius) = (placed.shift[axis], a.hypot(b) + 2.0);
    let clipped = |place: f64| place.clamp(0.0, length as f64) as usize;
    clipped((centre - radius).floor())..clipped((centre + radius).ceil() + 1.0)
}
