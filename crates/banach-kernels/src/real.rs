//! Real numbers of the kernels, and the kernels compiled for each of them.

use crate::adam::{self, AdamStep};
use crate::arithmetic::Arithmetic;
use crate::chain::{Chain, Input, Output};
use crate::convolution::{self, Convolution, ConvolutionMethod, PackedWeights};
use crate::level::Level;
use crate::panels::{Panels, StridedMatrix};
use crate::{product as products, rows, vector};
use std::ops::Range;

/// `f32` or `f64`.
pub trait Real: Arithmetic {
    /// The kernels for these numbers.
    #[doc(hidden)]
    fn kernels() -> &'static Kernels<Self>;
}

/// Every kernel, compiled in this crate.
///
/// A generic function is compiled anew in each crate that calls it with a type, by the settings of that crate. Behind this
/// table it is compiled once, in one unit with all that it inlines.
#[doc(hidden)]
#[derive(Debug)]
#[allow(clippy::type_complexity, reason = "the types of the kernels, each written once")]
pub struct Kernels<T: 'static> {
    dot: fn(Level, &[T], &[T]) -> f64,
    dots: fn(Level, &[[&[T]; 2]], usize, &mut [Vec<f64>]),
    change: Change<T>,
    square_sums: fn(Level, &[T], usize, &mut [[f64; 1]]),
    distances_and_sizes: fn(Level, [&[T]; 2], usize, &mut [[f64; 2]]),
    combined: fn(Level, &mut [T], &[T], &[(&[f64], &[T])], usize),
    careful_norm: fn(Level, &[T]) -> f64,
    axpy: fn(Level, &mut [T], f64, &[T]),
    add: fn(Level, &mut [T], &[T], &[T]),
    subtract: fn(Level, &mut [T], &[T], &[T]),
    scale: fn(Level, &mut [T], f64),
    adam_step: fn(Level, &mut [T], &[T], [&mut [T]; 2], &AdamStep),
    chain: Elementwise<T>,
    repack: fn(&mut Panels<T>, StridedMatrix<'_, T>),
    product: fn(StridedMatrix<'_, T>, &Panels<T>, &mut [T], usize, bool),
    product_unpacked: fn(StridedMatrix<'_, T>, StridedMatrix<'_, T>, &mut [T], usize, bool, &mut Panels<T>),
    repack_weights: fn(&mut PackedWeights<T>, &[T], [usize; 4]),
    convolve: fn(&PackedWeights<T>, &[T], Range<usize>, &mut [T]),
    convolve_transposed: fn(&PackedWeights<T>, &[T], Range<usize>, &mut [T]),
    weight_gradient:
        fn(&Convolution, ConvolutionMethod, [Range<usize>; 2], [&[T]; 2], &mut [T], &mut Panels<T>),
    write_weights: fn(&Convolution, Range<usize>, &[T], bool, &mut [T], [usize; 4]),
}

type Change<T> = fn(Level, [[&[T]; 2]; 2], &[&[T]], usize, ([&mut [T]; 2], &mut [Vec<f64>]));

type Elementwise<T> = for<'a> fn(
    &Chain<T>,
    Level,
    [usize; 2],
    Option<&'a Output<'a, T>>,
    &'a [Input<'a, T>],
    &'a [Output<'a, T>],
);

impl<T: Arithmetic> Kernels<T> {
    const fn new() -> Self {
        Self {
            dot: vector::dot,
            dots: rows::dots,
            change: rows::change,
            square_sums: rows::square_sums,
            distances_and_sizes: rows::distances_and_sizes,
            combined: rows::combined,
            careful_norm: vector::careful_norm,
            axpy: vector::axpy,
            add: vector::add,
            subtract: vector::subtract,
            scale: vector::scale,
            adam_step: adam::adam_step,
            chain: Chain::compute,
            repack: Panels::refill,
            product: products::product,
            product_unpacked: products::product_unpacked,
            repack_weights: PackedWeights::refill,
            convolve: convolution::convolve,
            convolve_transposed: convolution::convolve_transposed,
            weight_gradient: convolution::weight_gradient,
            write_weights: convolution::write_weights,
        }
    }
}

static SINGLE: Kernels<f32> = Kernels::new();
static DOUBLE: Kernels<f64> = Kernels::new();

impl Real for f32 {
    #[inline]
    fn kernels() -> &'static Kernels<f32> {
        &SINGLE
    }
}

impl Real for f64 {
    #[inline]
    fn kernels() -> &'static Kernels<f64> {
        &DOUBLE
    }
}

/// Returns the inner product.
///
/// # Panics
///
/// If the lengths differ, as for all functions of several vectors.
pub fn dot<T: Real>(level: Level, a: &[T], b: &[T]) -> f64 {
    (T::kernels().dot)(level, a, b)
}

/// Returns the sum of squares.
pub fn square_sum<T: Real>(level: Level, x: &[T]) -> f64 {
    dot(level, x, x)
}

