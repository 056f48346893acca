//! A network with a layer: training steps, records, and rows that fail.

use crate::{device, largest_difference, spread};
use banach::{FixedPoint, FixedPointConfig, OnFailure, Update};
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, activation};

/// x = tanh(x W + z)
#[derive(Module, Debug)]
struct Dense {
    w: Param<Tensor<2>>,
}

impl Dense {
    fn new(device: &Device) -> Self {
        Self { w: Param::from_tensor((spread([16, 16], 1, device) * 0.2).detach().require_grad()) }
    }
}

impl Update for Dense {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        (x.matmul(self.w.val()) + z).tanh()
    }
}

/// A linear map behind a layer.
#[derive(Module, Debug)]
struct Network {
    layer: FixedPoint<Dense>,
    output: Linear,
}

impl Network {
    fn new(device: &Device) -> Self {
        let mut output = LinearConfig::new(16, 3).init(device);
        output.weight = Param::from_tensor(spread([16, 3], 2, device).detach().require_grad());
        output.bias = Some(Param::from_tensor(spread([3], 3, device).detach().require_grad()));
        Self { layer: FixedPointConfig::new().init(Dense::new(device)).unwrap(), output }
    }

    fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        self.output.forward(self.layer.forward(z))
    }
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// The losses of a few training steps, and the network.
fn trained(device: &Device) -> (Vec<f64>, Network) {
    let device = device.clone().autodiff();
    let mut network = Network::new(&device);
    let mut optimizer = AdamConfig::new().init();
    let (z, y) = (spread([12, 16], 4, &device), spread([12, 3], 5, &device));
    let mut losses = Vec::new();
    for _ in 0..8 {
        let loss = (network.forward(z.clone()) - y.clone()).powi_scalar(2).mean();
        losses.push(numbers(loss.clone())[0]);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(1e-2, network, gradients);
    }
    (losses, network)
}

#[test]
fn training_follows_the_processor() {
    let ((found, _), (expected, _)) = (trained(&device()), trained(&Device::flex()));
    assert!(largest_difference(&found, &expected) < 1e-4, "{found:?}, expected {expected:?}");
    assert!(expected.last() < expected.first());
}

#[cfg(feature = "remote")]
#[test]
fn training_on_a_server_that_lends_the_device_follows_the_processor() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let transport = burn::server::WebSocketTransport::from_listener(listener);
    std::thread::spawn(move || banach::remote::server(&device()).serve(transport));
    let lent = banach::remote::connect(&address).unwrap();
    let ((found, _), (expected, _)) = (trained(&lent), trained(&Device::flex()));
    assert!(largest_difference(&found, &expected) < 1e-4, "{found:?}, expected {expected:?}");
}

#[test]
fn a_network_goes_from_device_to_device_by_its_record() {
    let (_, network) = trained(&device());
    let z = spread([5, 16], 6, &device().autodiff());
    let expected = numbers(network.forward(z.clone()));
    let there = Network::new(&device().autodiff()).load_record(network.clone().into_record());
    let processor = Device::flex().autodiff();
    let here = network.fork(&processor);
    assert!(largest_difference(&numbers(there.forward(z)), &expected) < 1e-6);
    let found = numbers(here.forward(spread([5, 16], 6, &processor)));
    assert!(largest_difference(&found, &expected) < 1e-4, "{found:?}, expected {expected:?}");
}

#[test]
fn a_row_that_is_not_a_number_fails_alone() {
    let run = |device: &Device| {
        let device = device.clone().autodiff();
        let config = FixedPointConfig::new().with_on_failure(OnFailure::Skip);
        let layer: FixedPoint<Dense> = config.init(Dense::new(&device)).unwrap();
        let mut z: Vec<f32> = spread([4, 16], 7, &device).into_data().iter::<f32>().collect();
        z[2 * 16 + 3] = f32::NAN;
        let z = Tensor::<2>::from_data(burn::tensor::TensorData::new(z, [4, 16]), &device);
        let solution = layer.solve(z).unwrap();
        let outcomes = solution.report().outcomes.clone();
        let x = solution.into_value();
        let first = x.clone().slice([0..2, 0..16]);
        let gradients = first.sum().backward();
        let w = layer.update().w.val().grad(&gradients).map(numbers);
        (format!("{outcomes:?}"), w.unwrap_or_default())
    };
    let ((outcomes, found), (expected, gradient)) = (run(&device()), run(&Device::flex()));
    assert_eq!(outcomes, expected);
    assert!(found.iter().all(|x| x.is_finite()) && largest_difference(&found, &gradient) < 1e-4);
}

/// x = second(relu(first(pooled x) + z))
#[derive(Module, Debug)]
struct Images {
    first: Conv2d,
    second: Conv2d,
}

impl Update for Images {
    type State = Tensor<4>;
    type Input = Tensor<4>;

    fn start(&self, z: &Tensor<4>) -> Tensor<4> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<4>, z: Tensor<4>) -> Tensor<4> {
        let pool = MaxPool2dConfig::new([3, 3])
            .with_strides([1, 1])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        let x = pool.init().forward(x) * 0.5;
        self.second.forward(activation::relu(self.first.forward(x) + z))
    }
}

#[test]
fn images_with_convolutions_and_pooling_agree() {
    let run = |device: &Device| {
        let device = device.clone().autodiff();
        let convolution = |seed: u32| {
            let config =
                Conv2dConfig::new([4, 4], [3, 3]).with_padding(PaddingConfig2d::Same).with_bias(false);
            let mut convolution = config.init(&device);
            let weight = (spread([4, 4, 3, 3], seed, &device) * 0.12).detach().require_grad();
            convolution.weight = Param::from_tensor(weight);
            convolution
        };
        let images = Images { first: convolution(8), second: convolution(9) };
        let layer: FixedPoint<Images> = FixedPointConfig::new().init(images).unwrap();
        let z = spread([3, 4, 6, 6], 10, &device).require_grad();
        let x = layer.forward(z.clone());
        let gradients = x.clone().powi_scalar(2).mean().backward();
        let weight = layer.update().first.weight.val().grad(&gradients).unwrap();
        [numbers(x), numbers(z.grad(&gradients).unwrap()), numbers(weight)]
    };
    for (found, expected) in run(&device()).iter().zip(&run(&Device::flex())) {
        assert!(largest_difference(found, expected) < 1e-4);
    }
}
