//! Strided views of buffers: an element lies at `offset + Σ index · stride`.
//!
//! Permutations, slices, broadcasts and most reshapes are new views of a buffer and cost nothing at run time.

use crate::language::geometry::Span;

/// A block of memory that instructions read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Buffer {
    /// An input of the program, by position.
    Input(usize),
    /// A known tensor.
    Constant(usize),
    /// Elements of a packed operand, by pack.
    Packed(usize),
    /// Memory of the machine.
    Temporary(usize),
}

/// A strided view of a buffer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) buffer: Buffer,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<isize>,
}

impl View {
    /// Creates a contiguous row-major view.
    pub(crate) fn dense(buffer: Buffer, shape: &[usize]) -> Self {
        let axes: Vec<usize> = (0..shape.len()).collect();
        View::ordered(buffer, shape, &axes)
    }

    /// Creates a contiguous view whose axes are ordered as in `order`, outermost first.
    pub(crate) fn ordered(buffer: Buffer, shape: &[usize], order: &[usize]) -> Self {
        let mut strides = vec![0; shape.len()];
        let mut stride = 1;
        for &axis in order.iter().rev() {
            strides[axis] = stride;
            stride *= shape[axis] as isize;
        }
        View { buffer, offset: 0, shape: shape.to_vec(), strides }
    }

    /// The number of elements.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the numbers lie in row-major order without gaps.
    pub(crate) fn is_dense(&self) -> bool {
        let mut stride = 1;
        self.len() == 0
            || self.shape.iter().zip(&self.strides).rev().all(|(&size, &found)| {
                let fits = size == 1 || found == stride;
                stride *= size as isize;
                fits
            })
    }

    /// The axes, the one with the longest stride first.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut axes: Vec<usize> = (0..self.shape.len()).collect();
        axes.sort_by_key(|&axis| std::cmp::Reverse(self.strides[axis].unsigned_abs()));
        axes
    }

    pub(crate) fn permuted(&self, axes: &[usize]) -> Self {
        View {
            shape: axes.iter().map(|&axis| self.shape[axis]).collect(),
            strides: axes.iter().map(|&axis| self.strides[axis]).collect(),
            ..*self
        }
    }

    pub(crate) fn broadcast(&self, shape: &[usize]) -> Self {
        let stride = |axis: usize| if self.shape[axis] == shape[axis] { self.strides[axis] } else { 0 };
        let strides = (0..shape.len()).map(stride).collect();
        View { shape: shape.to_vec(), strides, ..*self }
    }

    pub(crate) fn sliced(&self, spans: &[Span]) -> Self {
        let mut view = self.clone();
        for (axis, span) in spans.iter().enumerate() {
            view.shape[axis] = span.len();
            view.offset = view.offset.wrapping_add_signed(self.strides[axis] * span.start as isize);
            view.strides[axis] *= span.step as isize;
        }
        if view.len() == 0 { View { offset: 0, ..view } } else { view }
    }

    pub(crate) fn flipped(&self, axes: &[usize]) -> Self {
        let mut view = self.clone();
        for &axis in axes.iter().filter(|&&axis| self.shape[axis] > 1) {
            let last = self.strides[axis] * (self.shape[axis] as isize - 1);
            view.offset = view.offset.wrapping_add_signed(last);
            view.strides[axis] = -self.strides[axis];
        }
        view
    }

    /// The view in another shape, its numbers in row-major order, if strides can say it.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        if self.len() == 0 {
            return Some(View { offset: 0, ..View::dense(self.buffer, shape) });
        }
        let sizes = self.shape.iter().copied().zip(self.strides.iter().copied());
        let mut runs = merged(sizes);
        let mut strides = vec![0; shape.len()];
        for (axis, &size) in shape.iter().enumerate().rev().filter(|(_, size)| **size > 1) {
            let (left, stride) = runs.last_mut()?;
            if *left % size != 0 {
                return None;
            }
            strides[axis] = *stride;
            *stride *= size as isize;
            *left /= size;
            if *left == 1 {
                runs.pop();
            }
        }
        runs.is_empty().then(|| View { shape: shape.to_vec(), strides, ..*self })
    }
}

