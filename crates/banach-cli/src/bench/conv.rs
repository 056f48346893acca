//! The time of a training step of a convolutional cell, and of its forward solve.

use super::journal::Journal;
use super::step::Step;
use crate::error::Error;
use crate::options::{BackwardName, ConvolutionName, EngineName, Measuring};
use crate::random::Generator;
use banach::program::Program;
use banach::solve::{Budget, Neumann, Picard, Tolerance};
use banach::{FixedPoint, FixedPointConfig, Report, Update};
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor, TensorData, activation};

/// The sizes that are measured.
const SIZES: [Size; 3] = [
    Size { channels: 32, batch: 8, side: 40, count: 20 },
    Size { channels: 48, batch: 16, side: 64, count: 10 },
    Size { channels: 64, batch: 4, side: 128, count: 10 },
];
const WEIGHT_STREAM: u64 = 22;
const TAPS: usize = 9;
const REPEATS: usize = 5;
const WARM_UP: usize = 1;

/// How large the work is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) channels: usize,
    pub(crate) batch: usize,
    pub(crate) side: usize,
    /// Iterations, forward and adjoint.
    pub(crate) count: usize,
}

impl Size {
    /// The smallest size with another number of iterations.
    pub(crate) fn smallest(count: usize) -> Self {
        Self { count, ..SIZES[0] }
    }

    /// The name of the setting.
    pub(crate) fn setting(self, work: &str) -> String {
        let Self { channels, batch, side, count } = self;
        format!("C{channels} B{batch} {side}x{side} K{count} picard {work}")
    }

    /// Of the two convolutions of the loop in one solve.
    fn operations(self) -> f64 {
        let outputs = self.batch * self.side * self.side * self.channels;
        (2 * outputs * self.channels * TAPS * 2 * self.count) as f64
    }

    /// Uniform numbers, on the device.
    pub(crate) fn image(self, device: &Device) -> Tensor<4> {
        let mut generator = Generator::new(1, WEIGHT_STREAM);
        let shape = [self.batch, 1, self.side, self.side];
        let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| generator.uniform() as f32).collect();
        Tensor::from_data(TensorData::new(numbers, shape), device)
    }
}

/// `x = second(relu(first(x) + inject(image)))`; the injection runs once a solve.
#[derive(Module, Debug)]
pub(crate) struct Cell {
    inject: Conv2d,
    first: Conv2d,
    second: Conv2d,
}

impl Cell {
    /// The cell with the weights of its loop times a factor.
    pub(super) fn scaled(mut self, factor: f64) -> Self {
        for convolution in [&mut self.first, &mut self.second] {
            // Detached, so that it is a parameter again and not the product of one.
            convolution.weight = Param::from_tensor((convolution.weight.val() * factor).detach());
        }
        self
    }

    fn injected(&self, x: Tensor<4>, injection: Tensor<4>) -> Tensor<4> {
        self.second.forward(activation::relu(self.first.forward(x) + injection))
    }

    /// The iterations of a solve by Burn alone, without looking at them.
    fn unrolled(&self, image: &Tensor<4>, count: usize) -> Tensor<4> {
        let injection = self.inject.forward(image.clone());
        (0..count).fold(self.start(image), |x, _| self.injected(x, injection.clone()))
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
        self.injected(x, self.inject.forward(image))
    }
}

/// The cell, and what reads an image out of its fixed point.
#[derive(Module, Debug)]
pub(crate) struct Network {
    pub(crate) cell: FixedPoint<Cell>,
    read_out: Conv2d,
}

impl Network {
    /// Weights that are equal on every device.
    pub(crate) fn new(
        size: Size,
        engine: EngineName,
        convolved: ConvolutionName,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut generator = Generator::new(0, WEIGHT_STREAM);
        let channels = size.channels;
        let mut convolution = |ends: [usize; 2], factor: f64, bias: bool| {
            convolution(ends, factor, bias, &mut generator, device)
        };
        let cell = Cell {
            inject: convolution([1, channels], 1.0, true),
            first: convolution([channels; 2], 0.5, false),
            second: convolution([channels; 2], 0.5, true),
        };
        let read_out = convolution([channels, 1], 1.0, true);
        let config = forced(size.count, engine).with_convolution(convolved.convolution());
        Ok(Self { cell: config.init(cell).map_err(Error::layer)?, read_out })
    }

