//! Flying chairs: pairs of images in which textured shapes fly before a background, with the exact flow between them.
//!
//! The motions have the distributions of the data set Flying Chairs (Dosovitskiy et al., "FlowNet: Learning Optical Flow with
//! Convolutional Networks", 2015, appendix), scaled from its images of 512 by 384 to the size that is drawn; random shapes
//! stand for the chairs.

use super::affine::Affine;
use super::colour_image::ColourImage;
use super::flow_pairs::FlowPair;
use super::moving_scene::{Part, flow, view};
use super::outline::Outline;
use crate::random::Generator;
use std::sync::Arc;

/// The width that motions and sizes of shapes are given for.
const WIDTH: f64 = 512.0;
/// Number of shapes, both ends included.
const SHAPES: [usize; 2] = [16, 24];
/// Mean, standard deviation and bounds of the sizes of shapes.
const SIZE: [f64; 4] = [200.0, 200.0, 50.0, 640.0];
/// Degrees of a radian.
const DEGREES: f64 = std::f64::consts::PI / 180.0;

/// `x = clamp(mean + sign(γ) |γ|^power)` with γ normal of this deviation, or the mean where a coin of this probability falls
/// on the other side.
struct Spread {
    power: i32,
    mean: f64,
    deviation: f64,
    bounds: [f64; 2],
    probability: f64,
}

impl Spread {
    const fn new(power: i32, [mean, deviation]: [f64; 2], bounds: [f64; 2], probability: f64) -> Self {
        Self { power, mean, deviation, bounds, probability }
    }

    fn draw(&self, generator: &mut Generator) -> f64 {
        let gamma = self.deviation * generator.normal();
        let coin = generator.uniform();
        let [least, most] = self.bounds;
        let value = (self.mean + gamma.signum() * gamma.abs().powi(self.power)).clamp(least, most);
        if coin < self.probability { value } else { self.mean }
    }
}

/// Distributions of a motion: translation in pixels, rotation in degrees, zoom.
struct Motion {
    translation: Spread,
    rotation: Spread,
    zoom: Spread,
}

const BACKGROUND: Motion = Motion {
    translation: Spread::new(4, [0.0, 1.3], [-40.0, 40.0], 1.0),
    rotation: Spread::new(2, [0.0, 1.3], [-10.0, 10.0], 0.3),
    zoom: Spread::new(2, [1.0, 0.1], [0.93, 1.07], 0.6),
};
/// The motion of a shape beside that of the background.
const SHAPE: Motion = Motion {
    translation: Spread::new(3, [0.0, 2.3], [-120.0, 120.0], 1.0),
    rotation: Spread::new(2, [0.0, 2.3], [-30.0, 30.0], 0.7),
    zoom: Spread::new(2, [1.0, 0.18], [0.8, 1.2], 0.7),
};

impl Motion {
    fn draw(&self, centre: [f64; 2], unit: f64, generator: &mut Generator) -> Affine {
        let shift = [(); 2].map(|()| unit * self.translation.draw(generator));
        let angle = DEGREES * self.rotation.draw(generator);
        Affine::about(centre, angle, self.zoom.draw(generator), shift)
    }
}

/// A generator of pairs, each fixed by a seed and a number.
#[derive(Clone, Debug)]
pub(crate) struct Chairs {
    textures: Arc<[ColourImage]>,
    size: [usize; 2],
    seed: u64,
}

impl Chairs {
    /// A generator of pairs of width and height `size`.
    pub(crate) fn new(textures: Arc<[ColourImage]>, size: [usize; 2], seed: u64) -> Self {
        Self { textures, size, seed }
    }

    /// Width and height of the images.
    pub(crate) fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Draws the pair of a number.
    pub(crate) fn draw(&self, number: u64) -> FlowPair {
        let parts = self.parts(&mut Generator::new(self.seed, number));
        let [first, second] = [false, true].map(|second| view(self.size, &parts, second));
        let flow = flow(self.size, &parts, &first.seen);
        FlowPair {
            name: format!("chairs{}", number & 0xffff),
            first: first.image,
            second: second.image,
            flow,
        }
    }

