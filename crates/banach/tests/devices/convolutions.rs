//! Convolutions: programs with biases or one channel, and a cell of images, against the processor.

use crate::{device, largest_difference, spread};
use banach::solve::Tolerance;
use banach::{FixedPointConfig, OnFailure, Update};
use banach_program::{
    Bilinear, Builder, Kind, Machine, Pool, Primitive, Program, Structure, Type, Value, Var, Window,
    evaluate_on,
};
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, FloatDType, Tensor, activation};

/// As many images as channels, and as many pixels in a row.
const IMAGES: [usize; 4] = [4, 4, 5, 4];

/// A convolution of `IMAGES`, and what is done with it and a bias of the shape given.
fn program(bias: &[usize], rest: impl Fn(&mut Builder, Var, Var) -> Vec<Var>) -> Program {
    let mut builder = Builder::new();
    let [x, weight, bias] = [&IMAGES[..], &[4, 4, 3, 3], bias].map(|shape| builder.input(Type::f32(shape)));
    let window = Window { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
    let convolved = builder.push(Primitive::Bilinear(Bilinear::Convolution(window)), &[x, weight]);
    let outputs = rest(&mut builder, convolved, bias);
    builder.finish(outputs)
}

fn added(builder: &mut Builder, convolved: Var, bias: Var) -> Var {
    let bias = builder.broadcast(bias, &IMAGES);
    builder.add(convolved, bias)
}

/// Programs with a bias for each channel, in several forms, and with what is no such bias.
fn programs() -> Vec<(&'static str, Program)> {
    let of_channels = |builder: &mut Builder, bias: Var| builder.reshape(bias, &[1, 4, 1, 1]);
    let mut programs = vec![
        (
            "of a vector",
            program(&[4], |builder, convolved, bias| {
                let bias = of_channels(builder, bias);
                vec![added(builder, convolved, bias)]
            }),
        ),
        (
            "on the left",
            program(&[4], |builder, convolved, bias| {
                let bias = of_channels(builder, bias);
                let bias = builder.broadcast(bias, &IMAGES);
                vec![builder.add(bias, convolved)]
            }),
        ),
        (
            "repeated twice",
            program(&[1, 4, 1, 1], |builder, convolved, bias| {
                let bias = builder.structure(Structure::Broadcast(vec![1, 4, 1, 4]), bias);
                vec![added(builder, convolved, bias)]
            }),
        ),
        (
            "read again",
            program(&[1, 4, 1, 1], |builder, convolved, bias| {
                let bias = builder.broadcast(bias, &IMAGES);
                let sum = builder.add(convolved, bias);
                vec![builder.multiply(sum, bias)]
            }),
        ),
        (
            "of a convolution that is read twice",
            program(&[1, 4, 1, 1], |builder, convolved, bias| {
                let sum = added(builder, convolved, bias);
                vec![builder.multiply(sum, convolved)]
            }),
        ),
    ];
    for (name, shape) in [
        ("of every channel", [1, 4, 1, 1]),
        ("of every element", IMAGES),
        ("of every column", [1, 1, 1, 4]),
        ("of every image", [4, 1, 1, 1]),
        ("of all", [1; 4]),
    ] {
        programs
            .push((name, program(&shape, |builder, convolved, bias| vec![added(builder, convolved, bias)])));
    }
    programs
}

/// How far the outputs of a program on the device are from those of the processor; the first number of input 2 is `special`.
fn apart(program: &Program, special: f32) -> f64 {
    let inputs = |device: &Device| -> Vec<Value> {
        let of = |(ty, seed): (&Type, u32)| {
            let flat = spread([ty.len()], seed, device);
            let flat = if seed == 2 { flat.slice_fill(0..1, special) } else { flat };
            Value::from(flat).reshaped(&ty.shape)
        };
        program.input_types().zip(0..).map(of).collect()
    };
    let found = evaluate_on(program, inputs(&device()), &device()).unwrap();
    let expected = Machine::<f32>::new(program, &[]).unwrap().call(inputs(&Device::flex())).unwrap();
    let [found, expected] = [found, expected].map(|values| -> Vec<f64> {
        values.into_iter().flat_map(|value| value.into_data().iter::<f64>().collect::<Vec<_>>()).collect()
    });
    largest_difference(&found, &expected)
}

#[test]
fn a_convolution_with_a_bias_of_any_form_is_that_of_the_processor() {
    for (name, program) in programs() {
        for special in [0.5, f32::NAN, f32::INFINITY] {
            let apart = apart(&program, special);
            assert!(apart < 1e-5, "a bias {name} with {special}: off by {apart:e}\n{program}");
        }
    }
}

#[test]
fn what_follows_a_convolution_or_pooling_with_one_channel_is_that_of_the_processor() {
    let window = || Window { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 };
    let (wide, thin) = ([8, 32, 40, 40], [8, 1, 40, 40]);
    let (to_one, from_one) = ([1, 32, 3, 3], [32, 1, 3, 3]);
    let cases = [
        ("to one channel", Bilinear::Convolution(window()), wide, to_one, thin),
        (
            "of one image to one channel",
            Bilinear::Convolution(window()),
            [1, 32, 40, 40],
            to_one,
            [1, 1, 40, 40],
        ),
        ("back to one channel", Bilinear::ConvolutionInput(window(), [40, 40]), wide, from_one, thin),
        ("a weight to one channel", Bilinear::ConvolutionWeight(window(), [3, 3]), wide, thin, to_one),
        ("a weight from one channel", Bilinear::ConvolutionWeight(window(), [3, 3]), thin, wide, from_one),
    ];
    for (name, form, x, other, image) in cases {
        let mut builder = Builder::new();
        let [x, other, image] = [x, other, image].map(|shape| builder.input(Type::f32(shape)));
        let found = builder.push(Primitive::Bilinear(form), &[x, other]);
        let away = builder.subtract(found, image);
        let square = builder.multiply(away, away);
        let apart = apart(&builder.finish(vec![square]), 0.5);
        assert!(apart < 1e-5, "{name}: off by {apart:e}");
    }
    let mut builder = Builder::new();
    let [x, add] = [thin, [8, 1, 20, 20]].map(|shape| builder.input(Type::f32(shape)));
    let pool = Pool { kernel: [2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1], ceil: false };
    let indices = builder.push(Primitive::MaxPoolIndices(pool), &[x]);
    let numbers = builder.cast(indices, Kind::Float(FloatDType::F32));
    let square = builder.multiply(numbers, add);
    let sum = builder.add(square, add);
    let apart = apart(&builder.finish(vec![sum]), 0.5);
    assert!(apart < 1e-5, "pooled: off by {apart:e}");
}

/// `x = second(relu(first(x) + inject(image)))`
#[derive(Module, Debug)]
struct Cell {
    inject: Conv2d,
    first: Conv2d,
    second: Conv2d,
}

impl Cell {
    fn new(channels: usize, device: &Device) -> Self {
        let convolution = |ends: [usize; 2], seed: u32, bias: bool| {
            let config = Conv2dConfig::new(ends, [3, 3]).with_bias(false);
            let config = config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
            // Every convolution of the loop at most halves a difference in the maximum norm.
            let weight = spread([ends[1], ends[0], 3, 3], seed, device) * (0.5 / (9 * ends[0]) as f64);
            let bias =
                bias.then(|| Param::from_data(spread([ends[1]], seed + 3, device).into_data(), device));
            Conv2d { weight: Param::from_data(weight.into_data(), device), bias, ..config.init(device) }
        };
        Self {
            inject: convolution([1, channels], 1, true),
            first: convolution([channels; 2], 2, false),
            second: convolution([channels; 2], 3, true),
        }
    }
}

impl Update for Cell {
    type State = Tensor<4>;
    type Input = Tensor<4>;

    fn start(&self, image: &Tensor<4>) -> Tensor<4> {
        let ([batch, _, height, width], [channels, ..]) = (image.dims(), self.first.weight.dims());
        Tensor::zeros([batch, channels, height, width], &image.device())
    }

    fn update(&self, x: Tensor<4>, image: Tensor<4>) -> Tensor<4> {
        self.second.forward(activation::relu(self.first.forward(x) + self.inject.forward(image)))
    }
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// Images of odd sizes, of which the third is not a number.
fn with_a_broken_image(device: &Device) -> Tensor<4> {
    spread([4, 1, 7, 9], 7, device).slice_fill([2..3, 0..1, 3..4, 4..5], f32::NAN)
}

#[test]
fn a_cell_of_images_has_the_fixed_point_and_the_gradient_of_the_processor() {
    let solved = |device: &Device| {
        let device = device.clone().autodiff();
        let config =
            FixedPointConfig::new().with_tolerance(Tolerance::both(1e-6)).with_on_failure(OnFailure::Skip);
        let layer = config.init(Cell::new(6, &device)).unwrap();
        let solution = layer.solve(with_a_broken_image(&device)).unwrap();
        let outcomes = solution.report().outcomes.clone();
        let x = solution.into_value();
        let sound = Tensor::cat(vec![x.clone().slice(0..2), x.slice(3..4)], 0);
        let gradients = sound.clone().powi_scalar(2).sum().backward();
        let update = layer.update();
        let weights = [&update.inject, &update.first, &update.second];
        let slopes = weights.map(|convolution| numbers(convolution.weight.val().grad(&gradients).unwrap()));
        (outcomes, numbers(sound), slopes.concat())
    };
    let ((outcomes, x, slopes), expected) = (solved(&device()), solved(&Device::flex()));
    assert_eq!(outcomes, expected.0);
    let failed: Vec<bool> = outcomes.iter().map(|outcome| outcome.is_failure()).collect();
    assert_eq!(failed, [false, false, true, false]);
    for (what, found, expected) in [("x", x, expected.1), ("the gradient", slopes, expected.2)] {
        assert!(largest_difference(&found, &expected) < 1e-4, "{what}");
    }
}
