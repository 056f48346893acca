//! Tiles: parts of a large image that overlap, so that nothing is seen where they meet.

/// Pixels along each inner edge that a tile looks at and leaves to its neighbour.
pub(crate) const MARGIN: usize = 32;

/// A stretch of an axis that is looked at, and the part of it that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Its first pixel.
    pub(crate) start: usize,
    /// The pixels that are kept, from the beginning of the image.
    pub(crate) kept: std::ops::Range<usize>,
}

/// The stretches of an axis of `length` pixels, all of the length that stands first; starts are multiples of
/// every number that divides `length`, `side` and `margin`.
///
/// `side > 2 margin`.
pub(crate) fn stretches(length: usize, side: usize, margin: usize) -> (usize, Vec<Stretch>) {
    if length <= side {
        return (length, vec![Stretch { start: 0, kept: 0..length }]);
    }
    let step = side - 2 * margin;
    let count = (length - 2 * margin).div_ceil(step);
    let start = |index: usize| (index * step).min(length - side);
    let begin = |index: usize| if index == 0 { 0 } else { start(index) + margin };
    let end = |index: usize| if index + 1 == count { length } else { begin(index + 1) };
    let stretch = |index| Stretch { start: start(index), kept: begin(index)..end(index) };
    (side, (0..count).map(stretch).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_kept_once_and_seen_with_its_margin() {
        for (length, side, margin) in
            [(100, 512, 32), (512, 512, 32), (514, 512, 32), (6000, 512, 32), (40, 16, 4)]
        {
            let (side, stretches) = stretches(length, side, margin);
            let mut next = 0;
            for Stretch { start, kept } in &stretches {
                assert_eq!((kept.start, start % 2), (next, 0));
                let (low, high) = (kept.start - start, start + side - kept.end);
                assert!(kept.start == 0 || low >= margin, "{kept:?} of {start}");
                assert!(kept.end == length || high >= margin, "{kept:?} of {start}");
                assert!(start + side <= length && !kept.is_empty());
                next = kept.end;
            }
            assert_eq!(next, length);
        }
    }
}
