//! The loss of FlowNet: end point errors at five scales, and behind the layer.

use super::network::Network;
use burn::tensor::Tensor;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;

/// The published weights of the scales from 1/64 to 1/4, of errors summed over the pixels of each scale.
const WEIGHTS: [f64; 5] = [0.32, 0.08, 0.02, 0.01, 0.005];
/// A square that is added to those of an error, so that its root has a derivative at 0.
const TINY: f64 = 1e-8;

/// Images `[batch, 6, height, width]`, and their flow at 1/4 of the size.
pub(crate) type Pairs = (Tensor<4>, Tensor<4>);

/// The errors at all scales and behind the layer, each as a mean over pixels, with the published weights relative to that of
/// the finest scale; the flow behind the layer counts as another finest scale.
pub(crate) fn of_all_scales(network: &Network, (images, flow): Pairs) -> Tensor<1> {
    let finest = WEIGHTS[WEIGHTS.len() - 1];
    let mut found = network.flows(images.clone());
    let refined = found.last().and_then(|flow| network.refined(flow.clone(), images));
    let mut sum = refined.map_or_else(|| Tensor::zeros([1], &flow.device()), |x| error(x, flow.clone()));
    let mut truth = flow;
    let mut pixels = 1.0;
    for weight in WEIGHTS.into_iter().rev() {
        let Some(flow) = found.pop() else { break };
        sum = sum + error(flow, truth.clone()) * (weight / finest / pixels);
        if !found.is_empty() {
            truth = avg_pool2d(truth, AvgPoolOptions::new([2, 2]));
            pixels *= 4.0;
        }
    }
    sum
}

/// The error behind the layer alone.
pub(crate) fn of_the_layer(network: &Network, (images, truth): Pairs) -> Tensor<1> {
    let found = network.flows(images.clone()).pop();
    let refined = found.and_then(|flow| network.refined(flow, images));
    match refined {
        Some(x) => error(x, truth),
        None => Tensor::zeros([1], &truth.device()),
    }
}

/// The mean end point error.
fn error(found: Tensor<4>, truth: Tensor<4>) -> Tensor<1> {
    ((found - truth).square().sum_dim(1) + TINY).sqrt().mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::flow::flownet::Variant;
    use crate::experiments::flow::network::Shape;
    use crate::experiments::flow::settings;
    use crate::options::LayerName;
    use banach::Objective;
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::optim::GradientsParams;
    use burn::tensor::{Device, TensorData};

    fn batch(device: &Device) -> Pairs {
        let tensor = |shape: [usize; 4], slope: f32| {
            let count = shape.iter().product::<usize>();
            let values: Vec<f32> = (0..count).map(|at| 0.5 + 0.4 * (at as f32 * slope).sin()).collect();
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        (tensor([2, 6, 64, 64], 0.37), tensor([2, 2, 16, 16], 0.11) - 0.5)
    }

    /// The greatest difference of two gradients of a module, the greatest of their elements, and the number of tensors.
    struct Differences<'a>(&'a GradientsParams, &'a GradientsParams, [f32; 2], usize);

    impl ModuleVisitor for Differences<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let [one, other] = [self.0, self.1].map(|all| all.get::<D>(param.id));
            assert_eq!(one.is_some(), other.is_some(), "a parameter with one gradient");
            let (Some(one), Some(other)) = (one, other) else { return };
            self.3 += 1;
            let greatest = |x: Tensor<D>| x.abs().max().into_scalar::<f32>();
            self.2 = [self.2[0].max(greatest(one.clone() - other)), self.2[1].max(greatest(one))];
        }
    }

    fn network(layer: LayerName, device: &Device) -> Network {
        let gain = (layer == LayerName::FpiNn).then_some(0.9);
        let shape = Shape { layer, width: 0.03, gain, variant: Variant::Paper };
        let config = settings::evaluation().with_max_steps(300);
        Network::new(shape, 3, &config, device).unwrap()
    }

    #[test]
    fn compiled_steps_have_the_gradient_of_the_tape() {
        let device = Device::flex().autodiff();
        for layer in [LayerName::NoLayer, LayerName::FpiNn, LayerName::Feedforward, LayerName::Variational] {
            let network = network(layer, &device);
            let objective = Objective::new(of_all_scales);
            let (value, compiled) = objective.value_and_gradient(&network, batch(&device)).unwrap();
            let loss = of_all_scales(&network, batch(&device));
            let found = loss.clone().into_scalar::<f32>();
            assert!((f64::from(found) - value).abs() < 1e-4 * value, "{layer:?}: {found} {value}");
            let tape = GradientsParams::from_grads(loss.backward(), &network);
            let mut differences = Differences(&compiled, &tape, [0.0; 2], 0);
            network.visit(&mut differences);
            let Differences(_, _, [difference, greatest], count) = differences;
            assert!(count > 40 && difference < 2e-3 * greatest, "{layer:?}: {count} {difference} {greatest}");
        }
    }

    #[test]
    fn a_frozen_network_has_no_gradient_and_the_layer_has_one() {
        let device = Device::flex().autodiff();
        let kept = network(LayerName::NoLayer, &device);
        let network = network(LayerName::FpiNn, &device).behind(kept);
        let (_, gradients) =
            Objective::new(of_the_layer).value_and_gradient(&network, batch(&device)).unwrap();
        let mut found = Differences(&gradients, &gradients, [0.0; 2], 0);
        network.visit(&mut found);
        assert_eq!(found.3, 5);
    }
}
