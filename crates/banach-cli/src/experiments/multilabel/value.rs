//! Deep value networks: a network that predicts the F1 of a labelling, and inference that climbs it.

use super::inference::{constant, logits, minimised};
use super::label_network::{LabelNetwork, Solve};
use super::measures::{LabelMeasures, softplus};
use super::tuned::Sizes;
use crate::dataset::example::Widths;
use crate::experiments::epoch::Work;
use crate::experiments::perceptron::Perceptron;
use crate::random::Generator;
use banach::Energy;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

const LABELLING_STREAM: u64 = 5;

/// `v(y, z) = σ(β - E(y, ℓ(z)))`, the predicted F1 of the labelling y, with E the energy of SPEN (Gygli,
/// Norouzi and Angelova, "Deep Value Networks Learn to Evaluate and Iteratively Refine Structured Outputs", ICML 2017).
///
/// v climbs where E falls, so inference minimises E by projected gradient steps.
#[derive(Module, Debug)]
pub(crate) struct Value {
    features: Perceptron,
    judge: Judge,
    /// Whether labellings that the network judges worst train it as well.
    adversarial: bool,
}

/// E and β.
#[derive(Module, Debug)]
struct Judge {
    energy: LabelMeasures,
    /// β, `[1]`.
    bias: Param<Tensor<1>>,
}

impl Judge {
    /// The logit of v, `[batch, 1]`.
    fn logit(&self, y: Tensor<2>, base: Tensor<2>) -> Tensor<2> {
        self.energy.energy(y, base).neg().unsqueeze_dim::<2>(1) + self.bias.val().unsqueeze_dim::<2>(0)
    }
}

/// `-CE(v(y), F1(y, y*))`: its minimiser is the labelling whose F1 the network predicts worst.
#[derive(Module, Debug)]
struct Adversary {
    judge: Judge,
}

impl Energy for Adversary {
    type State = Tensor<2>;
    type Input = (Tensor<2>, Tensor<2>);

    fn start(&self, (base, _): &(Tensor<2>, Tensor<2>)) -> Tensor<2> {
        base.zeros_like()
    }

    fn energy(&self, y: Tensor<2>, (base, truth): (Tensor<2>, Tensor<2>)) -> Tensor<1> {
        let f1 = f1(y.clone(), truth);
        let logit = self.judge.logit(y, base);
        cross_entropy(logit, f1).squeeze_dim(1).neg()
    }
}

/// `2 Σ y y* / (Σ y + Σ y*)` of every row, `[batch, 1]`: the F1 of a relaxed labelling.
fn f1(y: Tensor<2>, truth: Tensor<2>) -> Tensor<2> {
    let both = (y.clone() * truth.clone()).sum_dim(1);
    both * 2.0 / ((y + truth).sum_dim(1) + 1e-6)
}

/// `-t ln σ(s) - (1 - t) ln(1 - σ(s))`, finite for every finite s.
fn cross_entropy(logit: Tensor<2>, target: Tensor<2>) -> Tensor<2> {
    softplus(logit.clone()) - logit * target
}

impl Value {
    /// The network; `adversarial` labellings train it beside the others.
    pub(crate) fn new(
        sizes: Sizes<'_>,
        adversarial: bool,
        generator: &mut Generator,
        device: &Device,
    ) -> Self {
        let Widths { features: inputs, labels } = sizes.widths;
        let features = Perceptron::new([inputs, sizes.hidden, labels], generator, device);
        Self {
            features: features.with_output_bias(sizes.bias, device),
            judge: Judge {
                energy: LabelMeasures::new([labels, sizes.label_units], generator, device),
                bias: Param::from_data(TensorData::new(vec![0.0_f32], [1]), device),
            },
            adversarial,
        }
    }

    /// Mean cross-entropy of v and F1 over the labellings that train: the true one, the inferred one, a random one, and the
    /// one that the network judges worst if it is trained by those. `draw` fixes the random one.
    pub(crate) fn objective(
        &self,
        (z, mask): (Tensor<2>, Option<Tensor<2>>),
        truth: Tensor<2>,
        draw: u64,
    ) -> Tensor<1> {
        let base = self.features.masked(z, mask);
        let (device, plain) = (base.device(), base.clone().without_autodiff());
        let plain_truth = truth.clone().without_autodiff();
        let judge = self.judge.valid();
        let mut labellings = vec![
            plain_truth.clone(),
            minimised(judge.energy.clone(), plain.clone()),
            random(&plain_truth, draw),
        ];
        if self.adversarial {
            let adversary = Adversary { judge };
            labellings.push(minimised(adversary, (plain, plain_truth)));
        }
        let count = labellings.len() as f64;
        let parts = labellings.into_iter().map(|y| {
            let y = constant(y, &device);
            let target = f1(y.clone(), truth.clone());
            cross_entropy(self.judge.logit(y, base.clone()), target).mean()
        });
        let total = parts.reduce(|sum, part| sum + part);
        total.unwrap_or_else(|| panic!("bug: no labelling to train on")) / count
    }
}

impl LabelNetwork for Value {
    /// Off the tape.
    fn logits(&self, z: Tensor<2>, _mask: Option<Tensor<2>>) -> Tensor<2> {
        logits(minimised(self.judge.energy.valid(), self.features.forward(z).without_autodiff()))
    }

    fn solve_at(&self, _z: Tensor<2>) -> Option<Box<dyn Solve + '_>> {
        None
    }

    fn take_work(&self, rows: usize) -> Work {
        Work::once(rows)
    }
}

/// Labellings with twice as many labels as the true ones in the mean, of which each true label is one at even odds.
fn random(truth: &Tensor<2>, draw: u64) -> Tensor<2> {
    let [rows, labels] = truth.dims();
    let truths: Vec<f32> = truth.clone().into_data().iter().collect();
    let share = truths.iter().map(|&value| f64::from(value)).sum::<f64>() / truths.len().max(1) as f64;
    let mut generator = Generator::new(draw, LABELLING_STREAM);
    let chosen = truths.iter().map(|&value| {
        let odds = if value > 0.5 { 0.5 } else { 1.5 * share };
        f32::from(u8::from(generator.uniform() < odds))
    });
    let numbers: Vec<f32> = chosen.collect();
    Tensor::from_data(TensorData::new(numbers, [rows, labels]), &truth.device())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relaxed_f1_is_f1_for_labellings_and_random_labellings_are_fixed_by_their_draw() {
        let device = Device::flex();
        let truth = Tensor::<2>::from_floats([[1.0, 1.0, 0.0, 0.0]], &device);
        let y = Tensor::<2>::from_floats([[1.0, 0.0, 1.0, 0.0]], &device);
        let found = f1(y, truth.clone()).into_scalar::<f32>();
        assert!((found - 0.5).abs() < 1e-6, "{found}");
        let numbers = |draw| random(&truth, draw).into_data().iter::<f32>().collect::<Vec<f32>>();
        assert_eq!(numbers(3), numbers(3));
        assert!((0..20).any(|draw| numbers(draw) != numbers(3)));
        let loss = cross_entropy(
            Tensor::<2>::from_floats([[0.3]], &device),
            Tensor::<2>::from_floats([[0.25]], &device),
        );
        let v = 1.0 / (1.0 + (-0.3_f32).exp());
        let expected = -0.25 * v.ln() - 0.75 * (1.0 - v).ln();
        assert!((loss.into_scalar::<f32>() - expected).abs() < 1e-6);
    }
}