/// Adds the inner products of every row of the two matrices of each pair to an entry of `out`.
pub fn dots<T: Real>(level: Level, pairs: &[[&[T]; 2]], width: usize, out: &mut [Vec<f64>]) {
    (T::kernels().dots)(level, pairs, width, out);
}

/// Writes the changes of `F = gx - x` and of gx between two points `[x, gx]`, the newer first, and adds inner products of rows:
/// of the change of F with itself and with each of `older`, then of F with the same.
pub fn change<T: Real>(
    level: Level,
    points: [[&[T]; 2]; 2],
    older: &[&[T]],
    width: usize,
    (out, products): ([&mut [T]; 2], &mut [Vec<f64>]),
) {
    (T::kernels().change)(level, points, older, width, (out, products));
}

/// Writes the sum of squares of every row.
pub fn square_sums<T: Real>(level: Level, x: &[T], width: usize, out: &mut [[f64; 1]]) {
    (T::kernels().square_sums)(level, x, width, out);
}

/// Writes `x` plus all terms in one pass, each a matrix whose rows are scaled by their factors, added in order. A factor of
/// zero adds nothing, even to a term that is infinite or NaN.
pub fn combined<T: Real>(level: Level, out: &mut [T], x: &[T], terms: &[(&[f64], &[T])], width: usize) {
    (T::kernels().combined)(level, out, x, terms, width);
}

/// Writes the sums of `(gx - x)^2` and of `gx^2` of every row of two matrices, in one pass.
pub fn distances_and_sizes<T: Real>(level: Level, [x, gx]: [&[T]; 2], width: usize, out: &mut [[f64; 2]]) {
    (T::kernels().distances_and_sizes)(level, [x, gx], width, out);
}

/// Returns the Euclidean norm, in two passes with scaling, so that no square overflows or underflows.
pub fn careful_norm<T: Real>(level: Level, x: &[T]) -> f64 {
    (T::kernels().careful_norm)(level, x)
}

/// Adds `factor x` to y.
pub fn axpy<T: Real>(level: Level, y: &mut [T], factor: f64, x: &[T]) {
    (T::kernels().axpy)(level, y, factor, x);
}

/// Writes `a + b` to out.
pub fn add<T: Real>(level: Level, out: &mut [T], a: &[T], b: &[T]) {
    (T::kernels().add)(level, out, a, b);
}

/// Writes `a - b` to out.
pub fn subtract<T: Real>(level: Level, out: &mut [T], a: &[T], b: &[T]) {
    (T::kernels().subtract)(level, out, a, b);
}

/// Multiplies x by a factor.
pub fn scale<T: Real>(level: Level, x: &mut [T], factor: f64) {
    (T::kernels().scale)(level, x, factor);
}

/// `m ← β₁ m + (1 - β₁) g`, `v ← β₂ v + (1 - β₂) g²`, and `x ← held x - rate m / (correction √v + ε)`.
///
/// Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1.
///
/// # Panics
/// If the lengths differ.
pub fn adam_step<T: Real>(
    level: Level,
    x: &mut [T],
    gradient: &[T],
    moments: [&mut [T]; 2],
    step: &AdamStep,
) {
    (T::kernels().adam_step)(level, x, gradient, moments, step);
}

/// Computes `c = a b`, or `c += a b` with `add`: `a` is `[m, k]`, `b` is `[k, n]`, and row `i` of `c`,
/// `[m, n]`, starts at `i stride`. The result of a row does not depend on the number of rows.
///
/// # Panics
/// If shapes do not match, a slice is too short, or rows of `c` overlap.
pub fn product<T: Real>(a: StridedMatrix<'_, T>, b: &Panels<T>, c: &mut [T], stride: usize, add: bool) {
    (T::kernels().product)(a, b, c, stride, add);
}

/// Computes [`product`] with an unpacked `b`, `[k, n]`, packed block by block into `scratch` and for its
/// level.
///
/// # Panics
/// As [`product`], or if `b` exceeds its slice.
pub fn product_unpacked<T: Real>(
    a: StridedMatrix<'_, T>,
    b: StridedMatrix<'_, T>,
    c: &mut [T],
    stride: usize,
    add: bool,
    scratch: &mut Panels<T>,
) {
    (T::kernels().product_unpacked)(a, b, c, stride, add, scratch);
}

/// Computes rows of a convolved image: `source` is `[input, channels in]`, `target` the rows `rows` of
/// `[output, channels out]`. Results do not depend on which rows are computed together. Allocates pointers to
/// the pixels of as many rows as the kernel has; Winograd's method reuses its buffers in later calls of the
/// thread.
///
/// # Panics
/// If the weights are packed for the other direction or a slice has the wrong length.
pub fn convolve<T: Real>(taps: &PackedWeights<T>, source: &[T], rows: Range<usize>, target: &mut [T]) {
    (T::kernels().convolve)(taps, source, rows, target);
}

