//! FlowNet, and the layer behind it.

use super::convolutions::Weights;
use super::data_term::{linearised, seen};
use super::flownet::{FlowNet, Variant};
use super::horn_schunck::HornSchunck;
use super::refiner::Refiner;
use crate::dataset::pair_batches::BLOCK;
use crate::error::Error;
use crate::experiments::epoch::Work;
use crate::options::LayerName;
use crate::random::Generator;
use banach::program::Value;
use banach::{Compiled, Convolution, FixedPoint, FixedPointConfig, Step, Update};
use burn::module::Module;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

const WEIGHT_STREAM: u64 = 6;
const LAYER_STREAM: u64 = 7;

/// What makes a network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// What stands behind FlowNet.
    pub(crate) layer: LayerName,
    /// Channels, as a part of the published ones.
    pub(crate) width: f64,
    /// How much the convolutions of the map may make of a difference; without a bound where the map is applied once.
    pub(crate) gain: Option<f64>,
    #[serde(default, skip_serializing_if = "Variant::is_paper")]
    pub(crate) variant: Variant,
}

/// What is done with the flow of FlowNet.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a module cannot stand in a box")]
pub(crate) enum Layer {
    /// x̂ = g(f, (f, s)), s what is seen at f.
    Once(Refiner),
    /// x̂ = g(x̂, (f, s)).
    FixedPoint(FixedPoint<Refiner>),
    /// The minimiser of the energy of Horn and Schunck about f.
    Variational(FixedPoint<HornSchunck>),
}

/// A network from two images to their flow at 1/4 of their size.
#[derive(Module, Debug)]
pub(crate) struct Network {
    flownet: FlowNet,
    layer: Option<Layer>,
}

impl Network {
    /// The network of a shape; the seed gives its starting weights, those of FlowNet alike for all layers.
    pub(crate) fn new(
        shape: Shape,
        seed: u64,
        config: &FixedPointConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let weights = |stream| Weights { generator: Generator::new(seed, stream), device };
        let mut behind = weights(LAYER_STREAM);
        let mut refiner = || Refiner::new(shape.gain, &mut behind);
        let layer = if shape.layer == LayerName::FpiNn {
            Some(Layer::FixedPoint(config.init(refiner()).map_err(Error::layer)?))
        } else if shape.layer == LayerName::Feedforward {
            Some(Layer::Once(refiner()))
        } else if shape.layer == LayerName::Variational {
            let step = HornSchunck::new(&weights(LAYER_STREAM));
            Some(Layer::Variational(config.init(step).map_err(Error::layer)?))
        } else {
            None
        };
        let flownet = FlowNet::new(shape.variant, shape.width, &mut weights(WEIGHT_STREAM));
        Ok(Self { flownet, layer })
    }

    /// FlowNet without a layer.
    pub(crate) fn alone(flownet: FlowNet) -> Self {
        Self { flownet, layer: None }
    }

    /// This network with FlowNet, and its weights, of another one, which stays as it is.
    pub(crate) fn behind(self, other: Self) -> Self {
        Self { flownet: other.flownet.no_grad(), ..self }
    }

    /// This network with FlowNet kept as it is.
    pub(crate) fn frozen(self) -> Self {
        Self { flownet: self.flownet.no_grad(), ..self }
    }

    /// Parameters of FlowNet, and of the layer behind it.
    pub(crate) fn parameters(&self) -> [usize; 2] {
        [self.flownet.num_params(), self.layer.as_ref().map_or(0, Module::num_params)]
    }

    /// The flow of FlowNet at five scales, the finest last; images are `[batch, 6, height, width]`.
    pub(crate) fn flows(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        self.flownet.flows(images)
    }

    /// What the layer makes of the finest flow of FlowNet; none without a layer.
    pub(crate) fn refined(&self, flow: Tensor<4>, images: Tensor<4>) -> Option<Tensor<4>> {
        let images = reduced(images);
        Some(match self.layer.as_ref()? {
            Layer::Once(refiner) => refiner.update(flow.clone(), (flow.clone(), seen(flow, images))),
            Layer::FixedPoint(layer) => layer.forward((flow.clone(), seen(flow, images))),
            Layer::Variational(layer) => layer.forward(linearised(flow, images)),
        })
    }

    /// The finest flow of FlowNet compiled for images in the shape of these, with the parameters that it takes besides.
    pub(crate) fn compiled(&self, images: &Tensor<4>) -> Result<(Compiled, Vec<Value>), Error> {
        let run = |flownet: &FlowNet, images| flownet.finest(images);
        Compiled::of_module(&self.flownet, images, Convolution::default(), run).map_err(Error::layer)
    }

    /// Every iterate of the solve for one pair, and the residual there; none where nothing is solved for.
    pub(crate) fn iterates(
        &self,
        flow: Tensor<4>,
        images: Tensor<4>,
    ) -> Result<Vec<(Tensor<4>, f64)>, Error> {
        let mut course = Vec::new();
        let observe = |step: Step<'_, Tensor<4>>| {
            course.push((step.x, step.residuals[0]));
            ControlFlow::Continue(())
        };
        let images = reduced(images);
        // How a solve ended is seen in its last residual.
        match &self.layer {
            None | Some(Layer::Once(_)) => {}
            Some(Layer::FixedPoint(layer)) => {
                let z = (flow.clone(), seen(flow.clone(), images));
                let _ = layer.solve_observed(flow, z, observe).map_err(Error::layer)?;
            }
            Some(Layer::Variational(layer)) => {
                let z = linearised(flow.clone(), images);
                let _ = layer.solve_observed(flow, z, observe).map_err(Error::layer)?;
            }
        }
        Ok(course)
    }

    /// What the solvers did since the last call, for a mini-batch of `rows`; nothing solved for counts as one step.
    pub(crate) fn take_work(&self, rows: usize) -> Work {
        match &self.layer {
            None | Some(Layer::Once(_)) => Work::once(rows),
            Some(Layer::FixedPoint(layer)) => layer.take_statistics().into(),
            Some(Layer::Variational(layer)) => layer.take_statistics().into(),
        }
    }
}

/// Images at the size of the finest flow.
fn reduced(images: Tensor<4>) -> Tensor<4> {
    avg_pool2d(images, AvgPoolOptions::new([BLOCK; 2]))
}
