//! Networks that estimate the noise of an image: convolutions applied once, their fixed point, or an energy's minimiser.
//!
//! Images may be folded to half the size ([`Plane::folded`](crate::dataset::plane::Plane::folded)), which divides the cost of a
//! layer by four and doubles what it sees (Zhang, Zuo and Zhang, "FFDNet", 2018).

use super::convolution::convolution;
use super::experts::Experts;
use crate::dataset::patches::NoiseLevel;
use crate::error::Error;
use crate::experiments::epoch::Work;
use crate::options::LayerName;
use crate::random::Generator;
use banach::program::Value;
use banach::regularize::frobenius_penalty;
use banach::regularize::singular_value::convolution_bound;
use banach::{
    Compiled, Convolution, FixedPoint, FixedPointConfig, GradientDescent, GradientDescentConfig, Step,
    Update, detached,
};
use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, activation};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

const WEIGHT_STREAM: u64 = 5;
/// Steps of the Gram iteration that bounds a convolution.
const BOUND_STEPS: usize = 2;
/// Gray levels are shifted and scaled to about the deviation 1.
const SHIFT: f64 = 0.5;
const SCALE: f64 = 4.0;
/// The step size of FPI_GD to start with; it is trained.
const RATE: f64 = 0.5;

/// What makes a network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// What is done with the map.
    pub(crate) layer: LayerName,
    /// Pixels along each side of the blocks of an image that are folded into channels; 1 leaves it as it is. Descriptions of
    /// before there was a choice lack it.
    #[serde(default = "Shape::folded_once")]
    pub(crate) fold: usize,
    /// Channels of the state, or filters of the energy.
    pub(crate) channels: usize,
    /// Convolutions of the map; an energy has one.
    pub(crate) convolutions: usize,
    /// How much a convolution of the map may make of a difference; without a bound where the map is applied once.
    pub(crate) gain: Option<f64>,
    /// The noise that it is trained for; the output 1 stands for a typical deviation.
    pub(crate) sigma: NoiseLevel,
}

impl Shape {
    /// What [`fold`](Self::fold) was before there was a choice.
    pub(super) fn folded_once() -> usize {
        2
    }

    /// Channels of a folded image.
    pub(crate) fn planes(&self) -> usize {
        self.fold * self.fold
    }
}

/// `g(x, z) = relu(I z + W_n relu( ... W_2 relu(W_1 x)))`: the image z is injected once, the state x is a stack of feature
/// maps.
#[derive(Module, Debug)]
pub(crate) struct Map {
    inject: Conv2d,
    chain: Vec<Conv2d>,
    /// How much a convolution may make of a difference.
    gain: Option<f64>,
}

impl Map {
    fn new(shape: Shape, generator: &mut Generator, device: &Device) -> Self {
        let Shape { channels, convolutions, gain, .. } = shape;
        let mut convolution = |ends| convolution(ends, generator, device);
        let inject = convolution([shape.planes(), channels]);
        Self { inject, chain: (0..convolutions).map(|_| convolution([channels; 2])).collect(), gain }
    }

    /// A convolution of the chain, its weight divided by as much as its bound exceeds the gain.
    fn convolve(&self, convolution: &Conv2d, x: Tensor<4>) -> Tensor<4> {
        let Some(gain) = self.gain else { return convolution.forward(x) };
        let weight = convolution.weight.val();
        let excess = (convolution_bound(weight.clone(), 1, BOUND_STEPS) * (1.0 / gain)).clamp_min(1.0);
        let bias = convolution.bias.as_ref().map(Param::val);
        conv2d(x, weight / excess.unsqueeze(), bias, ConvOptions::new([1, 1], [1, 1], [1, 1], 1))
    }
}

impl Update for Map {
    type State = Tensor<4>;
    type Input = Tensor<4>;

    fn start(&self, z: &Tensor<4>) -> Tensor<4> {
        activation::relu(self.inject.forward(z.clone()))
    }

    fn update(&self, x: Tensor<4>, z: Tensor<4>) -> Tensor<4> {
        let through = |h: Tensor<4>, (index, convolution): (usize, &Conv2d)| {
            self.convolve(convolution, if index > 0 { activation::relu(h) } else { h })
        };
        let through = self.chain.iter().enumerate().fold(x, through);
        activation::relu(through + self.inject.forward(z))
    }
}

/// What is done with a map.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a module cannot stand in a box")]
enum Features {
    /// x̂ = g(x₀, z).
    Once(Map),
    /// x̂ = g(x̂, z).
    FixedPoint(FixedPoint<Map>),
}

