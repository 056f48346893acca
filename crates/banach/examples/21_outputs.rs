//! Outputs beside the state: an attention cell that also returns its attention map at the fixed point.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::{Auxiliary, Error, FixedPoint, FixedPointConfig, Update};
use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor, activation};

// ANCHOR: cell
/// x = norm(z + softmax(Q x (K x)ᵀ) x / 2), for sequences of tokens.
#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    norm: LayerNorm,
}

impl Attention {
    /// The next state, and the attention map that leads to it.
    fn step(&self, x: Tensor<3>, z: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let keys = self.key.forward(x.clone()).swap_dims(1, 2);
        let map = activation::softmax(self.query.forward(x.clone()).matmul(keys), 2);
        (self.norm.forward(map.clone().matmul(x) * 0.5 + z), map)
    }
}

impl Update for Attention {
    type State = Tensor<3>;
    type Input = Tensor<3>;

    fn start(&self, z: &Tensor<3>) -> Tensor<3> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<3>, z: Tensor<3>) -> Tensor<3> {
        self.step(x, z).0
    }
}

impl Auxiliary for Attention {
    type Outputs = Tensor<3>;

    fn outputs(&self, x: Tensor<3>, z: Tensor<3>) -> Tensor<3> {
        self.step(x, z).1
    }
}
// ANCHOR_END: cell

const TOKENS: usize = 5;

// ANCHOR: loss
/// How far the maps at the fixed point are from looking at the token before.
fn loss(layer: &FixedPoint<Attention>, z: Tensor<3>, wanted: &Tensor<3>) -> Tensor<1> {
    let (_, map) = layer.forward_with_outputs(z);
    (map - wanted.clone()).square().mean()
}
// ANCHOR_END: loss

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let linear = || LinearConfig::new(8, 8).init(&device);
    let norm = LayerNormConfig::new(8).init(&device);
    let mut layer = FixedPointConfig::new().init(Attention { query: linear(), key: linear(), norm })?;
    let z = Tensor::<3>::random([16, TOKENS, 8], Distribution::Normal(0.0, 1.0), &device);
    // The tokens carry their places, so that the one before can be found.
    let places = Tensor::<2>::eye(TOKENS, &device).pad((0, 3, 0, 0), 0.0) * 4.0;
    let z = z + places.unsqueeze();
    let before = Tensor::<2>::eye(TOKENS, &device).select(0, Tensor::from_data([0, 0, 1, 2, 3], &device));
    let wanted: Tensor<3> = before.unsqueeze();

    let mut optimizer = AdamConfig::new().init();
    let mut losses = vec![];
    for _ in 0..60 {
        let loss = loss(&layer, z.clone(), &wanted);
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &layer);
        layer = optimizer.step(2e-2, layer, gradients);
    }
    // ANCHOR: report
    let solution = layer.solve(z.clone())?;
    let map = layer.outputs(&solution, z)?;
    println!("{}", solution.report().explain());
    println!("the first map {}", map.slice([0..1, 0..TOKENS, 0..TOKENS]));
    // ANCHOR_END: report
    println!("loss {:.4} at the start, {:.4} at the end", losses[0], losses[losses.len() - 1]);
    assert!(losses[losses.len() - 1] < 0.5 * losses[0]);
    Ok(())
}
