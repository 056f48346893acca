//! scratch
#![allow(clippy::print_stdout, reason = "x")]
use banach_kernels::{Convolution, Level, Method, Real, Taps, convolve};
unsafe extern "C" { fn clock_gettime(clock: i32, at: *mut [i64; 2]) -> i32; }
fn cpu() -> f64 {
    let mut at = [0; 2];
    unsafe { clock_gettime(3, &mut at) };
    at[0] as f64 + at[1] as f64 * 1e-9
}
fn numbers<T: Real>(count: usize) -> Vec<T> {
    (0..count).map(|i| T::from_f64(((i * 7919) % 1000) as f64 / 1000.0 - 0.5)).collect()
}
fn go<T: Real>(level: Level, size: usize, channels: usize, secs: f64) {
    let convolution = Convolution { input: [size; 2], channels: [channels; 2], kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
    let weights = numbers::<T>(convolution.weights());
    let strides = [channels * 9, 9, 3, 1];
    let x = numbers::<T>(size * size * channels);
    let mut y = x.clone();
    let operations = (2 * size * size * convolution.weights()) as f64;
    let mut line = format!("{level} {} {size} C{channels}:", std::any::type_name::<T>());
    let mut bests = vec![];
    for method in [Method::Direct, Method::Winograd] {
        let taps = Taps::pack(level, convolution, method, &weights, strides);
        let lines = 512usize.div_ceil(size).min(size).next_multiple_of(2);
        let mut run = || for (n, y) in y.chunks_mut(lines * size * channels).enumerate() {
            let rows = n * lines..n * lines + y.len() / size / channels;
            convolve(&taps, &x, rows, y);
        };
        let start = std::time::Instant::now();
        let mut best = f64::INFINITY;
        while start.elapsed().as_secs_f64() < secs {
            let t = cpu();
            run();
            best = best.min(cpu() - t);
        }
        line += &format!(" {method:?} {:.1} GF {:.1}us", operations / best * 1e-9, best * 1e6);
        bests.push(best);
    }
    println!("{line} ratio {:.2}", bests[0] / bests[1]);
}
fn main() {
    let threads: usize = std::env::args().nth(1).map_or(1, |a| a.parse().unwrap());
    let secs: f64 = std::env::args().nth(2).map_or(1.0, |a| a.parse().unwrap());
    let all = std::env::args().nth(3).is_some();
    std::thread::scope(|s| for _ in 0..threads { s.spawn(|| {
        for (size, channels) in [(40, 32), (64, 32), (128, 32), (40, 48), (64, 48), (128, 48), (40, 64), (64, 64), (128, 64)] {
            go::<f32>(Level::best(), size, channels, secs);
        }
        if all {
            for (size, channels) in [(8, 64), (1, 64), (4, 64), (64, 3), (64, 8), (64, 16), (64, 17), (32,128),(16, 256)] { go::<f32>(Level::best(), size, channels, secs); }
            for (size, channels) in [(40, 32), (64, 48), (64, 64)] { go::<f64>(Level::best(), size, channels, secs);  go::<f32>(Level::Avx2, size, channels, secs); go::<f32>(Level::Portable, size, channels, secs); }
        }
    }); });
}
