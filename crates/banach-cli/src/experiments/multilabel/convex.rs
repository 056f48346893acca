//! Input-convex networks of the labels, minimised by the bundle entropy method or as a fixed point.

use super::inference::logits;
use super::label_network::{LabelNetwork, LayerSolve, Solve};
use super::tuned::Sizes;
use crate::dataset::example::Widths;
use crate::error::Error;
use crate::experiments::epoch::Work;
use crate::experiments::perceptron::linear;
use crate::options::LayerName;
use crate::random::Generator;
use banach::program::Program;
use banach::solve::Outcome;
use banach::{
    Bend, BundleEntropy, BundleEntropyConfig, BundleSolution, EntropicDescent, FixedPoint, FixedPointConfig,
    InputConvex, InputConvexConfig, Report,
};
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData, activation};
use std::sync::{Arc, Mutex, PoisonError};

/// Most cuts of a row.
const CUTS: usize = 10;
/// The relative gap at which a row counts as minimised.
const GAP: f64 = 1e-3;
/// The step of the entropic descent; solvers extrapolate from it.
const RATE: f64 = 0.5;

/// How the energy is minimised.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a module cannot stand in a box")]
enum Inference {
    Bundle(BundleEntropy<InputConvex>),
    Implicit(FixedPoint<EntropicDescent<InputConvex>>),
}

/// A hidden layer that reads the features, and an energy of the labels that is convex in them.
#[derive(Module, Debug)]
pub(crate) struct Convex {
    features: Linear,
    inference: Inference,
    /// What the bundle method did since it was last taken.
    #[module(skip)]
    work: Arc<Mutex<Work>>,
}

/// Draws all parameters anew, uniform in ±1/√inputs, equal on every device; biases start at 0.
struct Seeded<'a>(&'a mut Generator);

impl ModuleMapper for Seeded<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, value, _) = param.consume();
        let shape = value.shape();
        let bound = if D == 2 { 1.0 / (shape[0] as f64).sqrt() } else { 0.0 };
        let mut draw = |_| (bound * (2.0 * self.0.uniform() - 1.0)) as f32;
        let numbers: Vec<f32> = (0..shape.num_elements()).map(&mut draw).collect();
        let device = value.device();
        let value = Tensor::from_data(TensorData::new(numbers, shape), &device);
        Param::initialized(id, if device.is_autodiff() { value.require_grad() } else { value })
    }
}

impl Convex {
    /// The network for `layer`: icnn or icnn-implicit.
    pub(crate) fn new(
        layer: LayerName,
        sizes: Sizes<'_>,
        config: &FixedPointConfig,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self, Error> {
        let Widths { features: inputs, labels } = sizes.widths;
        let features = linear(inputs, sizes.hidden, generator, device);
        let implicit = layer == LayerName::IcnnImplicit;
        // The published network is piecewise linear; an implicit derivative needs curvature.
        let bend = if implicit { Bend::Softplus } else { Bend::Relu };
        let energy = InputConvexConfig::new(labels, sizes.hidden)
            .with_hidden(vec![sizes.label_units])
            .with_bend(bend)
            .init(device)
            .map_err(Error::layer)?;
        let energy = energy.map(&mut Seeded(generator)).projected();
        let inference = if implicit {
            let update = EntropicDescent::new(energy, RATE).map_err(Error::layer)?;
            Inference::Implicit(config.init(update).map_err(Error::layer)?)
        } else {
            let bundle = BundleEntropyConfig::new().with_steps(CUTS).with_tolerance(GAP);
            Inference::Bundle(bundle.init(energy).map_err(Error::layer)?)
        };
        Ok(Self { features, inference, work: Arc::default() })
    }

    fn hidden(&self, z: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        let hidden = activation::relu(self.features.forward(z));
        match mask {
            Some(mask) => hidden * mask,
            None => hidden,
        }
    }

    fn add(&self, solution: &BundleSolution) {
        let count = |wanted: Outcome| solution.outcomes.iter().filter(|outcome| **outcome == wanted).count();
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        *work += Work {
            forward_rows: solution.outcomes.len(),
            forward_steps: solution.steps.iter().sum(),
            unconverged_rows: count(Outcome::StepLimit),
            non_finite_rows: count(Outcome::NonFinite),
            ..Work::default()
        };
    }

    /// The network with an energy that is convex again after an optimizer step.
    pub(crate) fn projected(self) -> Self {
        let energy = match &self.inference {
            Inference::Bundle(layer) => layer.energy().clone(),
            Inference::Implicit(layer) => layer.update().energy().clone(),
        };
        energy.projected_in(self)
    }
}

impl LabelNetwork for Convex {
    fn logits(&self, z: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        let hidden = self.hidden(z, mask);
        match &self.inference {
            Inference::Bundle(layer) => {
                let forward = layer.forward_reported(hidden);
                let (y, solution) = forward.unwrap_or_else(|error| panic!("bug: {error}"));
                self.add(&solution);
                logits(y)
            }
            Inference::Implicit(layer) => layer.forward(hidden),
        }
    }

    fn solve_at(&self, z: Tensor<2>) -> Option<Box<dyn Solve + '_>> {
        let hidden = self.hidden(z, None);
        Some(match &self.inference {
            Inference::Bundle(layer) => Box::new(BundleSolve { layer, hidden }),
            Inference::Implicit(layer) => Box::new(LayerSolve::of_logits(layer, hidden)),
        })
    }

    fn take_work(&self, _rows: usize) -> Work {
        match &self.inference {
            Inference::Bundle(_) => {
                std::mem::take(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Inference::Implicit(layer) => layer.take_statistics().into(),
        }
    }
}

/// The minimiser that the bundle entropy method finds for hidden units.
struct BundleSolve<'a> {
    layer: &'a BundleEntropy<InputConvex>,
    hidden: Tensor<2>,
}

impl Solve for BundleSolve<'_> {
    fn logits(&self) -> Result<(Tensor<2>, Vec<Outcome>), Error> {
        let solution = self.layer.solve(self.hidden.clone()).map_err(Error::layer)?;
        Ok((logits(solution.value), solution.outcomes))
    }

    fn program(&self) -> Result<Program, Error> {
        Err(Error::without_fixed_point("icnn"))
    }

    fn report(&self) -> Result<Report, Error> {
        Err(Error::without_fixed_point("icnn"))
    }
}