/// Axes that follow one another in memory as one; axes of size 1 left out.
fn merged(sizes: impl Iterator<Item = (usize, isize)>) -> Vec<(usize, isize)> {
    let mut runs: Vec<(usize, isize)> = vec![];
    for (size, stride) in sizes.filter(|(size, _)| *size != 1) {
        match runs.last_mut() {
            Some((length, outer)) if *outer == stride * size as isize => {
                *length *= size;
                *outer = stride;
            }
            Some(_) | None => runs.push((size, stride)),
        }
    }
    runs
}

/// One loop over several views at once: its length and how far each view moves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Loop {
    pub(crate) size: usize,
    pub(crate) strides: Vec<isize>,
}

/// The fewest loops that visit views of one shape together, axes in the order given, outermost first.
pub(crate) fn loops(views: &[&View], order: &[usize]) -> Vec<Loop> {
    let mut loops: Vec<Loop> = vec![];
    for &axis in order {
        let size = views[0].shape[axis];
        if size == 1 {
            continue;
        }
        let strides: Vec<isize> = views.iter().map(|view| view.strides[axis]).collect();
        match loops.last_mut() {
            Some(last)
                if last
                    .strides
                    .iter()
                    .zip(&strides)
                    .all(|(outer, inner)| *outer == inner * size as isize) =>
            {
                last.size *= size;
                last.strides = strides;
            }
            Some(_) | None => loops.push(Loop { size, strides }),
        }
    }
    loops
}

/// The elements of a buffer from an offset on; a view without elements may start beyond its buffer.
pub(crate) fn tail<E>(elements: &[E], offset: usize) -> &[E] {
    elements.get(offset..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Buffer = Buffer::Temporary(0);

    #[test]
    fn views_that_strides_can_say_cost_nothing() {
        let image = View::dense(HERE, &[2, 5, 7, 3]);
        let turned = image.permuted(&[0, 3, 1, 2]);
        assert_eq!(
            (turned.shape.as_slice(), turned.strides.as_slice()),
            (&[2, 3, 5, 7][..], &[105, 1, 21, 3][..])
        );
        assert_eq!(turned.reshaped(&[2, 3, 35]).unwrap().strides, [105, 1, 3]);
        assert_eq!(turned.reshaped(&[6, 35]), None);
        assert_eq!(turned.permuted(&[0, 2, 3, 1]).reshaped(&[2, 105]).unwrap(), View::dense(HERE, &[2, 105]));
        assert_eq!(turned.order(), [0, 2, 3, 1]);
        assert!(image.is_dense() && !turned.is_dense());
    }

    #[test]
    fn slices_and_flips_move_the_offset() {
        let x = View::dense(HERE, &[4, 6]);
        let part = x.sliced(&[Span { start: 1, end: 4, step: 2 }, Span { start: 2, end: 5, step: 1 }]);
        assert_eq!(
            (part.offset, part.shape.as_slice(), part.strides.as_slice()),
            (8, &[2, 3][..], &[12, 1][..])
        );
        let back = x.flipped(&[1]);
        assert_eq!((back.offset, back.strides.as_slice()), (5, &[6, -1][..]));
    }

    #[test]
    fn loops_merge_where_all_views_agree() {
        let x = View::dense(HERE, &[8, 4, 6]);
        let bias = View::dense(HERE, &[1, 1, 6]).broadcast(&[8, 4, 6]);
        assert_eq!(loops(&[&x, &x], &[0, 1, 2]).len(), 1);
        let found = loops(&[&x, &bias], &[0, 1, 2]);
        assert_eq!(found.iter().map(|found| found.size).collect::<Vec<_>>(), [32, 6]);
        assert_eq!(found[0].strides, [6, 0]);
    }
}
