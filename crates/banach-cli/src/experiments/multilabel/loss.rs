//! The loss, and the clipping of its gradient.

use banach::clip_gradients;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, activation};

/// Norm to which the gradient of all parameters together is clipped.
pub(crate) const GRADIENT_NORM: f64 = 1.0;
/// Keeps Adam's steps finite. The gradient of a mean over 159 labels is small, so this has to be smaller.
pub(crate) const GRADIENT_EPSILON: f64 = 1e-8;

/// Mean cross-entropy, and `weight` times 1 - F1 where the weight is not 0.
pub(crate) fn loss(logits: Tensor<2>, y: Tensor<2>, weight: f64) -> Tensor<1> {
    let entropy = cross_entropy(logits.clone(), y.clone());
    if weight == 0.0 {
        return entropy;
    }
    entropy + (soft_f1(activation::sigmoid(logits), y).neg() + 1.0) * weight
}

/// Mean of `-y ln σ(l) - (1 - y) ln(1 - σ(l))` over rows and labels, from the logits l: finite for every finite l.
fn cross_entropy(logits: Tensor<2>, y: Tensor<2>) -> Tensor<1> {
    let overflow_free = logits.clone().abs().neg().exp().log1p();
    (activation::relu(logits.clone()) - logits * y + overflow_free).mean()
}

/// Mean of `2 Σ x y / (Σ x + Σ y)` over the rows: the F1 of the outputs as they are, without a threshold.
fn soft_f1(x: Tensor<2>, y: Tensor<2>) -> Tensor<1> {
    let both = (x.clone() * y.clone()).sum_dim(1);
    (both * 2.0 / ((x + y).sum_dim(1) + 1e-6)).mean()
}

/// Scales all gradients together to a norm of at most [`GRADIENT_NORM`].
///
/// If the norm is not finite the gradient is dropped, the weights stay as they are, and the second value is false.
pub(crate) fn clip(network: &impl Module, gradients: GradientsParams) -> (GradientsParams, bool) {
    match clip_gradients(network, gradients, GRADIENT_NORM) {
        Ok((gradients, norm)) if norm.is_finite() => (gradients, true),
        Ok(_) => (GradientsParams::new(), false),
        Err(error) => panic!("bug: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn value(tensor: Tensor<1>) -> f64 {
        f64::from(tensor.into_scalar::<f32>())
    }

    #[test]
    fn the_loss_is_finite_and_exact_at_extreme_logits() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_floats([[0.3, -200.0, 200.0, 200.0]], &device);
        let y = Tensor::<2>::from_floats([[1.0, 0.0, 1.0, 0.0]], &device);
        let found = value(loss(logits.clone(), y.clone(), 0.0));
        let expected = ((1.0 + (-0.3_f64).exp()).ln() + 200.0) / 4.0;
        assert!((found - expected).abs() < 1e-5, "found {found}, expected {expected}");
        let first = 1.0 / (1.0 + (-0.3_f64).exp());
        let f1 = 2.0 * (first + 1.0) / (first + 2.0 + 2.0);
        let found = value(loss(logits, y, 3.0));
        assert!((found - expected - 3.0 * (1.0 - f1)).abs() < 1e-4, "found {found}");
    }
}
