//! Winograd's method against the definition for all sizes, and its fallback to the direct method.

use crate::convolution::{images, numbers, plain, sizes, strides, weights};
use crate::numbers::{Random, assert_same};
use banach_kernels::{
    Convolution, ConvolutionMethod, Level, PackedWeights, Panels, Real, convolve, row_pairs, weight_gradient,
    write_weights,
};

fn random_convolution(random: &mut Random) -> Convolution {
    let mut pair = |choices: &[usize]| [random.one(choices), random.one(choices)];
    let (input, channels) = (pair(&[1, 2, 3, 4, 5, 7, 8, 13, 18, 25]), pair(&[1, 3, 16, 17, 33, 64]));
    Convolution { input, channels, padding: pair(&[0, 1, 1, 2, 3]), ..plain(0, 0) }
}

fn all_shapes<T: Real>() {
    for level in Level::all() {
        for seed in 0..150 {
            let mut random = Random::new(seed);
            let convolution = random_convolution(&mut random);
            images::<T>(level, &convolution, ConvolutionMethod::Winograd, &mut random);
            weights::<T>(level, &convolution, ConvolutionMethod::Winograd, &mut random);
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
            let convolution = plain(size, channels);
            images::<f32>(level, &convolution, ConvolutionMethod::Winograd, &mut Random::new(1));
            weights::<f32>(level, &convolution, ConvolutionMethod::Winograd, &mut Random::new(1));
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
fn what_is_not_a_number_goes_no_farther_than_its_tiles() {
    let (side, convolution) = (20, plain(20, 64));
    let mut random = Random::new(2);
    let x = random.numbers::<f32>(side * side * 64);
    let weights = random.numbers(convolution.weights());
    for pixel in [0, 3, 4, 63, 210, 399] {
        let mut x = x.clone();
        x[pixel * 64 + 3] = f32::NAN;
        let [direct, winograd] = [ConvolutionMethod::Direct, ConvolutionMethod::Winograd].map(|method| {
            let y = convolved(&convolution, method, &x, &weights);
            y.chunks(64).map(|pixel| pixel.iter().any(|number| number.is_nan())).collect::<Vec<bool>>()
        });
        let tile = |pixel: usize| [pixel / side / 4, pixel % side / 4];
        for found in (0..side * side).filter(|found| winograd[*found]) {
            assert!((0..side * side).any(|met| direct[met] && tile(met) == tile(found)), "{pixel}, {found}");
        }
        assert!(direct.iter().zip(&winograd).all(|(direct, winograd)| *winograd || !direct), "{pixel}");
    }
}

#[test]
fn with_small_tiles_what_is_not_a_number_goes_no_farther_than_by_definition() {
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
    for (size, channels, most) in [(20, 4, 1.5), (6, 64, 1.5), (20, 64, 2.5), (40, 32, 2.5)] {
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
        assert!(winograd < most * direct, "{winograd} and {direct} for {channels} channels");
    }
}

fn gradient<T: Real>(convolution: &Convolution, method: ConvolutionMethod, x: &[T], y: &[T]) -> Vec<T> {
    let (mut sums, mut scratch) = (vec![T::ZERO; convolution.weights()], Panels::empty(Level::best()));
    let pairs = row_pairs(convolution, y.len() / sizes(convolution)[1]);
    weight_gradient(convolution, method, [0..pairs, 0..convolution.taps()], [x, y], &mut sums, &mut scratch);
    sums
}

#[test]
fn the_weight_gradient_is_the_transpose_of_the_convolution() {
    let method = ConvolutionMethod::Winograd;
    for (size, channels) in [(7, 5), (12, 20)] {
        let convolution = plain(size, channels);
        let mut random = Random::new(3);
        let [x, y] = [0, 1].map(|side| random.numbers::<f64>(sizes(&convolution)[side]));
        let weights = random.numbers::<f64>(convolution.weights());
        let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let outward = inner(&convolved(&convolution, method, &x, &weights), &y);
        let sums = gradient(&convolution, method, &x, &y);
        let mut found = vec![0.0; weights.len()];
        write_weights(
            &convolution,
            0..convolution.channels[1],
            &sums,
            false,
            &mut found,
            strides(&convolution),
        );
        let back = inner(&found, &weights);
        assert!((outward - back).abs() < 1e-11 * outward.abs().max(1.0), "{outward} and {back}");
    }
}

#[test]
fn the_rounding_error_of_its_weight_gradient_is_like_that_of_the_direct_method() {
    for (size, channels) in [(40, 16), (24, 64)] {
        let convolution = plain(size, channels);
        let mut random = Random::new(8);
        let [x, y] = [0, 1].map(|side| random.numbers::<f32>(sizes(&convolution)[side]));
        let exact = gradient(&convolution, ConvolutionMethod::Direct, &numbers(&x), &numbers(&y));
        let [direct, winograd] = [ConvolutionMethod::Direct, ConvolutionMethod::Winograd].map(|method| {
            let found = gradient(&convolution, method, &x, &y);
            let errors = found.iter().zip(&exact).map(|(found, exact)| (f64::from(*found) - exact).powi(2));
            errors.sum::<f64>().sqrt()
        });
        assert!(winograd < 2.0 * direct, "{winograd} and {direct} for {channels} channels");
    }
}

#[test]
fn the_automatic_method_is_that_of_the_shape() {
    let (small, large) = (plain(3, 2), plain(24, 64));
    let images = |method: ConvolutionMethod, convolution: &Convolution| method.of_images(convolution);
    let weights = |method: ConvolutionMethod, convolution: &Convolution| method.of_weights(convolution, 2);
    for chosen in [images, weights] {
        use ConvolutionMethod::{Auto, Direct, Winograd};
        assert_eq!(chosen(Auto, &small), Direct);
        assert_eq!(chosen(Auto, &large), Winograd);
        assert_eq!(chosen(Auto, &Convolution { stride: [2, 2], ..large }), Direct);
        assert_eq!(chosen(Auto, &Convolution { channels: [1, 64], ..large }), Direct);
        assert_eq!([chosen(Direct, &large), chosen(Winograd, &small)], [Direct, Winograd]);
    }
    for convolution in [small, large] {
        let mut random = Random::new(5);
        let x = random.numbers::<f32>(sizes(&convolution)[0]);
        let weights = random.numbers(convolution.weights());
        let chosen = ConvolutionMethod::Auto.of_images(&convolution);
        let [one, other] =
            [ConvolutionMethod::Auto, chosen].map(|method| convolved(&convolution, method, &x, &weights));
        assert_same(&one, &other, "the chosen method");
    }
}
