//! Execution of products and convolutions in blocks of rows, each followed by its epilogue while it is in
//! cache.

use super::Run;
use crate::run::native::instruction::{BufferOffset, Convolve, MatrixView, Product, RightOperand};
use crate::run::native::packed::PackedOperand;
use crate::run::native::parallel::{MOVED, on_all_cores, pays};
use crate::run::native::view::Loop;
use crate::run::value::number::Number;
use banach_kernels::{
    Convolution, ConvolutionMethod, PackedWeights, Panels, StridedMatrix, axpy, convolve,
    convolve_transposed, product, product_unpacked, row_pairs, weight_gradient, write_weights,
};
use std::ops::Range;

/// Numbers of a block that a chain follows: half of the fastest cache.
const BLOCK: usize = 4096;
/// Pixels of a block of a convolution, in whole rows of Winograd tiles, of four lines.
const PIXELS: usize = 512;
/// Rows from which packing the whole right side is worth it.
const MANY: usize = 256;
/// Columns that one core takes.
const COLUMNS: usize = 64;
/// The most parts of the images in a weight gradient.
const MOST: usize = 16;
/// The most parts of the taps in a weight gradient whose images are not divided.
const PARTS_OF_TAPS: usize = 4;
/// Output channels whose weights one core writes.
const OUTPUTS: usize = 32;
/// Operations of a part of a parallel section.
const WORTH: usize = 1 << 21;