    fn parts(&self, generator: &mut Generator) -> Vec<Part<'_>> {
        let extent = self.size.map(|length| length as f64);
        let (centre, unit) = (extent.map(|length| 0.5 * (length - 1.0)), extent[0] / WIDTH);
        let still = Affine::new(0.0, [1.0; 2], [0.0; 2]);
        let moved = BACKGROUND.draw(centre, unit, generator);
        let mut parts = vec![self.part(None, (still, moved), 1.0, generator)];
        let count = SHAPES[0] + (generator.uniform() * (SHAPES[1] - SHAPES[0] + 1) as f64) as usize;
        for _ in 0..count {
            let [mean, deviation, least, most] = SIZE;
            let radius = 0.5 * unit * (mean + deviation * generator.normal()).clamp(least, most);
            let middle = extent.map(|length| length * generator.uniform());
            let (angle, aspect) =
                (std::f64::consts::TAU * generator.uniform(), 0.5 + 0.5 * generator.uniform());
            let placed = Affine::new(angle, [radius, radius * aspect], middle);
            let moved = moved.after(&SHAPE.draw(middle, unit, generator));
            let outline = Outline::draw(generator);
            parts.push(self.part(Some(outline), (placed, moved), radius, generator));
        }
        parts
    }

    /// A part with a texture in a random place, whose pixels are larger than those of the image.
    fn part(
        &self,
        outline: Option<Outline>,
        (placed, moved): (Affine, Affine),
        radius: f64,
        generator: &mut Generator,
    ) -> Part<'_> {
        let mut below = |bound: f64| bound * generator.uniform();
        let texture = &self.textures[below(self.textures.len() as f64) as usize];
        let corner = [below(texture.width as f64), below(texture.height as f64)];
        let scale = radius * (0.3 + below(0.5));
        let textured = Affine::new(below(std::f64::consts::TAU), [scale; 2], corner);
        let gains = [(); 3].map(|()| 0.6 + below(0.6) as f32);
        Part { outline, placed, moved, texture, textured, gains }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::textures;

    fn chairs() -> Chairs {
        Chairs::new(textures::load(None, [96, 64]).unwrap().kept, [96, 64], 5)
    }

    #[test]
    fn a_number_fixes_a_pair() {
        let chairs = chairs();
        let [one, again, other] = [3, 3, 4].map(|number| chairs.draw(number));
        assert_eq!((&one.first, &one.second, &one.flow), (&again.first, &again.second, &again.flow));
        assert_ne!(one.first, other.first);
        assert_eq!((one.first.width, one.second.height, one.flow.vectors.len()), (96, 64, 96 * 64));
    }

    /// Fills of even areas would hide a wrong flow, so that differences are set against those to an image moved on by a pixel.
    #[test]
    fn the_second_image_carried_back_by_the_flow_is_the_first_where_nothing_is_hidden() {
        let chairs = chairs();
        let ([mut exact, mut off], mut compared) = ([0.0_f64; 2], 0);
        for number in 0..6 {
            let parts = chairs.parts(&mut Generator::new(5, number));
            let [first, second] = [false, true].map(|second| view(chairs.size, &parts, second));
            let flow = flow(chairs.size, &parts, &first.seen);
            for y in 0..64 {
                for x in 0..96 {
                    let Some([u, v]) = flow.at(x, y) else { panic!("a pixel without flow") };
                    let to = [x as f32 + u, y as f32 + v];
                    let seen = first.seen[y * 96 + x];
                    // All four pixels around the place show the part, and none of its edge.
                    let shown = |dx: f32, dy: f32| {
                        let (x, y) = (to[0] + dx, to[1] + dy);
                        (0.0..95.0).contains(&x)
                            && (0.0..63.0).contains(&y)
                            && second.seen[y as usize * 96 + x as usize] == seen
                    };
                    let inner = (-1..=2).all(|dx| (-1..=2).all(|dy| shown(dx as f32, dy as f32)));
                    let uncut = (-1_i32..=1).all(|dx| {
                        (-1_i32..=1).all(|dy| {
                            let (x, y) = ((x as i32 + dx).clamp(0, 95), (y as i32 + dy).clamp(0, 63));
                            first.seen[y as usize * 96 + x as usize] == seen
                        })
                    });
                    if inner && uncut {
                        let here = first.image.at(x, y);
                        let away = |place: [f32; 2]| -> f64 {
                            let there = second.image.sampled(place);
                            here.iter().zip(there).map(|(one, other)| f64::from((one - other).abs())).sum()
                        };
                        exact += away(to);
                        off += away([to[0] + 1.0, to[1] + 1.0]);
                        compared += 1;
                    }
                }
            }
        }
        assert!(compared > 2000, "{compared}");
        let (exact, off) = (exact / f64::from(compared), off / f64::from(compared));
        assert!(exact < 0.06 && exact < 0.5 * off, "{exact} {off}");
    }

    #[test]
    fn motions_stay_in_their_published_ranges_and_vary() {
        let mut generator = Generator::new(1, 0);
        let draws: Vec<f64> = (0..2000).map(|_| SHAPE.translation.draw(&mut generator)).collect();
        assert!(
            draws.iter().all(|shift| shift.abs() <= 120.0) && draws.iter().any(|shift| shift.abs() > 60.0)
        );
        let mut sizes: Vec<f64> = draws.iter().map(|shift| shift.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        // The median of |γ|³ is (0.674 · 2.3)³.
        assert!((3.2..4.3).contains(&sizes[1000]), "{}", sizes[1000]);
        let still = (0..2000).filter(|_| BACKGROUND.rotation.draw(&mut generator) == 0.0).count();
        assert!((1300..1500).contains(&still), "{still}");
        let zooms: Vec<f64> = (0..500).map(|_| BACKGROUND.zoom.draw(&mut generator)).collect();
        assert!(zooms.iter().all(|zoom| (0.93..=1.07).contains(zoom)) && zooms.contains(&1.0));
        let near = zooms.iter().filter(|zoom| (*zoom - 1.0).abs() < 0.02).count();
        assert!(near > 400 && near < 500, "{near}");
    }
}
