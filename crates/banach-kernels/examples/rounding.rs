//! Rounding errors of Winograd's and the direct method in single precision.

#![allow(clippy::print_stdout, reason = "what it is for")]

use banach_kernels::{Convolution, ConvolutionMethod, Level, PackedWeights, Panels, Real};
use banach_kernels::{convolve, row_pairs, weight_gradient};

fn main() {
    println!("error / largest exact result: root mean square, largest");
    for (size, channels) in [(40, 16), (40, 32), (64, 48), (64, 64), (32, 256)] {
        let convolution = Convolution {
            input: [size; 2],
            channels: [channels; 2],
            kernel: [3, 3],
            stride: [1, 1],
            padding: [1, 1],
            dilation: [1, 1],
            groups: 1,
        };
        let (mut x, mut weights) = (numbers(size * size * channels, 1), numbers(convolution.weights(), 2));
        report("of both signs", &convolution, &x, &weights);
        x.iter_mut().for_each(|x| *x = x.max(0.0));
        report("rectified", &convolution, &x, &weights);
        weights.iter_mut().for_each(|weight| *weight = weight.abs());
        report("rectified, weights positive", &convolution, &x, &weights);
    }
}

fn report(what: &str, convolution: &Convolution, x: &[f64], weights: &[f64]) {
    compare(what, convolution, [x, weights], convolved::<f64>, convolved::<f32>);
    if what.starts_with("of both") {
        compare("weight gradient", convolution, [x, x], summed::<f64>, summed::<f32>);
    }
}

type Computed = fn(&Convolution, ConvolutionMethod, [&[f64]; 2]) -> Vec<f64>;

fn compare(what: &str, convolution: &Convolution, given: [&[f64]; 2], double: Computed, single: Computed) {
    let ([size, _], channels) = (convolution.input, convolution.channels[0]);
    let exact = double(convolution, ConvolutionMethod::Direct, given);
    let largest = exact.iter().fold(0.0_f64, |most, number| most.max(number.abs()));
    for method in [ConvolutionMethod::Direct, ConvolutionMethod::Winograd] {
        let found = single(convolution, method, given);
        let errors = found.iter().zip(&exact).map(|(found, exact)| (found - exact).abs() / largest);
        let (squares, most) =
            errors.fold((0.0, 0.0_f64), |(sum, most), error| (sum + error * error, most.max(error)));
        let mean = (squares / found.len() as f64).sqrt();
        println!("{size:>3}x{size} of {channels:>3} {what:<28} {method:<8} {mean:.1e} {most:.1e}");
    }
}

/// The weight gradient where the image that goes out is a rotation of the one that comes in.
fn summed<T: Real>(convolution: &Convolution, method: ConvolutionMethod, [x, y]: [&[f64]; 2]) -> Vec<f64> {
    let [x, mut y] = [x, y].map(|numbers| numbers.iter().map(|x| T::from_f64(*x)).collect::<Vec<T>>());
    y.rotate_left(1001);
    let (mut sums, mut scratch) = (vec![T::ZERO; convolution.weights()], Panels::empty(Level::best()));
    let pairs = 0..row_pairs(convolution, 1);
    weight_gradient(convolution, method, [pairs, 0..convolution.taps()], [&x, &y], &mut sums, &mut scratch);
    sums.into_iter().map(T::to_f64).collect()
}

fn convolved<T: Real>(
    convolution: &Convolution,
    method: ConvolutionMethod,
    [x, weights]: [&[f64]; 2],
) -> Vec<f64> {
    let [x, weights] =
        [x, weights].map(|numbers| numbers.iter().map(|x| T::from_f64(*x)).collect::<Vec<T>>());
    let ([height, width], [inward, outward]) = (convolution.output(), convolution.channels);
    let mut y = vec![T::ZERO; height * width * outward];
    let taps = PackedWeights::pack(Level::best(), *convolution, method, &weights, [inward * 9, 9, 3, 1]);
    convolve(&taps, &x, 0..height, &mut y);
    y.into_iter().map(T::to_f64).collect()
}

/// Numbers between -1 and 1 that single precision holds.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f64::from((state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as i32 - (1 << 23)) / f64::from(1 << 23)
    };
    (0..count).map(|_| next()).collect()
}