impl<T: Number> Run<'_, '_, '_, T> {
    pub(super) fn product(&self, work: &Product<T>, target: &mut [T], scratch: &mut Panels<T>) {
        let left = self.matrix(&work.left);
        match work.right {
            RightOperand::Packed(pack) => match self.made(pack) {
                PackedOperand::Matrix(panels) => self.packed_product(work, left, panels, target),
                PackedOperand::Weights(_) | PackedOperand::Elements(_) => {
                    panic!("bug: pack {pack} is not a matrix")
                }
            },
            RightOperand::Strided(right) if work.batch.is_empty() => {
                let right = self.matrix(&right);
                if left.rows < MANY && right.columns > COLUMNS {
                    self.by_columns(work, left, right, target, scratch);
                } else {
                    scratch.repack(right);
                    self.packed_product(work, left, scratch, target);
                }
            }
            RightOperand::Strided(right) => {
                let right = self.matrix(&right);
                let size = left.rows * work.columns;
                each(&work.batch, [0; 3], &mut |[out, a, b]| {
                    let left = StridedMatrix { data: &left.data[a..], ..left };
                    scratch.repack(StridedMatrix { data: &right.data[b..], ..right });
                    product(left, scratch, &mut target[out..out + size], work.columns, false);
                });
            }
        }
    }

    /// For few rows: every core packs some columns of the right side for itself.
    fn by_columns(
        &self,
        work: &Product<T>,
        left: StridedMatrix<'_, T>,
        right: StridedMatrix<'_, T>,
        target: &mut [T],
        scratch: &mut Panels<T>,
    ) {
        let columns = work.columns;
        let operations = 2 * left.rows * left.columns * columns;
        if self.machine.spread && pays::<T>(operations) {
            let part = |first: usize| {
                let count = COLUMNS.min(columns - first);
                let data = &right.data[(first * right.column_stride).min(right.data.len())..];
                let mut part = vec![T::ZERO; left.rows * count];
                let mut scratch = Panels::empty(self.machine.level);
                let right = StridedMatrix { data, columns: count, ..right };
                product_unpacked(left, right, &mut part, count, false, &mut scratch);
                (first, part)
            };
            for (first, part) in on_all_cores((0..columns).step_by(COLUMNS), part) {
                let count = COLUMNS.min(columns - first);
                let rows = target.chunks_mut(columns).zip(part.chunks(count));
                rows.for_each(|(target, part)| target[first..first + count].copy_from_slice(part));
            }
        } else {
            product_unpacked(left, right, target, columns, false, scratch);
        }
        if let Some(epilogue) = &work.epilogue {
            self.epilogue(epilogue, 0, columns, target);
        }
    }

    fn matrix(&self, at: &MatrixView) -> StridedMatrix<'_, T> {
        StridedMatrix {
            data: self.from(at.start),
            rows: at.rows,
            columns: at.columns,
            row_stride: at.strides[0],
            column_stride: at.strides[1],
        }
    }

    fn packed_product(
        &self,
        work: &Product<T>,
        left: StridedMatrix<'_, T>,
        right: &Panels<T>,
        target: &mut [T],
    ) {
        let columns = work.columns;
        if target.is_empty() {
            return;
        }
        let operations = 2 * left.rows * left.columns * columns;
        let spread = self.machine.spread && pays::<T>(operations);
        let chained = BLOCK.div_ceil(columns).next_multiple_of(14);
        let rows = match (&work.epilogue, spread) {
            (Some(_), false) => chained,
            (None, false) => left.rows,
            (_, true) => (WORTH / (2 * left.columns * columns).max(1)).clamp(1, chained.max(56)),
        };
        let block = |at: usize, target: &mut [T]| {
            let first = at * rows;
            let data = &left.data[(first * left.row_stride).min(left.data.len())..];
            let left = StridedMatrix { data, rows: target.len() / columns, ..left };
            product(left, right, target, columns, false);
            if let Some(epilogue) = &work.epilogue {
                self.epilogue(epilogue, first, columns, target);
            }
        };
        if spread {
            on_all_cores(target.chunks_mut(rows * columns).enumerate(), |(at, target)| block(at, target));
        } else {
            target.chunks_mut(rows * columns).enumerate().for_each(|(at, target)| block(at, target));
        }
    }

    pub(super) fn convolve(&self, work: &Convolve<T>, target: &mut [T]) {
        let PackedOperand::Weights(taps) = self.made(work.taps) else {
            panic!("bug: pack {} is not a weight", work.taps)
        };
        let convolution = &work.convolution;
        let (mut from, mut to) = (convolution.input, convolution.output());
        let mut channels = convolution.channels;
        if work.transposed {
            std::mem::swap(&mut from, &mut to);
            channels.reverse();
        }
        let (size_in, line) = (from[0] * from[1] * channels[0], to[1] * channels[1]);
        let image = to[0] * line;
        if work.images == 0 || image == 0 {
            return;
        }
        let lines = PIXELS.div_ceil(to[1]).next_multiple_of(4).min(to[0]);
        let source = &self.from(work.source)[..work.images * size_in];
        let block = |at: usize, number: usize, target: &mut [T]| {
            let rows = number * lines..number * lines + target.len() / line;
            let first = (at * to[0] + rows.start) * to[1];
            image_rows(taps, &source[at * size_in..][..size_in], rows, target);
            if let Some(epilogue) = &work.epilogue {
                self.epilogue(epilogue, first, channels[1], target);
            }
        };
        let operations =
            2 * work.images * convolution.output().iter().product::<usize>() * convolution.weights();
        if self.machine.spread && pays::<T>(operations) {
            let blocks = target.chunks_mut(image).enumerate().flat_map(|(at, target)| {
                target.chunks_mut(lines * line).enumerate().map(move |(number, target)| (at, number, target))
            });
            on_all_cores(blocks, |(at, number, target)| block(at, number, target));
            return;
        }
        for (at, target) in target.chunks_mut(image).enumerate() {
            target
                .chunks_mut(lines * line)
                .enumerate()
                .for_each(|(number, target)| block(at, number, target));
        }
    }

    /// `[out, in of a group, height, width]`, summed over parts of the images, which depend on sizes alone.
    pub(super) fn weight_gradient(
        &self,
        convolution: &Convolution,
        images: usize,
        [x, y]: [BufferOffset; 2],
        target: &mut [T],
        scratch: &mut Panels<T>,
    ) {
        let (input, output) = (convolution.input, convolution.output());
        let x = &self.from(x)[..images * input[0] * input[1] * convolution.channels[0]];
        let y = &self.from(y)[..images * output[0] * output[1] * convolution.channels[1]];
        let kernel = convolution.kernel;
        let strides =
            [convolution.group_channels()[0] * kernel[0] * kernel[1], kernel[0] * kernel[1], kernel[1], 1];
        let (level, method) = (self.machine.level, self.machine.method);
        let all = convolution.taps();
        let sum = |pairs: Range<usize>, scratch: &mut Panels<T>| {
            let mut sums = vec![T::ZERO; convolution.weights()];
            weight_gradient(convolution, method, [pairs, 0..all], [x, y], &mut sums, scratch);
            sums
        };
        let operations = 2 * images * output[0] * output[1] * convolution.weights();
        let parts = divided(convolution, images);
        let spread = self.machine.spread && pays::<T>(operations + convolution.weights() * MOVED);
        let by_taps = method.of_weights(convolution, images) == ConvolutionMethod::Direct;
        let parts: Vec<Vec<T>> = if spread && parts.len() > 1 {
            on_all_cores(parts, |pairs| sum(pairs, &mut Panels::empty(level)))
        } else if spread && by_taps && all > 1 {
            vec![self.by_taps(convolution, row_pairs(convolution, images), [x, y])]
        } else {
            parts.into_iter().map(|pairs| sum(pairs, scratch)).collect()
        };
        let whole = parts.into_iter().reduce(|mut whole, part| {
            axpy(level, &mut whole, 1.0, &part);
            whole
        });
        let Some(sums) = whole else { return };
        let write = |(chunk, target): (usize, &mut [T])| {
            let first = chunk * OUTPUTS;
            let outputs = first..first + target.len().div_ceil(strides[0]);
            write_weights(convolution, outputs, &sums, false, target, strides);
        };
        if self.machine.spread && pays::<T>(sums.len() * MOVED) {
            on_all_cores(target.chunks_mut(OUTPUTS * strides[0]).enumerate(), write);
        } else {
            target.chunks_mut(OUTPUTS * strides[0]).enumerate().for_each(write);
        }
    }
}

