//! Products and convolutions, forward, transposed and for weights: one special value at a time in either
//! operand.

use super::{Differences, Nearness, PRECISIONS, difference, numbers, program, special, tensor};
use banach_program::{Bilinear, ConvolutionMethod, Machine, Primitive, Type, Value, Window, evaluate};
use burn::tensor::FloatDType;

/// Numbers of moderate size with a special value at one place.
fn with(value: f64, at: usize, count: usize) -> Vec<f64> {
    let mut numbers: Vec<f64> = (0..count).map(|at| 0.25 + (at * 7 % 11) as f64 * 0.125).collect();
    numbers[at % count] = value;
    numbers
}

fn specials(precision: FloatDType) -> impl Iterator<Item = (usize, f64)> {
    special(precision).into_iter().filter(|x| x.abs() < 1e15 || !x.is_finite()).enumerate()
}

/// Runs a form with a special value in the first, the second and both operands.
fn check(differences: &mut Differences, form: Bilinear, shapes: [&[usize]; 2], precision: FloatDType) {
    let counts = shapes.map(|shape| shape.iter().product::<usize>());
    for (at, value) in specials(precision) {
        let plain = |side: usize| with(0.5, 0, counts[side]);
        let place = 5 * at + 1;
        for [a, b] in [
            [with(value, place, counts[0]), plain(1)],
            [plain(0), with(value, place, counts[1])],
            [with(value, place, counts[0]), with(f64::INFINITY, at, counts[1])],
        ] {
            let operands = [tensor(&a, shapes[0], precision), tensor(&b, shapes[1], precision)];
            differences.primitive(Primitive::Bilinear(form), &operands, Nearness::Sum(64.0));
        }
    }
}

#[test]
fn products_of_matrices() {
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        for [m, k, n] in [[1, 1, 1], [3, 5, 7], [17, 9, 35]] {
            let matmul = |turned| Bilinear::Matmul(turned);
            check(&mut differences, matmul([false, false]), [&[m, k], &[k, n]], precision);
            check(&mut differences, matmul([true, false]), [&[k, m], &[k, n]], precision);
            check(&mut differences, matmul([false, true]), [&[m, k], &[n, k]], precision);
        }
        check(&mut differences, Bilinear::Matmul([false, false]), [&[2, 3, 4], &[2, 4, 5]], precision);
    }
    differences.none();
}

/// A window with the sizes of an image, the kernel and the channels.
type Sized = (Window, [usize; 2], [usize; 2], [usize; 2]);

fn windows() -> Vec<Sized> {
    let window = |stride: usize, padding: usize, dilation: usize, groups: usize| Window {
        stride: [stride; 2],
        padding: [padding; 2],
        dilation: [dilation; 2],
        groups,
    };
    vec![
        (window(1, 0, 1, 1), [5, 6], [3, 3], [2, 3]),
        (window(1, 1, 1, 1), [5, 6], [3, 3], [2, 17]),
        (window(2, 1, 1, 1), [6, 7], [3, 2], [3, 4]),
        (window(1, 2, 2, 1), [6, 5], [3, 3], [2, 2]),
        (window(1, 1, 1, 4), [4, 5], [3, 3], [4, 4]),
        (window(1, 0, 1, 1), [4, 4], [1, 1], [5, 6]),
    ]
}

fn output(window: &Window, image: [usize; 2], kernel: [usize; 2]) -> [usize; 2] {
    [0, 1].map(|axis| {
        let reach = window.dilation[axis] * (kernel[axis] - 1) + 1;
        (image[axis] + 2 * window.padding[axis] - reach) / window.stride[axis] + 1
    })
}

/// The numbers of a convolution as its definition says: `(x, weight, y)` and which of them is summed.
struct Definition {
    window: Window,
    x: [usize; 4],
    weight: [usize; 4],
    y: [usize; 4],
}

impl Definition {
    /// Every product of a pixel and a weight that meet: positions in x, the weight and y.
    fn terms(&self) -> impl Iterator<Item = [usize; 3]> + '_ {
        let Definition { window, x, weight, y } = self;
        let place = |shape: &[usize; 4], at: [usize; 4]| {
            at.iter().zip(shape).fold(0, |place, (at, size)| place * size + at)
        };
        let (per_group, kept) = (weight[1], weight[0] / window.groups);
        let all = y.iter().product::<usize>() * weight[1..].iter().product::<usize>();
        (0..all).filter_map(move |at| {
            let mut rest = at;
            let mut next = |size: usize| {
                let digit = rest % size;
                rest /= size;
                digit
            };
            let (kx, ky, i) = (next(weight[3]), next(weight[2]), next(per_group));
            let (column, row, o, b) = (next(y[3]), next(y[2]), next(y[1]), next(y[0]));
            let along = |axis: usize, at: usize, tap: usize| {
                let pixel = at * window.stride[axis] + tap * window.dilation[axis];
                pixel.checked_sub(window.padding[axis]).filter(|pixel| *pixel < x[axis + 2])
            };
            let (h, w) = (along(0, row, ky)?, along(1, column, kx)?);
            let channel = o / kept * per_group + i;
            Some([place(x, [b, channel, h, w]), place(weight, [o, i, ky, kx]), place(y, [b, o, row, column])])
        })
    }

    /// Sums products of the operands at two positions of a term into the third.
    fn sum(&self, a: &[f64], b: &[f64], [left, right, to]: [usize; 3], shape: [usize; 4]) -> Vec<f64> {
        let mut sums = vec![0.0; shape.iter().product()];
        self.terms().for_each(|term| sums[term[to]] += a[term[left]] * b[term[right]]);
        sums
    }
}

