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
    #[inline(always)]
    pub(crate) fn sampled(&self, [x, y]: [f32; 2]) -> [f32; 3] {
        let ((left, right), (top, down)) = (split(x), split(y));
        let [left, after] = neighbours(left, self.width);
        let [top, below] = neighbours(top, self.height);
        let (top, below, pixels) = (top * self.width, below * self.width, self.pixels.as_slice());
        let upper = between(pixels[top + left], pixels[top + after], right);
        let lower = between(pixels[below + left], pixels[below + after], right);
        between(upper, lower, down)
    }
}

/// The greatest integer that is no greater than a number, and what lies between both.
#[inline(always)]
fn split(place: f32) -> (i64, f32) {
    let whole = place as i64;
    let whole = if whole as f32 > place { whole - 1 } else { whole };
    (whole, place - whole as f32)
}

#[inline(always)]
fn between(one: [f32; 3], other: [f32; 3], share: f32) -> [f32; 3] {
    let at = |one: f32, other: f32| one + share * (other - one);
    [at(one[0], other[0]), at(one[1], other[1]), at(one[2], other[2])]
}

/// A pixel of an axis of `length` pixels that is mirrored at its edges, and the next one.
#[inline(always)]
fn neighbours(at: i64, length: usize) -> [usize; 2] {
    if at >= 0 && at + 1 < length as i64 {
        [at as usize, at as usize + 1]
    } else {
        [mirrored(at, length), mirrored(at + 1, length)]
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