impl<T: Number> Run<'_, '_, '_, T> {
    /// The sums of a weight gradient, those of some taps by each core.
    fn by_taps(&self, convolution: &Convolution, pairs: usize, images: [&[T]; 2]) -> Vec<T> {
        let (level, method, all) = (self.machine.level, self.machine.method, convolution.taps());
        let mut sums = vec![T::ZERO; convolution.weights()];
        let some = all.div_ceil(PARTS_OF_TAPS);
        let part = |(part, sums): (usize, &mut [T])| {
            let taps = part * some..all.min((part + 1) * some);
            weight_gradient(convolution, method, [0..pairs, taps], images, sums, &mut Panels::empty(level));
        };
        let each = convolution.weights() / all;
        on_all_cores(sums.chunks_mut((some * each).max(1)).enumerate(), part);
        sums
    }
}

/// Ranges of row pairs for several cores: as many as have work worth a core each, and as have together no more
/// sums than the images have pixels.
fn divided(convolution: &Convolution, images: usize) -> Vec<Range<usize>> {
    let [height, width] = convolution.output();
    let pixels = images * height * width;
    let pairs = row_pairs(convolution, images);
    let worth = 2 * convolution.weights() * pixels / WORTH;
    let memory = pixels * convolution.channels[1] / convolution.weights().max(1);
    let parts = worth.min(memory).clamp(1, pairs.clamp(1, MOST));
    (0..parts).map(|part| part * pairs / parts..(part + 1) * pairs / parts).collect()
}

fn image_rows<T: Number>(taps: &PackedWeights<T>, source: &[T], rows: Range<usize>, target: &mut [T]) {
    if taps.transposed() {
        convolve_transposed(taps, source, rows, target);
    } else {
        convolve(taps, source, rows, target);
    }
}

/// The offsets of every product of a batch.
fn each(batch: &[Loop], mut offsets: [usize; 3], visit: &mut impl FnMut([usize; 3])) {
    let Some((outer, inner)) = batch.split_first() else { return visit(offsets) };
    for _ in 0..outer.size {
        each(inner, offsets, visit);
        offsets = [0, 1, 2].map(|view| offsets[view].wrapping_add_signed(outer.strides[view]));
    }
}
