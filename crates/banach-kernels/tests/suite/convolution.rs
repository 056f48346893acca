//! Convolutions against their definition, in all three directions and for all geometries.

use crate::numbers::{Random, assert_near, assert_same};
use banach_kernels::{
    Convolution, ConvolutionMethod, Level, PackedWeights, Panels, Real, convolve, convolve_transposed,
    row_pairs, weight_gradient, write_weights,
};

/// Every product the definition sums: places in an image that comes in, in the weights, in one that goes out.
fn products(convolution: &Convolution, mut visit: impl FnMut(usize, usize, usize)) {
    let ([h, w], [out_h, out_w]) = (convolution.input, convolution.output());
    let ([inward, outward], [kept_in, kept_out]) = (convolution.channels, convolution.group_channels());
    let [kernel_h, kernel_w] = convolution.kernel;
    let place = |axis: usize, target: usize, tap: usize, size: usize| {
        let [stride, padding, dilation] =
            [convolution.stride, convolution.padding, convolution.dilation].map(|pair| pair[axis]);
        (target * stride + tap * dilation).checked_sub(padding).filter(|source| *source < size)
    };
    for (oy, ox) in (0..out_h).flat_map(|y| (0..out_w).map(move |x| (y, x))) {
        for (ky, kx) in (0..kernel_h).flat_map(|y| (0..kernel_w).map(move |x| (y, x))) {
            let (Some(y), Some(x)) = (place(0, oy, ky, h), place(1, ox, kx, w)) else { continue };
            for (o, i) in (0..outward).flat_map(|o| (0..kept_in).map(move |i| (o, i))) {
                visit(
                    (y * w + x) * inward + o / kept_out * kept_in + i,
                    ((o * kept_in + i) * kernel_h + ky) * kernel_w + kx,
                    (oy * out_w + ox) * outward + o,
                );
            }
        }
    }
}

pub(crate) fn numbers(slice: &[impl Real]) -> Vec<f64> {
    slice.iter().map(|number| number.to_f64()).collect()
}

pub(crate) fn strides(convolution: &Convolution) -> [usize; 4] {
    let [h, w] = convolution.kernel;
    [convolution.group_channels()[0] * h * w, h * w, w, 1]
}

pub(crate) fn sizes(convolution: &Convolution) -> [usize; 2] {
    let [input, output] = [convolution.input, convolution.output()].map(|[h, w]| h * w);
    [input * convolution.channels[0], output * convolution.channels[1]]
}

/// An image there and back, against the definition in double precision.
pub(crate) fn images<T: Real>(
    level: Level,
    convolution: &Convolution,
    method: ConvolutionMethod,
    random: &mut Random,
) {
    let what = format!("{level} {method:?} {convolution:?}");
    let [input, output] = sizes(convolution);
    let (x, y) = (random.numbers::<T>(input), random.numbers::<T>(output));
    let weights = random.numbers::<T>(convolution.weights());
    let (from, by, to) = (numbers(&x), numbers(&weights), numbers(&y));
    let (mut forward, mut backward) = (vec![0.0; output], vec![0.0; input]);
    products(convolution, |x, w, y| {
        forward[y] += from[x] * by[w];
        backward[x] += to[y] * by[w];
    });
    let terms = convolution.taps() * convolution.channels[0].max(convolution.channels[1]);
    // Winograd's products are larger than those they stand for: 84 times where it is worst.
    let terms = if method == ConvolutionMethod::Winograd { 84 * terms } else { terms };
    let taps = PackedWeights::pack(level, *convolution, method, &weights, strides(convolution));
    let mut found = random.numbers::<T>(output);
    convolve(&taps, &x, 0..convolution.output()[0], &mut found);
    assert_near(&found, &forward, terms, &what);
    let (rows, whole) = (convolution.output()[0], found.clone());
    for (row, target) in found.chunks_mut((output / rows.max(1)).max(1)).enumerate() {
        target.fill(T::ONE);
        convolve(&taps, &x, row..row + 1, target);
    }
    assert_same(&found, &whole, &what);
    let taps = PackedWeights::pack_transposed(level, *convolution, method, &weights, strides(convolution));
    let mut found = random.numbers::<T>(input);
    convolve_transposed(&taps, &y, 0..convolution.input[0], &mut found);
    let what = format!("transposed {what}");
    assert_near(&found, &backward, terms, &what);
    let (rows, whole) = (convolution.input[0], found.clone());
    for (row, target) in found.chunks_mut((input / rows.max(1)).max(1)).enumerate() {
        target.fill(T::ONE);
        convolve_transposed(&taps, &y, row..row + 1, target);
    }
    assert_same(&found, &whole, &what);
}

