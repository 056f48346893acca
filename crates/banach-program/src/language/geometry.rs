//! Geometry of slices, convolutions and pooling: spans of axes and sliding windows.

/// One axis of a slice: `start, start + step, ..` below `end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub struct Span {
    /// First position.
    pub start: usize,
    /// One past the last possible position.
    pub end: usize,
    /// Distance between positions, at least 1.
    pub step: usize,
}

/// As Burn writes slices: `0..6`, or `0..6;2` with steps.
impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.start, self.end)?;
        if self.step == 1 { Ok(()) } else { write!(f, ";{}", self.step) }
    }
}

impl Span {
    /// How many positions the span has.
    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start).div_ceil(self.step)
    }

    /// Whether the span has no positions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the spans of a slice of a tensor: `start..start + size` along `axis`, and all positions of the
    /// other axes.
    pub(crate) fn along(shape: &[usize], axis: usize, start: usize, size: usize) -> Vec<Span> {
        let mut spans: Vec<Span> = shape.iter().map(|&end| Span { start: 0, end, step: 1 }).collect();
        spans[axis] = Span { start, end: start + size, step: 1 };
        spans
    }
}

/// How a two-dimensional convolution slides: `x [b, i, h, w]`, `weight [o, i / groups, kh, kw]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub struct Window {
    /// Steps between outputs.
    pub stride: [usize; 2],
    /// Zeros on both sides.
    pub padding: [usize; 2],
    /// Steps between taps.
    pub dilation: [usize; 2],
    /// Independent groups of channels.
    pub groups: usize,
}

/// How a two-dimensional maximum slides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "remote", derive(serde::Serialize, serde::Deserialize))]
pub struct Pool {
    /// Size of the window.
    pub kernel: [usize; 2],
    /// Steps between outputs.
    pub stride: [usize; 2],
    /// Padding on both sides, never chosen.
    pub padding: [usize; 2],
    /// Steps between taps.
    pub dilation: [usize; 2],
    /// Whether the last window may hang over the edge.
    pub ceil: bool,
}