/// Features, and the convolution that reads the noise out of them.
#[derive(Module, Debug)]
pub(crate) struct Convolutional {
    features: Features,
    read_out: Conv2d,
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a module cannot stand in a box")]
enum Body {
    Convolutional(Convolutional),
    /// The image is the minimiser of an energy.
    Descent(FixedPoint<GradientDescent<Experts>>),
}

/// A denoiser of folded images.
#[derive(Module, Debug)]
pub(crate) struct Network {
    body: Body,
    unit: f64,
}

impl Network {
    /// The network of a shape; the seed gives its starting weights.
    pub(crate) fn new(
        shape: Shape,
        seed: u64,
        config: &FixedPointConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut generator = Generator::new(seed, WEIGHT_STREAM);
        let mut map = || Map::new(shape, &mut generator, device);
        let features = if shape.layer == LayerName::FpiNn {
            Some(Features::FixedPoint(config.init(map()).map_err(Error::layer)?))
        } else if shape.layer == LayerName::Feedforward {
            Some(Features::Once(map()))
        } else {
            None
        };
        let body = match features {
            Some(features) => {
                let read_out = convolution([shape.channels, shape.planes()], &mut generator, device);
                Body::Convolutional(Convolutional { features, read_out })
            }
            None => {
                let experts = Experts::new([shape.planes(), shape.channels], &mut generator, device);
                let step = GradientDescentConfig::new(RATE).with_learnable_rate(true).init(experts);
                Body::Descent(config.init(step.map_err(Error::layer)?).map_err(Error::layer)?)
            }
        };
        Ok(Self { body, unit: shape.sigma.typical() / 255.0 })
    }

    /// The noise in folded images z, `[batch, fold², height, width]`.
    pub(crate) fn noise(&self, z: Tensor<4>) -> Tensor<4> {
        let u = (z - SHIFT) * SCALE;
        match &self.body {
            Body::Convolutional(Convolutional { features, read_out }) => {
                let x = match features {
                    Features::Once(map) => map.update(map.start(&u), u),
                    Features::FixedPoint(layer) => layer.forward(u),
                };
                read_out.forward(x) * self.unit
            }
            Body::Descent(layer) => (u.clone() - layer.forward(u)) * (1.0 / SCALE),
        }
    }

    /// [`noise`](Self::noise) compiled for folded images in the shape of z, with the parameters that it takes besides; none
    /// where a layer is solved for, which compiles its update itself.
    pub(crate) fn compiled(&self, z: &Tensor<4>) -> Option<Result<(Compiled, Vec<Value>), Error>> {
        let Body::Convolutional(Convolutional { features: Features::Once(_), .. }) = &self.body else {
            return None;
        };
        let compiled = Compiled::of_module(self, z, Convolution::default(), |network, z| network.noise(z));
        Some(compiled.map_err(Error::layer))
    }

    /// The noise in folded images, and an estimate of `‖J‖_F² / n` at the fixed point of FPI_NN from a probe of random signs in
    /// the shape of the state; 0 for other layers.
    pub(crate) fn noise_and_gain(&self, z: Tensor<4>, probe: Tensor<4>) -> (Tensor<4>, Tensor<1>) {
        let Body::Convolutional(Convolutional { features: Features::FixedPoint(layer), read_out }) =
            &self.body
        else {
            return (self.noise(z.clone()), Tensor::zeros([1], &z.device()));
        };
        let u = (z - SHIFT) * SCALE;
        let x = layer.forward(u.clone());
        let gain = frobenius_penalty(layer, x.clone(), u, probe).unwrap_or_else(|error| panic!("{error}"));
        (read_out.forward(x) * self.unit, gain)
    }

    /// The estimate of [`noise_and_gain`](Self::noise_and_gain) alone, at a point that is held fixed, so that it leads back to a
    /// contraction where the solve failed.
    pub(crate) fn gain(&self, z: Tensor<4>, probe: Tensor<4>) -> Tensor<1> {
        let Body::Convolutional(Convolutional { features: Features::FixedPoint(layer), .. }) = &self.body
        else {
            return Tensor::zeros([1], &z.device());
        };
        let u = (z - SHIFT) * SCALE;
        let x = detached(layer.forward(u.clone()));
        frobenius_penalty(layer, x, u, probe).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The noise that is read out of every iterate of the solve for one folded image, and the residual there; none where
    /// nothing is solved for.
    pub(crate) fn iterates(&self, z: Tensor<4>) -> Result<Vec<(Tensor<4>, f64)>, Error> {
        let u = (z - SHIFT) * SCALE;
        let mut course = Vec::new();
        match &self.body {
            Body::Convolutional(Convolutional { features: Features::Once(_), .. }) => {}
            Body::Convolutional(Convolutional { features: Features::FixedPoint(layer), read_out }) => {
                let observe = |step: Step<'_, Tensor<4>>| {
                    course.push((read_out.forward(step.x) * self.unit, step.residuals[0]));
                    ControlFlow::Continue(())
                };
                let start = layer.update().start(&u);
                // How it ended is seen in the last residual.
                let _ = layer.solve_observed(start, u, observe).map_err(Error::layer)?;
            }
            Body::Descent(layer) => {
                let observe = |step: Step<'_, Tensor<4>>| {
                    course.push(((u.clone() - step.x) * (1.0 / SCALE), step.residuals[0]));
                    ControlFlow::Continue(())
                };
                let _ = layer.solve_observed(u.clone(), u.clone(), observe).map_err(Error::layer)?;
            }
        }
        Ok(course)
    }

    /// What the solvers did since the last call, for a mini-batch of `rows`; g applied once counts as one step.
    pub(crate) fn take_work(&self, rows: usize) -> Work {
        match &self.body {
            Body::Convolutional(Convolutional { features: Features::Once(_), .. }) => Work::once(rows),
            Body::Convolutional(Convolutional { features: Features::FixedPoint(layer), .. }) => {
                layer.take_statistics().into()
            }
            Body::Descent(layer) => layer.take_statistics().into(),
        }
    }
}
