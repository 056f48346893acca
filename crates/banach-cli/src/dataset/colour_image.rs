//! Images in colour, in single precision, and their values between pixels.

use super::picture::{self, Picture};
use super::plane::Plane;
use crate::error::Error;
use std::path::Path;

/// An image of red, green and blue, row by row, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColourImage {
    /// Pixels of a row.
    pub(crate) width: usize,
    /// Number of rows.
    pub(crate) height: usize,
    /// `height * width` colours.
    pub(crate) pixels: Vec<[f32; 3]>,
}

/// Reads an image file; gray levels become equal parts of all colours.
pub(crate) fn read(path: &Path) -> Result<ColourImage, Error> {
    picture::read(path).map(|picture| ColourImage::of(&picture))
}

impl ColourImage {
    fn of(picture: &Picture) -> Self {
        let planes: Vec<Plane> = (0..picture.colours()).map(|channel| picture.plane(channel)).collect();
        let last = planes.len() - 1;
        let pixel = |at: usize| [0, 1, 2].map(|channel: usize| planes[channel.min(last)].values[at]);
        let (width, height) = (picture.width, picture.height);
        Self { width, height, pixels: (0..width * height).map(pixel).collect() }
    }

    /// The colour at a column and a row.
    pub(crate) fn at(&self, x: usize, y: usize) -> [f32; 3] {
        self.pixels[y * self.width + x]
    }

    /// The colour at any place of the plane, bilinear between pixels; the image is mirrored at its edges for ever.
    pub(crate) fn sampled(&self, [x, y]: [f32; 2]) -> [f32; 3] {
        let (left, top) = (x.floor(), y.floor());
        let [columns, rows] = [(left, self.width), (top, self.height)]
            .map(|(first, length)| [first as i64, first as i64 + 1].map(|at| mirrored(at, length)));
        let (right, down) = (x - left, y - top);
        let weights = [(1.0 - right) * (1.0 - down), right * (1.0 - down), (1.0 - right) * down, right * down];
        let corners = [
            self.at(columns[0], rows[0]),
            self.at(columns[1], rows[0]),
            self.at(columns[0], rows[1]),
            self.at(columns[1], rows[1]),
        ];
        [0, 1, 2].map(|channel| weights.iter().zip(&corners).map(|(weight, corner)| weight * corner[channel]).sum())
    }
}

/// The pixel at a place of an axis of `length` pixels that is mirrored at its edges.
fn mirrored(at: i64, length: usize) -> usize {
    let period = 2 * length as i64;
    let at = at.rem_euclid(period);
    at.min(period - 1 - at) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_between_pixels_are_bilinear_and_edges_are_mirrors() {
        let pixels = (0..6).map(|at| [at as f32, 10.0, -at as f32]).collect();
        let image = ColourImage { width: 3, height: 2, pixels };
        assert_eq!(image.sampled([1.0, 1.0]), image.at(1, 1));
        assert_eq!(image.sampled([0.5, 0.5]), [2.0, 10.0, -2.0]);
        assert_eq!([-1, 0, 2, 3, 5, 6, 7].map(|at| mirrored(at, 3)), [0, 0, 2, 2, 0, 0, 1]);
        assert_eq!(image.sampled([-1.0, 0.0]), image.at(0, 0));
    }
}
