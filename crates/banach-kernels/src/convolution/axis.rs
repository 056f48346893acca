//! Index arithmetic of a convolution along one axis, in either direction.

/// One axis of a convolution, from the image that is read (the source) to the image that is written (the
/// target).
///
/// A row of the target is computed from a table of source pixels, with entries for positions outside the
/// source and, if `transposed`, between its pixels. Pixel `t` meets entry `t stride + shift(tap)` under a
/// tap. If transposed, the target is divided into as many classes as the stride, whose pixels all meet the
/// same taps, and the entry is `t + shift(tap)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) dilation: usize,
    pub(super) transposed: bool,
}

impl Axis {
    /// The source pixel that a target pixel meets under a tap.
    pub(super) fn meets(&self, target: usize, tap: usize) -> Option<usize> {
        if self.transposed {
            let place = (target + self.padding).checked_sub(tap * self.dilation)?;
            let source = place.is_multiple_of(self.stride).then_some(place / self.stride)?;
            (source < self.source).then_some(source)
        } else {
            let source = (target * self.stride + tap * self.dilation).checked_sub(self.padding)?;
            (source < self.source).then_some(source)
        }
    }

    /// The target pixels that meet a source pixel under a tap, if not transposed.
    pub(super) fn met(&self, tap: usize) -> std::ops::Range<usize> {
        let before = self.padding.saturating_sub(tap * self.dilation).div_ceil(self.stride);
        let end = (self.source + self.padding).saturating_sub(tap * self.dilation).div_ceil(self.stride);
        let end = end.min(self.target);
        before.min(end)..end
    }

    /// The number of entries of the table.
    pub(super) fn entries(&self) -> usize {
        let reach = self.dilation * self.kernel.saturating_sub(1);
        match self.target.checked_sub(1) {
            None => 0,
            Some(last) if self.transposed => last + reach + 1,
            Some(last) => last * self.stride + reach + 1,
        }
    }

    /// The source pixel of an entry.
    pub(super) fn entry(&self, entry: usize) -> Option<usize> {
        if self.transposed {
            let reach = self.dilation * self.kernel.saturating_sub(1);
            let place = (entry + self.padding).checked_sub(reach)?;
            let source = place.is_multiple_of(self.stride).then_some(place / self.stride)?;
            (source < self.source).then_some(source)
        } else {
            entry.checked_sub(self.padding).filter(|source| *source < self.source)
        }
    }

    /// The position of the first entry, possibly before the source, without stride and dilation.
    pub(super) fn first(&self) -> isize {
        let padding = self.padding as isize;
        if self.transposed { padding + 1 - self.kernel as isize } else { -padding }
    }

    /// The entry that the first target pixel meets under a tap.
    pub(super) fn shift(&self, tap: usize) -> usize {
        if self.transposed { (self.kernel - 1 - tap) * self.dilation } else { tap * self.dilation }
    }

    /// The number of classes of target pixels.
    pub(super) fn classes(&self) -> usize {
        if self.transposed { self.stride.min(self.target) } else { 1 }
    }

    /// The number of pixels of a class.
    pub(super) fn members(&self, class: usize) -> usize {
        (self.target - class).div_ceil(if self.transposed { self.stride } else { 1 })
    }

    /// Whether the pixels of a class can meet source pixels under a tap.
    pub(super) fn reaches(&self, class: usize, tap: usize) -> bool {
        let (place, tap) = (class + self.padding, tap * self.dilation);
        !self.transposed || place % self.stride == tap % self.stride
    }
}