    /// The mean squared error of the image that is read out.
    pub(crate) fn loss(&self, image: Tensor<4>) -> Tensor<1> {
        // In rows: on CubeCL's devices Burn 0.22.1 fuses wrongly behind one channel (the book's chapter "Devices").
        let found: Tensor<2> = self.read_out.forward(self.cell.forward(image.clone())).flatten(1, 3);
        (found - image.flatten(1, 3)).square().mean()
    }
}

/// Weights and biases uniform in ±1/√inputs, the weights times a factor.
fn convolution(
    [inputs, outputs]: [usize; 2],
    factor: f64,
    bias: bool,
    generator: &mut Generator,
    device: &Device,
) -> Conv2d {
    let bound = 1.0 / ((inputs * TAPS) as f64).sqrt();
    let mut draw = |count: usize, factor: f64| -> Vec<f32> {
        (0..count).map(|_| (factor * bound * (2.0 * generator.uniform() - 1.0)) as f32).collect()
    };
    let weight = TensorData::new(draw(outputs * inputs * TAPS, factor), [outputs, inputs, 3, 3]);
    let bias = bias.then(|| Param::from_data(TensorData::new(draw(outputs, 1.0), [outputs]), device));
    let config = Conv2dConfig::new([inputs, outputs], [3, 3]);
    let config = config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).with_bias(false);
    Conv2d { weight: Param::from_data(weight, device), bias, ..config.init(device) }
}

/// Exactly `count` calls of g forward and of its transposed derivative backward, whatever comes of it.
pub(super) fn forced(count: usize, engine: EngineName) -> FixedPointConfig {
    let mut config = FixedPointConfig::new()
        .with_solver(Picard::default())
        .with_adjoint(Neumann::default())
        .with_tolerance(Tolerance::both(0.0))
        .with_escalate(false)
        .with_engine(engine.engine());
    let budget = Budget { steps: count, evaluations: Some(count), ..Budget::default() };
    (config.forward.budget, config.adjoint.budget) = (budget, budget);
    (config.forward.patience, config.adjoint.patience) = (None, None);
    (config.forward.divergence, config.adjoint.divergence) = (None, None);
    config
}

/// Runs `banach bench conv`.
pub(crate) fn bench(convolved: ConvolutionName, measuring: &Measuring) -> Result<(), Error> {
    let mut journal = Journal::new("conv", measuring)?;
    for size in SIZES {
        let setting = |work: &str| match convolved {
            ConvolutionName::Auto => size.setting(work),
            ConvolutionName::Direct => format!("{} direct", size.setting(work)),
            ConvolutionName::Winograd => format!("{} winograd", size.setting(work)),
        };
        if journal.wants(&setting("train")) {
            for backward in journal.backwards() {
                train(&mut journal, &setting("train"), (size, convolved), backward)?;
            }
        }
        if journal.wants(&setting("forward")) {
            forward(&mut journal, &setting("forward"), (size, convolved))?;
        }
        if journal.is_elsewhere() && journal.wants(&setting("unrolled")) {
            unrolled(&mut journal, &setting("unrolled"), size)?;
        }
    }
    journal.close()
}

fn train(
    journal: &mut Journal<'_>,
    setting: &str,
    (size, convolved): (Size, ConvolutionName),
    backward: BackwardName,
) -> Result<(), Error> {
    let device = journal.device.clone().autodiff();
    let network = Network::new(size, journal.measuring.engine, convolved, &device)?;
    let image = size.image(&device);
    let step = Step::new(backward, journal.measuring.engine, Network::loss).with_convolution(convolved);
    let mut loss = 0.0;
    let timing = journal.median_ms(REPEATS, WARM_UP, || {
        loss = step.take(&network, image.clone())?.0;
        Ok(())
    })?;
    let measurement = journal.measurement(setting, Some(backward), timing, size.count as f64);
    let measurement = journal.with_transfers(measurement, &network.cell.take_statistics());
    journal.write(measurement.with(RATE, rate(2.0 * size.operations(), timing.ms)).with("loss", loss))
}

