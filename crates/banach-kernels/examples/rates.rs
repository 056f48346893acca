//! Speed of the kernels, in billions of operations a second on one core, the best of several tries.
//!
//! The operations of a convolution are those of its definition, for every method.

#![allow(clippy::print_stdout, reason = "what it is for")]

use banach_kernels::{Convolution, ConvolutionMethod, Level, PackedWeights, Panels, Real, StridedMatrix};
use banach_kernels::{
    convolve, convolve_transposed, product, product_unpacked, row_pairs, weight_gradient, write_weights,
};
use std::time::Instant;

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    for level in Level::all().into_iter().rev().filter(|level| level.to_string().contains(&only)) {
        convolutions::<f32>(level);
        packing::<f32>(level);
        products::<f32>(level);
        convolutions::<f64>(level);
        products::<f64>(level);
    }
}

/// The best rate in many short tries: other programs may run beside this one.
fn rate(name: &str, level: Level, operations: usize, mut run: impl FnMut()) {
    let repeat = (2_000_000 / operations.max(1)).max(1);
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed().as_secs_f64() < 0.4 {
        let start = Instant::now();
        for _ in 0..repeat {
            run();
        }
        best = best.min(start.elapsed().as_secs_f64() / repeat as f64);
    }
    println!(
        "{level:>8} {name:<52} {:>7.1} GFLOP/s {:>10.1} us",
        operations as f64 / best * 1e-9,
        best * 1e6
    );
}

fn numbers<T: Real>(count: usize) -> Vec<T> {
    (0..count).map(|i| T::from_f64(((i * 7919) % 1000) as f64 / 1000.0 - 0.5)).collect()
}

fn products<T: Real>(level: Level) {
    let real = std::any::type_name::<T>();
    for (m, k, n) in [
        (16, 64, 64),
        (64, 256, 256),
        (256, 512, 512),
        (512, 512, 512),
        (512, 1024, 512),
        (40, 100, 10),
        (1, 512, 512),
    ] {
        let (a, b, mut c) = (numbers::<T>(m * k), numbers::<T>(k * n), numbers::<T>(m * n));
        let b = StridedMatrix::new(&b, k, n);
        let packed = Panels::pack(level, b);
        let operations = 2 * m * k * n;
        let left = StridedMatrix::new(&a, m, k);
        rate(&format!("{real} product {m}x{k}x{n}"), level, operations, || {
            product(left, &packed, &mut c, n, false)
        });
        let left = StridedMatrix::new(&a, k, m).transposed();
        let name = format!("{real} product {m}x{k}x{n}, left transposed");
        rate(&name, level, operations, || product(left, &packed, &mut c, n, false));
        let left = StridedMatrix::new(&a, m, k);
        let mut scratch = Panels::empty(level);
        let name = format!("{real} product {m}x{k}x{n}, unpacked");
        rate(&name, level, operations, || product_unpacked(left, b, &mut c, n, false, &mut scratch));
    }
}

fn convolutions<T: Real>(level: Level) {
    let real = std::any::type_name::<T>();
    for (size, channels, groups) in [(40, 32, 1), (64, 48, 1), (128, 64, 1), (8, 64, 1), (64, 64, 64)] {
        let convolution = plain(size, channels, groups);
        let weights = numbers::<T>(convolution.weights());
        let strides = [convolution.weights() / channels, 9, 3, 1];
        let x = numbers::<T>(size * size * channels);
        let mut y = x.clone();
        let operations = 2 * size * size * convolution.weights();
        let what = format!("{size}x{size} of {channels}, {groups} groups");
        for method in [ConvolutionMethod::Direct, ConvolutionMethod::Winograd] {
            if method == ConvolutionMethod::Winograd && !convolution.is_for_winograd() {
                continue;
            }
            let taps = PackedWeights::pack(level, convolution, method, &weights, strides);
            let name = format!("{real} {method:?} convolution {what}");
            rate(&name, level, operations, || convolve(&taps, &x, 0..size, &mut y));
            let taps = PackedWeights::pack_transposed(level, convolution, method, &weights, strides);
            let name = format!("{real} {method:?} transposed {what}");
            rate(&name, level, operations, || convolve_transposed(&taps, &x, 0..size, &mut y));
            let (mut sums, mut scratch) = (vec![T::ZERO; convolution.weights()], Panels::empty(level));
            let name = format!("{real} {method:?} weight gradient {what}");
            rate(&name, level, operations, || {
                let pairs = 0..row_pairs(&convolution, 1);
                weight_gradient(
                    &convolution,
                    method,
                    [pairs, 0..convolution.taps()],
                    [&x, &y],
                    &mut sums,
                    &mut scratch,
                );
            });
        }
    }
}

/// Here a number moved counts as an operation.
fn packing<T: Real>(level: Level) {
    let real = std::any::type_name::<T>();
    for size in [64, 500, 512] {
        let b = numbers::<T>(size * size);
        let b = StridedMatrix::new(&b, size, size);
        let mut panels = Panels::empty(level);
        rate(&format!("{real} pack {size}x{size}"), level, size * size, || panels.repack(b));
        let name = format!("{real} pack {size}x{size} transposed");
        rate(&name, level, size * size, || panels.repack(b.transposed()));
    }
    let convolution = plain(64, 48, 1);
    let count = convolution.weights();
    let mut weights = numbers::<T>(count);
    let strides = [48 * 9, 9, 3, 1];
    for method in [ConvolutionMethod::Direct, ConvolutionMethod::Winograd] {
        let mut taps = PackedWeights::pack(level, convolution, method, &weights, strides);
        let name = format!("{real} {method:?} taps of 48 channels");
        rate(&name, level, count, || taps.repack(&weights, strides));
        let mut taps = PackedWeights::pack_transposed(level, convolution, method, &weights, strides);
        rate(&format!("{name} transposed"), level, count, || taps.repack(&weights, strides));
    }
    let sums = numbers::<T>(count);
    rate(&format!("{real} weights of 48 channels written"), level, count, || {
        write_weights(&convolution, 0..convolution.channels[1], &sums, true, &mut weights, strides);
    });
}

fn plain(size: usize, channels: usize, groups: usize) -> Convolution {
    Convolution {
        input: [size; 2],
        channels: [channels; 2],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
        dilation: [1, 1],
        groups,
    }
}
