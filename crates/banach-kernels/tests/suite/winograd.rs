//! Winograd's method against the definition for all sizes, and its fallback to the direct method.

use crate::convolution::{images, numbers, plain, sizes, strides};
use crate::numbers::{Random, assert_same};
use banach_kernels::{Convolution, ConvolutionMethod, Level, PackedWeights, Real, convolve};

fn random_convolution(random: &mut Random) -> Convolution {
    let mut pair = |choices: &[usize]| [random.one(choices), random.one(choices)];
    let (input, channels) = (pair(&[1, 2, 3, 4, 5, 7, 8, 13, 18]), pair(&[1, 3, 16, 17, 33, 64]));
    Convolution { input, channels, padding: pair(&[0, 1, 1, 2, 3]), ..plain(0, 0) }
}

fn all_shapes<T: Real>() {
    for level in Level::all() {
        for seed in 0..150 {
            let mut random = Random::new(seed);
            images::<T>(level, &random_convolution(&mut random), ConvolutionMethod::Winograd, &mut random);
        }
    }
}

#[test]
fn every_shape_in_single_precision() {
    all_shapes::<f32>();
}

#[test]
fn every_shape_in_double_precision() {
    all_shapes::<f64>();
}

#[test]
fn images_of_many_tiles_and_of_none() {
    for level in Level::all() {
        for (size, channels) in [(41, 32), (40, 48), (0, 4), (4, 0)] {
            images::<f32>(level, &plain(size, channels), ConvolutionMethod::Winograd, &mut Random::new(1));
        }
    }
}

fn convolved<T: Real>(
    convolution: &Convolution,
    method: ConvolutionMethod,
    x: &[T],
    weights: &[T],
) -> Vec<T> {
    let mut y = vec![T::ZERO; sizes(convolution)[1]];
    let taps = PackedWeights::pack(Level::best(), *convolution, method, weights, strides(convolution));
    convolve(&taps, x, 0..convolution.output()[0], &mut y);
    y
}

#[test]
fn what_it_is_not_for_is_computed_directly() {
    let usual = plain(9, 6);
    for convolution in [
        Convolution { kernel: [3, 1], ..usual },
        Convolution { kernel: [5, 5], ..usual },
        Convolution { stride: [2, 1], ..usual },
        Convolution { dilation: [1, 2], ..usual },
        Convolution { groups: 2, ..usual },
        Convolution { groups: 6, ..usual },
    ] {
        let mut random = Random::new(4);
        let x = random.numbers::<f32>(sizes(&convolution)[0]);
        let weights = random.numbers(convolution.weights());
        let taps = PackedWeights::pack(
            Level::best(),
            convolution,
            ConvolutionMethod::Winograd,
            &weights,
            strides(&convolution),
        );
        assert_eq!(taps.method(), ConvolutionMethod::Direct, "{convolution:?}");
        let [one, other] = [ConvolutionMethod::Direct, ConvolutionMethod::Winograd]
            .map(|method| convolved(&convolution, method, &x, &weights));
        assert_same(&one, &other, "the direct method");
    }
    let weights = vec![0.0_f32; usual.weights()];
    let taps =
        PackedWeights::pack(Level::best(), usual, ConvolutionMethod::Winograd, &weights, strides(&usual));
    assert_eq!(taps.method(), ConvolutionMethod::Winograd);
}

#[test]
fn what_is_not_a_number_goes_no_farther_than_by_definition() {
    let convolution = plain(6, 17);
    let mut random = Random::new(2);
    let (mut x, weights) = (random.numbers::<f32>(6 * 6 * 17), random.numbers(convolution.weights()));
    for pixel in 0..36 {
        let before = std::mem::replace(&mut x[pixel * 17 + 3], f32::NAN);
        let [direct, winograd] = [ConvolutionMethod::Direct, ConvolutionMethod::Winograd].map(|method| {
            let y = convolved(&convolution, method, &x, &weights);
            y.into_iter().map(f32::is_nan).collect::<Vec<bool>>()
        });
        assert_eq!(direct, winograd, "pixel {pixel}");
        x[pixel * 17 + 3] = before;
    }
}

#[test]
fn its_rounding_error_is_like_that_of_the_direct_method() {
    for (size, channels) in [(20, 16), (12, 64)] {
        let convolution = plain(size, channels);
        let mut random = Random::new(7);
        let x = random.numbers::<f32>(sizes(&convolution)[0]);
        let weights = random.numbers::<f32>(convolution.weights());
        let exact = convolved(&convolution, ConvolutionMethod::Direct, &numbers(&x), &numbers(&weights));
        let [direct, winograd] = [ConvolutionMethod::Direct, ConvolutionMethod::Winograd].map(|method| {
            let found = convolved(&convolution, method, &x, &weights);
            let errors = found.iter().zip(&exact).map(|(found, exact)| (f64::from(*found) - exact).powi(2));
            errors.sum::<f64>().sqrt()
        });
        assert!(winograd < 1.5 * direct, "{winograd} and {direct} for {channels} channels");
    }
}