fn forward(
    journal: &mut Journal<'_>,
    setting: &str,
    (size, convolved): (Size, ConvolutionName),
) -> Result<(), Error> {
    let device = journal.device.clone();
    let network = Network::new(size, journal.measuring.engine, convolved, &device)?;
    let image = size.image(&device);
    let timing = journal.median_ms(REPEATS, WARM_UP, || {
        network.cell.solve(image.clone()).map(|_| ()).map_err(Error::layer)
    })?;
    let measurement = journal.measurement(setting, None, timing, size.count as f64);
    let measurement = journal.with_transfers(measurement, &network.cell.take_statistics());
    journal.write(measurement.with(RATE, rate(size.operations(), timing.ms)))
}

/// The solve without a solver: what the device needs for the update alone.
fn unrolled(journal: &mut Journal<'_>, setting: &str, size: Size) -> Result<(), Error> {
    let device = journal.device.clone();
    let network = Network::new(size, EngineName::Device, ConvolutionName::Auto, &device)?;
    let image = size.image(&device);
    let mut last = None;
    let timing = journal.median_ms(REPEATS, WARM_UP, || {
        // Kept until the device is done: what is dropped before need not be computed.
        last = Some(network.cell.update().unrolled(&image, size.count));
        Ok(())
    })?;
    let measurement = journal.measurement(setting, None, timing, size.count as f64);
    journal.write(measurement.with(RATE, rate(size.operations(), timing.ms)))
}

const RATE: &str = "gflops_of_the_two_convolutions";

/// Billions of operations a second, to one decimal.
fn rate(operations: f64, ms: f64) -> f64 {
    (operations / ms / 1e5).round() / 10.0
}

/// The update as a program, in the smallest size.
pub(crate) fn program(device: &Device) -> Result<Program, Error> {
    let size = SIZES[0];
    let network = Network::new(size, EngineName::Native, ConvolutionName::Auto, device)?;
    network.cell.program(size.image(device)).map_err(Error::layer)
}

/// How the smallest size is solved.
pub(crate) fn solved(config: &FixedPointConfig, device: &Device) -> Result<Report, Error> {
    let size = SIZES[0];
    let cell = Network::new(size, EngineName::Native, ConvolutionName::Auto, device)?.cell;
    let cell = cell.with_config(config.clone()).map_err(Error::layer)?;
    cell.solve(size.image(device)).map(|solution| solution.report().clone()).map_err(Error::layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solve_calls_the_update_just_as_often_as_was_said() {
        let size = Size { channels: 3, batch: 2, side: 6, count: 7 };
        for engine in [EngineName::Native, EngineName::Device] {
            let device = Device::flex().autodiff();
            let network = Network::new(size, engine, ConvolutionName::Direct, &device).unwrap();
            let solution = network.cell.solve(size.image(&device)).unwrap();
            assert_eq!(solution.report().evaluations, 7, "{engine:?}");
            let report = solution.report().clone();
            solution.into_value().mean().backward();
            assert_eq!(report.adjoint()[0].evaluations, 7, "{engine:?}");
        }
    }

    #[test]
    fn both_roads_and_methods_give_every_parameter_the_same_gradient() {
        let size = Size { channels: 16, batch: 2, side: 6, count: 7 };
        let device = Device::flex().autodiff();
        let take = |backward, convolved| {
            let network = Network::new(size, EngineName::Native, convolved, &device).unwrap();
            let step = Step::new(backward, EngineName::Native, Network::loss).with_convolution(convolved);
            let (loss, gradients) = step.take(&network, size.image(&device)).unwrap();
            assert_eq!(gradients.len(), 7, "{backward:?}");
            let weight = gradients.get::<4>(network.cell.update().second.weight.id).unwrap();
            (loss, weight.into_data().iter::<f64>().collect::<Vec<f64>>())
        };
        let (one, tape) = take(BackwardName::Tape, ConvolutionName::Direct);
        let most = tape.iter().fold(0.0_f64, |most, number| most.max(number.abs()));
        for (backward, convolved) in [
            (BackwardName::Compiled, ConvolutionName::Direct),
            (BackwardName::Tape, ConvolutionName::Winograd),
            (BackwardName::Compiled, ConvolutionName::Winograd),
        ] {
            let (other, found) = take(backward, convolved);
            assert!((one - other).abs() < 1e-6 * one, "{one} and {other}");
            let near = tape.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-4 * most);
            assert!(near, "{backward:?} {convolved:?}: {tape:?} {found:?}");
        }
    }
}