/// Holds the native engine against the definition for special values in either operand, and Burn where the
/// operand that meets the padding is finite: Burn multiplies zeros outside the image.
fn check_convolution(
    differences: &mut Differences,
    form: Bilinear,
    definition: &Definition,
    (shapes, order, result): ([[usize; 4]; 2], [usize; 3], [usize; 4]),
    precision: FloatDType,
) {
    let counts = shapes.map(|shape| shape.iter().product::<usize>());
    for (at, value) in specials(precision) {
        for special in [[true, false], [false, true], [true, true]] {
            let values = [0, 1].map(|side| {
                let number = if special[side] { value } else { 0.5 };
                with(number, 5 * at + 1, counts[side])
            });
            let operands = [0, 1].map(|side| tensor(&values[side], &shapes[side], precision));
            let rounded = operands.each_ref().map(numbers);
            let expected =
                tensor(&definition.sum(&rounded[0], &rounded[1], order, result), &result, precision);
            let types = operands.each_ref().map(Value::ty);
            let convolved =
                program(&types, |builder, inputs| vec![builder.push(Primitive::Bilinear(form), inputs)]);
            let case = format!("{form:?} of {value:e} in {special:?}");
            differences.native_against(
                &case,
                &convolved,
                &operands,
                std::slice::from_ref(&expected),
                Nearness::Sum(64.0),
            );
            let scatters = matches!(form, Bilinear::ConvolutionInput(..));
            if scatters || rounded[1].iter().all(|number| number.is_finite()) {
                let device = evaluate(&convolved, operands.to_vec()).unwrap();
                differences
                    .add(&format!("{case} in Burn"), difference(&device[0], &expected, Nearness::Sum(64.0)));
            }
        }
    }
}

fn definitions() -> Vec<Definition> {
    let all = windows().into_iter().map(|(window, image, kernel, channels)| {
        let [h, w] = output(&window, image, kernel);
        Definition {
            window,
            x: [2, channels[0], image[0], image[1]],
            weight: [channels[1], channels[0] / window.groups, kernel[0], kernel[1]],
            y: [2, channels[1], h, w],
        }
    });
    all.collect()
}

#[test]
fn convolutions_and_their_gradients() {
    let mut differences = Differences::default();
    for precision in PRECISIONS {
        for definition in definitions() {
            let Definition { window, x, weight, y } = definition;
            let mut check = |form, shapes, order, result| {
                let sizes = (shapes, order, result);
                check_convolution(&mut differences, form, &definition, sizes, precision);
            };
            check(Bilinear::Convolution(window), [x, weight], [0, 1, 2], y);
            check(Bilinear::ConvolutionInput(window, [x[2], x[3]]), [y, weight], [2, 1, 0], x);
            check(Bilinear::ConvolutionWeight(window, [weight[2], weight[3]]), [x, y], [0, 2, 1], weight);
        }
    }
    differences.none();
}

#[test]
fn by_winograds_method_whatever_is_not_finite_stays_so() {
    let window = Window { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
    let types = [Type::f64([1, 16, 8, 8]), Type::f64([16, 16, 3, 3])];
    let form = Primitive::Bilinear(Bilinear::Convolution(window));
    let convolved = program(&types, |builder, inputs| vec![builder.push(form, inputs)]);
    let machine = |method| Machine::<f64>::new(&convolved, &[]).unwrap().convolving(method);
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for [a, b] in [[value, 0.5], [0.5, value]] {
            let inputs = [
                tensor(&with(a, 300, 1024), &[1, 16, 8, 8], FloatDType::F64),
                tensor(&with(b, 1000, 2304), &[16, 16, 3, 3], FloatDType::F64),
            ];
            let [direct, fast] = [ConvolutionMethod::Direct, ConvolutionMethod::Winograd]
                .map(|method| numbers(&machine(method).call(inputs.to_vec()).unwrap()[0]));
            let lost =
                direct.iter().zip(&fast).filter(|(direct, fast)| !direct.is_finite() && fast.is_finite());
            assert_eq!(lost.count(), 0, "{value}");
        }
    }
}
