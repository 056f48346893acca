//! Pixels under a tap of the kernel: arithmetic along one axis, in either direction.

/// One axis of a convolution, from the image that is read, the source, to the one that is written, the target.
///
/// A line of the target is computed from tables of the source's pixels, with entries for those outside and, if
/// `transposed`, between them: pixel `t` meets, under a tap, entry `t stride + shift(tap)`; transposed, the target falls
/// into as many classes as the stride, in which every pixel meets the same taps, and the entry is `t + shift(tap)`.
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
    /// The pixel of the source that one of the target meets under a tap.
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

    /// The pixels of the target that meet one under a tap, where every step of the target is a step of the stride.
    pub(super) fn met(&self, tap: usize) -> std::ops::Range<usize> {
        let before = self.padding.saturating_sub(tap * self.dilation).div_ceil(self.stride);
        let end = (self.source + self.padding).saturating_sub(tap * self.dilation).div_ceil(self.stride);
        let end = end.min(self.target);
        before.min(end)..end
    }

    /// Entries in a table.
    pub(super) fn entries(&self) -> usize {
        let reach = self.dilation * self.kernel.saturating_sub(1);
        match self.target.checked_sub(1) {
            None => 0,
            Some(last) if self.transposed => last + reach + 1,
            Some(last) => last * self.stride + reach + 1,
        }
    }

    /// The pixel of the source an entry stands for.
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

    /// The pixel the first entry stands for, perhaps one before the source, where there is neither a stride nor dilation.
    pub(super) fn first(&self) -> isize {
        let padding = self.padding as isize;
        if self.transposed { padding + 1 - self.kernel as isize } else { -padding }
    }

    /// The entry the first pixel of the target meets under a tap.
    pub(super) fn shift(&self, tap: usize) -> usize {
        if self.transposed { (self.kernel - 1 - tap) * self.dilation } else { tap * self.dilation }
    }

    /// Classes of the target's pixels: every so many pixels meet the same taps.
    pub(super) fn classes(&self) -> usize {
        if self.transposed { self.stride.min(self.target) } else { 1 }
    }

    /// Pixels in a class.
    pub(super) fn members(&self, class: usize) -> usize {
        (self.target - class).div_ceil(if self.transposed { self.stride } else { 1 })
    }

    /// Whether the pixels of a class can meet any under a tap.
    pub(super) fn reaches(&self, class: usize, tap: usize) -> bool {
        let (place, tap) = (class + self.padding, tap * self.dilation);
        !self.transposed || place % self.stride == tap % self.stride
    }
}
