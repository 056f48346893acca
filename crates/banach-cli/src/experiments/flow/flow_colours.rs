//! Flow as colours: the direction as hue, the length as saturation (Baker et al., "A Database and Evaluation Methodology for
//! Optical Flow", 2011).

use crate::dataset::flow_field::FlowField;
use image::{Rgb, RgbImage};
use std::f32::consts::PI;

/// Steps between red, yellow, green, cyan, blue, magenta and red again: more where eyes tell more hues apart.
const STEPS: [usize; 6] = [15, 6, 4, 11, 13, 6];
const CORNERS: [[f32; 3]; 7] = [
    [1.0, 0.0, 0.0],
    [1.0, 1.0, 0.0],
    [0.0, 1.0, 0.0],
    [0.0, 1.0, 1.0],
    [0.0, 0.0, 1.0],
    [1.0, 0.0, 1.0],
    [1.0, 0.0, 0.0],
];
/// How much darker displacements beyond the longest are.
const DARKER: f32 = 0.75;

/// The colour of a displacement, `longest` being that of full saturation; black for an unknown one.
fn colour(vector: Option<[f32; 2]>, longest: f32) -> Rgb<u8> {
    let Some([u, v]) = vector else { return Rgb([0; 3]) };
    let length = u.hypot(v) / longest.max(f32::MIN_POSITIVE);
    let turn = (v.atan2(u) / (2.0 * PI)).rem_euclid(1.0) * STEPS.iter().sum::<usize>() as f32;
    let (mut corner, mut first) = (0, 0.0);
    while corner + 1 < STEPS.len() && turn >= first + STEPS[corner] as f32 {
        first += STEPS[corner] as f32;
        corner += 1;
    }
    let share = (turn - first) / STEPS[corner] as f32;
    let part = |channel: usize| {
        let hue = CORNERS[corner][channel] * (1.0 - share) + CORNERS[corner + 1][channel] * share;
        let level = if length <= 1.0 { 1.0 - length * (1.0 - hue) } else { hue * DARKER };
        (255.0 * level).round() as u8
    };
    Rgb([part(0), part(1), part(2)])
}

/// The colours of a field; displacements longer than `longest` are darker than the others.
pub(crate) fn draw(field: &FlowField, longest: f32) -> RgbImage {
    RgbImage::from_fn(field.width as u32, field.height as u32, |x, y| {
        colour(field.at(x as usize, y as usize), longest)
    })
}

/// The wheel of all colours: each pixel has that of the displacement from the middle to it, the edge that of the longest.
pub(crate) fn legend(side: u32) -> RgbImage {
    let radius = 0.5 * side as f32;
    RgbImage::from_fn(side, side, |x, y| {
        let vector = [x, y].map(|at| (at as f32 + 0.5 - radius) / (radius - 1.0));
        if vector[0].hypot(vector[1]) > 1.0 { Rgb([255; 3]) } else { colour(Some(vector), 1.0) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_have_hues_and_lengths_saturations() {
        let of = |u, v| colour(Some([u, v]), 2.0).0;
        assert_eq!((of(2.0, 0.0), of(0.0, 0.0), of(1.0, 0.0)), ([255, 0, 0], [255; 3], [255, 128, 128]));
        assert_eq!((of(9.0, 0.0), colour(None, 2.0).0), ([191, 0, 0], [0; 3]));
        let [red, green, blue] = of(-2.0, -1e-4);
        assert!(blue > 200 && red < 60 && green > 50, "{red} {green} {blue}");
        assert_eq!(of(2.0, 1e-6), of(2.0, -1e-6));
        let wheel = legend(41);
        assert_eq!((wheel.get_pixel(0, 0).0, wheel.get_pixel(20, 20).0), ([255; 3], [255; 3]));
        let [red, green, _] = wheel.get_pixel(38, 20).0;
        assert!(red == 255 && green < 40, "{red} {green}");
        let field = FlowField::from_vectors([3, 2], |x, _| (x > 0).then_some([x as f32, 0.0]));
        let drawn = draw(&field, 2.0);
        assert_eq!((drawn.dimensions(), drawn.get_pixel(2, 1).0), ((3, 2), [255, 0, 0]));
    }
}
