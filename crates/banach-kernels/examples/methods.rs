//! Time of Winograd's method over that of the direct one, by which `ConvolutionMethod::Auto` chooses.
//!
//! Columns are the channels on each side, rows the pixels along each: convolution and weight gradient.

#![allow(clippy::print_stdout, reason = "what it is for")]

use banach_kernels::{Convolution, ConvolutionMethod, Level, PackedWeights, Panels, Real};
use banach_kernels::{convolve, row_pairs, weight_gradient};
use std::time::Instant;

const CHANNELS: [usize; 8] = [8, 12, 16, 24, 32, 48, 64, 128];
const SIZES: [usize; 11] = [2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 33];

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    for level in Level::all().into_iter().rev().filter(|level| level.to_string().contains(&only)) {
        table::<f32>(level);
        table::<f64>(level);
    }
}

fn table<T: Real>(level: Level) {
    for (what, run) in [("convolution", convolved::<T> as Timed), ("weight gradient", summed::<T>)] {
        println!("{level} {} {what}", std::any::type_name::<T>());
        println!("{:>6}{}", "", CHANNELS.map(|channels| format!("{channels:>6}")).concat());
        for size in SIZES {
            let ratio = |channels: usize| {
                let convolution = plain(size, channels);
                let [direct, winograd] = [ConvolutionMethod::Direct, ConvolutionMethod::Winograd]
                    .map(|method| run(level, &convolution, method));
                format!("{:>6.2}", winograd / direct)
            };
            println!("{size:>6}{}", CHANNELS.map(ratio).concat());
        }
    }
}

type Timed = fn(Level, &Convolution, ConvolutionMethod) -> f64;

fn convolved<T: Real>(level: Level, convolution: &Convolution, method: ConvolutionMethod) -> f64 {
    let [size, channels] = [convolution.input[0], convolution.channels[0]];
    let (x, weights) = (numbers::<T>(size * size * channels), numbers::<T>(convolution.weights()));
    let taps = PackedWeights::pack(level, *convolution, method, &weights, [channels * 9, 9, 3, 1]);
    let mut y = x.clone();
    seconds(|| convolve(&taps, &x, 0..size, &mut y))
}

/// The sums of a batch of images.
fn summed<T: Real>(level: Level, convolution: &Convolution, method: ConvolutionMethod) -> f64 {
    const BATCH: usize = 8;
    let [size, channels] = [convolution.input[0], convolution.channels[0]];
    let x = numbers::<T>(BATCH * size * size * channels);
    let (y, pairs) = (x.clone(), row_pairs(convolution, BATCH));
    let (mut sums, mut scratch) = (vec![T::ZERO; convolution.weights()], Panels::empty(level));
    seconds(|| {
        weight_gradient(
            convolution,
            method,
            [0..pairs, 0..convolution.taps()],
            [&x, &y],
            &mut sums,
            &mut scratch,
        )
    })
}

/// The best time in many short tries: other programs may run beside this one.
fn seconds(mut run: impl FnMut()) -> f64 {
    let mut time = |repeat: usize| {
        let start = Instant::now();
        for _ in 0..repeat {
            run();
        }
        start.elapsed().as_secs_f64() / repeat as f64
    };
    let repeat = (2e-5 / time(1)).max(1.0) as usize;
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed().as_secs_f64() < 0.03 {
        best = best.min(time(repeat));
    }
    best
}

fn numbers<T: Real>(count: usize) -> Vec<T> {
    (0..count).map(|i| T::from_f64(((i * 7919) % 1000) as f64 / 1000.0 - 0.5)).collect()
}

fn plain(size: usize, channels: usize) -> Convolution {
    Convolution {
        input: [size; 2],
        channels: [channels; 2],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
        dilation: [1, 1],
        groups: 1,
    }
}