/// Computes rows of the gradient with respect to the input: `source` is `[output, channels out]`, `target`
/// the rows `rows` of `[input, channels in]`.
///
/// # Panics
/// If the weights are packed for the other direction or a slice has the wrong length.
pub fn convolve_transposed<T: Real>(
    taps: &PackedWeights<T>,
    source: &[T],
    rows: Range<usize>,
    target: &mut [T],
) {
    (T::kernels().convolve_transposed)(taps, source, rows, target);
}

/// Adds the gradient with respect to the weights of a range of taps, summed over a range of the
/// [row pairs](crate::row_pairs) of `y`, to `sums`, `[taps, input channels of a group, output channels]`; the ranges are
/// given as `[row pairs, taps]`, and Winograd's method needs all taps. `x` is `[images, input, channels in]`, `y` the
/// gradient `[images, output, channels out]`. Pixels of `y` are packed into `scratch`, whose level is used;
/// Winograd's method reuses its buffers in later calls of the thread.
///
/// # Panics
/// If a slice has the wrong length or a range exceeds the row pairs or the taps.
pub fn weight_gradient<T: Real>(
    convolution: &Convolution,
    method: ConvolutionMethod,
    parts: [Range<usize>; 2],
    images: [&[T]; 2],
    sums: &mut [T],
    scratch: &mut Panels<T>,
) {
    (T::kernels().weight_gradient)(convolution, method, parts, images, sums, scratch);
}

/// Writes sums, or adds them, to the weights of a range of output channels, whose first one has its weights at the start of
/// the slice; for `strides` see [`PackedWeights::pack`](PackedWeights::pack).
///
/// # Panics
/// If the number of sums is wrong, an output channel is none of the convolution or a weight is outside the slice.
pub fn write_weights<T: Real>(
    convolution: &Convolution,
    outputs: Range<usize>,
    sums: &[T],
    add: bool,
    weights: &mut [T],
    strides: [usize; 4],
) {
    (T::kernels().write_weights)(convolution, outputs, sums, add, weights, strides);
}

impl<T: Real> Panels<T> {
    /// Packs a matrix `[depth, columns]` for a level.
    ///
    /// # Panics
    /// If the matrix exceeds its slice.
    pub fn pack(level: Level, matrix: StridedMatrix<'_, T>) -> Self {
        let mut panels = Self::empty(level);
        panels.repack(matrix);
        panels
    }

    /// Packs another matrix for the same level, allocating only beyond the capacity.
    ///
    /// # Panics
    /// If the matrix exceeds its slice.
    pub fn repack(&mut self, matrix: StridedMatrix<'_, T>) {
        (T::kernels().repack)(self, matrix);
    }
}

impl<T: Real> PackedWeights<T> {
    /// Packs weights for [`convolve`](convolve()). The weight of output channel `o`, input channel `i`
    /// of the group, row `y` and column `x` of the kernel is at
    /// `o strides[0] + i strides[1] + y strides[2] + x strides[3]`.
    ///
    /// # Panics
    /// If the convolution is invalid or a weight is outside the slice.
    pub fn pack(
        level: Level,
        convolution: Convolution,
        method: ConvolutionMethod,
        weights: &[T],
        strides: [usize; 4],
    ) -> Self {
        let mut packed = Self::empty(level, convolution, method, false);
        packed.repack(weights, strides);
        packed
    }

    /// Packs weights for [`convolve_transposed`](convolve_transposed()).
    ///
    /// # Panics
    /// As [`pack`](Self::pack).
    pub fn pack_transposed(
        level: Level,
        convolution: Convolution,
        method: ConvolutionMethod,
        weights: &[T],
        strides: [usize; 4],
    ) -> Self {
        let mut packed = Self::empty(level, convolution, method, true);
        packed.repack(weights, strides);
        packed
    }

    /// Packs other weights for this convolution, level, direction and method, without allocation.
    ///
    /// # Panics
    /// If a weight is outside the slice.
    pub fn repack(&mut self, weights: &[T], strides: [usize; 4]) {
        (T::kernels().repack_weights)(self, weights, strides);
    }
}

impl<T: Real> Chain<T> {
    /// Computes all outputs at `rows` times `columns` positions.
    ///
    /// # Panics
    ///
    /// If the number of inputs or outputs is not that of the chain, or one of them is too short.
    pub fn run(
        &self,
        level: Level,
        rows: usize,
        columns: usize,
        inputs: &[Input<'_, T>],
        outputs: &mut [Output<'_, T>],
    ) {
        (T::kernels().chain)(self, level, [rows, columns], None, inputs, outputs);
    }

    /// Computes all outputs at `rows` times `columns` positions in place: `target` is both input 0 and output
    /// 0.
    ///
    /// # Panics
    ///
    /// If the number of other inputs or outputs is not one less than that of the chain, or one of them is too
    /// short.
    #[allow(clippy::too_many_arguments, reason = "a size and the matrices")]
    pub fn run_in_place(
        &self,
        level: Level,
        rows: usize,
        columns: usize,
        target: &mut Output<'_, T>,
        inputs: &[Input<'_, T>],
        outputs: &mut [Output<'_, T>],
    ) {
        (T::kernels().chain)(self, level, [rows, columns], Some(target), inputs, outputs);
    }
}
