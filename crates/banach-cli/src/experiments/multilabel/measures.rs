//! The energy of SPEN: scores of single labels, and a global term that measures the labelling as a whole.

use crate::experiments::perceptron::linear;
use crate::random::Generator;
use banach::Energy;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData, activation};

/// How strongly a measurement counts in the energy to start with; every other one attracts.
const STARTING_WEIGHT: f32 = 0.1;

/// `E(y, ℓ) = -⟨y, ℓ⟩ + ⟨a, softplus(C y + b)⟩` for the logits ℓ of the features (Belanger and McCallum, "Structured
/// Prediction Energy Networks", ICML 2016, section 4).
#[derive(Module, Debug)]
pub(crate) struct LabelMeasures {
    units: Linear,
    weights: Param<Tensor<1>>,
}

impl LabelMeasures {
    /// The energy of so many labels and measurements, with starting weights from the generator.
    pub(crate) fn new([labels, units]: [usize; 2], generator: &mut Generator, device: &Device) -> Self {
        let signs = |unit: usize| if unit.is_multiple_of(2) { STARTING_WEIGHT } else { -STARTING_WEIGHT };
        let weights: Vec<f32> = (0..units).map(signs).collect();
        Self {
            units: linear(labels, units, generator, device),
            weights: Param::from_data(TensorData::new(weights, [units]), device),
        }
    }
}

/// `ln(1 + exp(x))`, finite for every finite x.
pub(crate) fn softplus(x: Tensor<2>) -> Tensor<2> {
    activation::log_sigmoid(x.neg()).neg()
}

impl Energy for LabelMeasures {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, base: &Tensor<2>) -> Tensor<2> {
        base.zeros_like()
    }

    fn energy(&self, y: Tensor<2>, base: Tensor<2>) -> Tensor<1> {
        let measured = softplus(self.units.forward(y.clone())) * self.weights.val().unsqueeze_dim::<2>(0);
        (measured.sum_dim(1) - (y * base).sum_dim(1)).squeeze_dim(1)
    }
}