/// A weight gradient in two parts, added to weights, against the definition in double precision.
pub(crate) fn weights<T: Real>(
    level: Level,
    convolution: &Convolution,
    method: ConvolutionMethod,
    random: &mut Random,
) {
    let what = format!("weights {level} {method:?} {convolution:?}");
    let ([input, output], images) = (sizes(convolution), 1 + random.below(3));
    let (x, y) = (random.numbers::<T>(images * input), random.numbers::<T>(images * output));
    let (from, to) = (numbers(&x), numbers(&y));
    let before = random.numbers::<T>(convolution.weights());
    let mut wanted = numbers(&before);
    for image in 0..images {
        products(convolution, |x, w, y| wanted[w] += from[image * input + x] * to[image * output + y]);
    }
    let mut scratch = Panels::empty(level);
    let mut sums = vec![T::ZERO; convolution.weights()];
    let pairs = row_pairs(convolution, images);
    let (pair, taps) = (random.below(pairs + 1), convolution.taps());
    let together = method.of_weights(convolution, images) == ConvolutionMethod::Winograd;
    let tap = if together { 0 } else { random.below(taps + 1) };
    let each = sums.len() / taps.max(1);
    for pairs in [0..pair, pair..pairs] {
        for taps in [0..tap, tap..taps].into_iter().filter(|taps| !together || !taps.is_empty()) {
            let sums = &mut sums[taps.start * each..taps.end * each];
            weight_gradient(convolution, method, [pairs.clone(), taps], [&x, &y], sums, &mut scratch);
        }
    }
    let mut found = before.clone();
    write_weights(convolution, 0..convolution.channels[1], &sums, true, &mut found, strides(convolution));
    let [height, width] = convolution.output();
    let terms = images * height * width;
    // Winograd's products are larger than those they stand for: 36 to 4 where it is worst.
    let terms = if method == ConvolutionMethod::Winograd { 9 * terms } else { terms };
    assert_near(&found, &wanted, terms, &what);
    let (outputs, strides) = (convolution.channels[1], strides(convolution));
    let output = random.below(outputs + 1);
    for outputs in [0..output, output..outputs] {
        let weights = &mut found[outputs.start * strides[0]..outputs.end * strides[0]];
        write_weights(convolution, outputs, &sums, false, weights, strides);
    }
    let written: Vec<f64> = wanted.iter().zip(numbers(&before)).map(|(sum, before)| sum - before).collect();
    assert_near(&found, &written, terms, &what);
}

fn random_convolution(random: &mut Random) -> Convolution {
    let mut pair = |choices: &[usize]| [random.one(choices), random.one(choices)];
    let (input, kernel) = (pair(&[1, 2, 3, 5, 8, 13, 18]), pair(&[1, 2, 3, 5]));
    let (stride, dilation) = (pair(&[1, 1, 2, 3]), pair(&[1, 1, 2]));
    let padding = pair(&[0, 1, 2, 4]);
    let channels = pair(&[1, 2, 3, 8, 17, 40]);
    let groups = random.one(&[1, 1, 1, 2, 3, 20, 37]);
    let channels = match groups {
        1 => channels,
        20 | 37 => [groups; 2],
        _ => channels.map(|channels| channels.min(17) * groups),
    };
    Convolution { input, channels, kernel, stride, padding, dilation, groups }
}

fn all_shapes<T: Real>(count: u64) {
    for level in Level::all() {
        for seed in 0..count {
            let mut random = Random::new(seed);
            let convolution = random_convolution(&mut random);
            images::<T>(level, &convolution, ConvolutionMethod::Direct, &mut random);
            weights::<T>(level, &convolution, ConvolutionMethod::Direct, &mut random);
        }
    }
}

#[test]
fn convolutions_of_single_precision() {
    all_shapes::<f32>(300);
}

#[test]
fn convolutions_of_double_precision() {
    all_shapes::<f64>(300);
}

pub(crate) fn plain(size: usize, channels: usize) -> Convolution {
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

#[test]
fn usual_convolutions() {
    for level in Level::all() {
        for (size, channels) in [(40, 32), (9, 48), (0, 4), (4, 0)] {
            images::<f32>(level, &plain(size, channels), ConvolutionMethod::Direct, &mut Random::new(1));
            weights::<f32>(level, &plain(size, channels), ConvolutionMethod::Direct, &mut Random::new(1));
        }
    }
}

#[test]
fn weights_may_lie_in_any_order() {
    let convolution = Convolution { channels: [5, 7], kernel: [3, 2], ..plain(6, 0) };
    let mut random = Random::new(9);
    let weights = random.numbers::<f32>(convolution.weights());
    let x = random.numbers::<f32>(6 * 6 * 5);
    let mut moved = vec![0.0; weights.len()];
    let mine = [1, 7, 35, 105];
    for (o, i, y, x) in (0..210).map(|at| (at / 30, at / 6 % 5, at / 2 % 3, at % 2)) {
        moved[o + i * 7 + y * 35 + x * 105] = weights[((o * 5 + i) * 3 + y) * 2 + x];
    }
    let [_, output] = sizes(&convolution);
    let (mut one, mut other) = (vec![0.0; output], vec![0.0; output]);
    let level = Level::best();
    let mut taps =
        PackedWeights::pack(level, convolution, ConvolutionMethod::Direct, &weights, strides(&convolution));
    convolve(&taps, &x, 0..convolution.output()[0], &mut one);
    taps.repack(&moved, mine);
    convolve(&taps, &x, 0..convolution.output()[0], &mut other);
    assert_same(&one, &other, "weights in another order");
}

#[test]
#[should_panic(expected = "packed for the transposed convolution")]
fn directions_must_fit() {
    let taps = PackedWeights::pack_transposed(
        Level::Portable,
        plain(1, 1),
        ConvolutionMethod::Direct,
        &[0.0_f32; 9],
        [9, 9, 3, 1],
    );
    convolve(&taps, &[0.0], 0..1, &mut [0.0]);
}

#[test]
#[should_panic(expected = "the length of the target rows")]
fn rows_must_have_room() {
    let taps = PackedWeights::pack(
        Level::Portable,
        plain(2, 1),
        ConvolutionMethod::Direct,
        &[0.0_f32; 9],
        [9, 9, 3, 1],
    );
    convolve(&taps, &[0.0; 4], 0..2, &mut [0.0]);
}
