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
        let columns = columns(part, &placed, width);
        let layer = Layer::new(number, part, &placed, columns.start);
        for y in rows(part, &placed, height) {
            let span = y * width + columns.start..y * width + columns.end;
            let row = (&mut pixels[span.clone()], &mut seen[span.clone()], &mut uncovered[span]);
            layer.draw(y, row);
        }
    }
    View { image: ColourImage { width, height, pixels }, seen }
}

/// A part as it lies in an image.
struct Layer<'a> {
    number: usize,
    part: &'a Part<'a>,
    /// From the pixels of the image to the coordinates of the outline, and to those of the texture.
    outline: Affine,
    texture: Affine,
    /// The side of a pixel in the units of the outline.
    pixel: f32,
    /// The first column.
    first: f64,
}

impl<'a> Layer<'a> {
    fn new(number: usize, part: &'a Part<'a>, placed: &Affine, first: usize) -> Self {
        let outline = placed.inverse();
        let (texture, pixel) = (part.textured.after(&outline), outline.determinant().abs().sqrt() as f32);
        Self { number, part, outline, texture, pixel, first: first as f64 }
    }

    /// Draws a part of a row: colours, what is seen, and the share of each pixel that nothing covers.
    ///
    /// Every pixel of every part passes here; a build that hardly optimises this crate inlines indexed loops alone.
    fn draw(&self, y: usize, (pixels, seen, uncovered): (&mut [[f32; 3]], &mut [usize], &mut [f32])) {
        let (gains, texture) = (self.part.gains, self.part.texture);
        let (mut at, mut x, y) = (0, self.first, y as f64);
        while at < uncovered.len() {
            if uncovered[at] > 0.0 {
                let coverage = match &self.part.outline {
                    Some(outline) => outline.coverage(self.outline.at([x, y]), self.pixel),
                    None => 1.0,
                };
                if coverage > 0.0 {
                    let [right, down] = self.texture.at([x, y]);
                    let [red, green, blue] = texture.sampled([right as f32, down as f32]);
                    let share = coverage * uncovered[at];
                    let pixel = &mut pixels[at];
                    pixel[0] += share * (red * gains[0]).min(1.0);
                    pixel[1] += share * (green * gains[1]).min(1.0);
                    pixel[2] += share * (blue * gains[2]).min(1.0);
                    uncovered[at] -= share;
                    if coverage >= 0.5 && seen[at] == usize::MAX {
                        seen[at] = self.number;
                    }
                }
            }
            (at, x) = (at + 1, x + 1.0);
        }
    }
}

/// The exact flow, from what is seen in the first image.
pub(crate) fn flow([width, height]: [usize; 2], parts: &[Part<'_>], seen: &[usize]) -> FlowField {
    FlowField::from_vectors([width, height], |x, y| {
        let place = [x as f64, y as f64];
        let [right, down] = parts[seen[y * width + x]].moved.at(place);
        Some([(right - place[0]) as f32, (down - place[1]) as f32])
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
