//! Direct convolution of an image, in tiles of pixels summed in registers over all taps.
//!
//! No pixel is copied: tables hold pointers to the source pixels under every tap, and to zeros outside the
//! image.

use super::axis::Axis;
use super::method::ConvolutionMethod;
use super::packed_weights::PackedWeights;
use super::{channelwise, winograd};
use crate::arithmetic::Arithmetic;
use crate::tile::{self, Term, Tile};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Rows of a convolved image.
pub(crate) fn convolve<T: Arithmetic>(
    taps: &PackedWeights<T>,
    source: &[T],
    rows: Range<usize>,
    target: &mut [T],
) {
    assert!(!taps.transposed, "weights packed for the transposed convolution");
    run(taps, source, rows, target);
}

/// Rows of the gradient with respect to the input.
pub(crate) fn convolve_transposed<T: Arithmetic>(
    taps: &PackedWeights<T>,
    source: &[T],
    rows: Range<usize>,
    target: &mut [T],
) {
    assert!(taps.transposed, "weights not packed for the transposed convolution");
    run(taps, source, rows, target);
}

fn run<T: Arithmetic>(taps: &PackedWeights<T>, source: &[T], rows: Range<usize>, target: &mut [T]) {
    let [vertical, horizontal] = [0, 1].map(|axis| taps.convolution.axis(axis, taps.transposed));
    let mut channels = taps.convolution.channels;
    if taps.transposed {
        channels.reverse();
    }
    assert!(
        rows.start <= rows.end && rows.end <= vertical.target,
        "the rows must be rows of the target image"
    );
    assert_eq!(
        source.len(),
        vertical.source * horizontal.source * channels[0],
        "the length of the source image"
    );
    assert_eq!(target.len(), rows.len() * horizontal.target * channels[1], "the length of the target rows");
    if target.is_empty() {
        return;
    }
    let axes = [vertical, horizontal];
    if taps.method == ConvolutionMethod::Winograd {
        winograd::convolve(taps, axes, channels, source, rows, target);
    } else {
        taps.level().run(Image { taps, axes, channels, source, rows, target });
    }
}

/// A convolution of rows with checked sizes.
struct Image<'a, T> {
    taps: &'a PackedWeights<T>,
    axes: [Axis; 2],
    channels: [usize; 2],
    source: &'a [T],
    rows: Range<usize>,
    target: &'a mut [T],
}

impl<T: Arithmetic> WithSimd for Image<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let [vertical, horizontal] = self.axes;
        let width = horizontal.target * self.channels[1];
        let columns: Vec<_> = (0..horizontal.entries()).map(|entry| horizontal.entry(entry)).collect();
        let mut table = vec![self.taps.zeros.as_ptr(); vertical.kernel * columns.len()];
        let mut terms = Vec::with_capacity(self.taps.convolution.taps());
        let mut met = Vec::with_capacity(vertical.kernel);
        for (i, row) in self.rows.clone().enumerate() {
            met.clear();
            for tap in 0..vertical.kernel {
                if let Some(source) = vertical.meets(row, tap) {
                    self.point(&columns, source, &mut table[tap * columns.len()..][..columns.len()]);
                    met.push(tap);
                }
            }
            for class in 0..horizontal.classes() {
                terms.clear();
                for y in &met {
                    let reached = (0..horizontal.kernel).filter(|x| horizontal.reaches(class, *x));
                    terms.extend(reached.map(|x| Term {
                        rows: y * columns.len() + horizontal.shift(x) + class,
                        panel: y * horizontal.kernel + x,
                    }));
                }
                let start = i * width + class * self.channels[1];
                let members = horizontal.members(class);
                if self.taps.finite {
                    self.pixels(simd, &table, &mut terms, members, start);
                } else {
                    self.separate(simd, &table, &terms, members, start);
                }
            }
        }
    }
}

impl<T: Arithmetic> Image<'_, T> {
    /// Fills the table of one kernel row with pointers to a row of the source.
    #[inline(always)]
    fn point(&self, columns: &[Option<usize>], row: usize, table: &mut [*const T]) {
        let width = self.axes[1].source * self.channels[0];
        let source = &self.source[row * width..][..width];
        for (column, pointer) in columns.iter().zip(table) {
            *pointer = match column {
                Some(column) => source[column * self.channels[0]..].as_ptr(),
                None => self.taps.zeros.as_ptr(),
            };
        }
    }

    /// [`pixels`](Self::pixels) one by one, under the taps that meet a pixel of the source alone: the product
    /// of a zero and a weight that is not finite is NaN.
    fn separate<S: Simd>(&mut self, simd: S, table: &[*const T], terms: &[Term], count: usize, start: usize) {
        let stride = self.axes[1].stride;
        let apart = if self.axes[1].transposed { stride } else { 1 } * self.channels[1];
        let outside = self.taps.zeros.as_ptr();
        for pixel in 0..count {
            let table = &table[pixel * stride..];
            let mut met: Vec<Term> =
                terms.iter().filter(|term| table[term.rows] != outside).copied().collect();
            self.pixels(simd, table, &mut met, 1, start + pixel * apart);
        }
    }

    /// Computes the pixels of one class in one row, of which the first is at `start`.
    #[inline(always)]
    fn pixels<S: Simd>(
        &mut self,
        simd: S,
        table: &[*const T],
        terms: &mut [Term],
        count: usize,
        start: usize,
    ) {
        let stride = self.axes[1].stride;
        let apart = if self.axes[1].transposed { stride } else { 1 } * self.channels[1];
        if self.taps.convolution.channelwise() {
            let pixels = channelwise::Pixels { table, step: stride, terms, apart, count };
            let panels = &self.taps.groups[0];
            // SAFETY: every entry of the table points to a pixel of the source or to as many zeros, and
            // `Axis` yields terms whose rows and the `count` entries that follow at `stride` lie in the
            // table.
            unsafe { pixels.compute(simd, panels, &mut self.target[start..]) };
            return;
        }
        let groups = self.taps.groups.len();
        let [depth, kept] = self.channels.map(|channels| channels / groups);
        for term in &mut *terms {
            term.panel *= depth;
        }
        for (group, panels) in self.taps.groups.iter().enumerate() {
            for panel in 0..panels.count() {
                let vectors = panels.vectors(panel);
                let (column, columns) = panels.span(panel);
                for (first, height) in tile::balanced(count, tile::tallest::<S>(vectors)) {
                    let c = &mut self.target[start + first * apart + group * kept + column..];
                    debug_assert!((height - 1) * apart + columns <= c.len());
                    let tile = Tile {
                        rows: table[first * stride..].as_ptr(),
                        step: stride,
                        skip: group * depth,
                        stride: 1,
                        depth,
                        terms,
                        panel: panels.panel(panel).as_ptr(),
                        pitch: vectors * T::lanes::<S>(),
                        c: c.as_mut_ptr(),
                        c_stride: apart,
                        columns,
                        add: false,
                    };
                    // SAFETY: `balanced` keeps the height within bounds, panels have one or two vectors, are
                    // packed for the lanes of `S` and hold `depth` rows for every tap. `Axis` yields terms
                    // whose rows and the `count` entries that follow at `stride` lie in the table; every
                    // entry points to a pixel of the source or to as many zeros. The pixels lie in the
                    // target, which is borrowed for this call.
                    unsafe { tile::compute(simd, vectors, height, &tile) };
                }
            }
        }
    }
}
