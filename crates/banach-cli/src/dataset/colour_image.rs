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
        let columns = neighbours(left as i64, self.width);
        let rows = neighbours(top as i64, self.height).map(|row| row * self.width);
        let (right, down) = (x - left, y - top);
        let mut found = [0.0; 3];
        for (row, along) in [(rows[0], 1.0 - down), (rows[1], down)] {
            let [one, other] = columns.map(|column| self.pixels[row + column]);
            for (channel, found) in found.iter_mut().enumerate() {
                *found += along * (one[channel] + right * (other[channel] - one[channel]));
            }
        }
        found
    }
}

/// A pixel of an axis of `length` pixels that is mirrored at its edges, and the next one.
fn neighbours(at: i64, length: usize) -> [usize; 2] {
    match usize::try_from(at) {
        Ok(at) if at + 1 < length => [at, at + 1],
        _ => [mirrored(at, length), mirrored(at + 1, length)],
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
