//! A deep equilibrium transformer on the copy-memory task: symbols, a pause, and the symbols again.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::Tolerance;
use banach::{Error, FixedPoint, FixedPointConfig, Update, check};
use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::{log_softmax, relu, softmax};
use burn::tensor::{DType, Device, Distribution, Tensor, TensorData};

const COPIED: usize = 3;
const SYMBOLS: usize = 4;
const LENGTH: usize = 2 * COPIED + 4;
/// A token is a symbol, a pause or the request to copy, at one of the places.
const TOKENS: usize = SYMBOLS + 2 + LENGTH;
const WIDTH: usize = 24;

// ANCHOR: block
/// One block, applied up to its fixed point: y = norm(z E + attention(x + z E)), x = norm(y + relu(y W) U) / 2.
#[derive(Module, Debug)]
struct Block {
    embedding: Param<Tensor<3>>,
    query: Param<Tensor<3>>,
    key: Param<Tensor<3>>,
    value: Param<Tensor<3>>,
    widen: Param<Tensor<3>>,
    narrow: Param<Tensor<3>>,
}

fn norm(x: Tensor<3>) -> Tensor<3> {
    let centred = x.clone() - x.mean_dim(2);
    centred.clone() / (centred.square().mean_dim(2) + 1e-5).sqrt()
}

impl Update for Block {
    type State = Tensor<3>;
    type Input = Tensor<3>;

    fn start(&self, z: &Tensor<3>) -> Tensor<3> {
        Tensor::zeros([z.dims()[0], LENGTH, WIDTH], (&z.device(), DType::F64))
    }

    fn update(&self, x: Tensor<3>, z: Tensor<3>) -> Tensor<3> {
        let z = z.matmul(self.embedding.val());
        let seen = x + z.clone();
        let [query, key, value] = [&self.query, &self.key, &self.value].map(|w| seen.clone().matmul(w.val()));
        let attention = softmax(query.matmul(key.swap_dims(1, 2)) / (WIDTH as f64).sqrt(), 2);
        let y = norm(z + attention.matmul(value));
        norm(y.clone() + relu(y.matmul(self.widen.val())).matmul(self.narrow.val())) * 0.5
    }
}

/// The scores of each symbol at the places after the pause, by a block and a linear map.
fn scores((block, head): &(FixedPoint<Block>, Param<Tensor<3>>), tokens: Tensor<3>) -> Tensor<3> {
    block.forward(tokens).narrow(1, LENGTH - COPIED, COPIED).matmul(head.val())
}
// ANCHOR_END: block

/// Sequences `[rows, length, tokens]` and the symbols to copy `[rows, copied, symbols]`, as indicators.
fn sequences(rows: usize, device: &Device) -> (Tensor<3>, Tensor<3>) {
    let uniform = Distribution::Uniform(0.0, SYMBOLS as f64);
    let drawn = Tensor::<2>::random([rows, COPIED], uniform, (device, DType::F64)).to_data();
    let drawn: Vec<usize> = drawn.iter::<f64>().map(|draw| draw as usize).collect();
    let (mut tokens, mut symbols) = (vec![0.0; rows * LENGTH * TOKENS], vec![0.0; rows * COPIED * SYMBOLS]);
    for (row, place) in (0..rows).flat_map(|row| (0..LENGTH).map(move |place| (row, place))) {
        let copied = (place < COPIED).then(|| drawn[row * COPIED + place]);
        copied.iter().for_each(|symbol| symbols[(row * COPIED + place) * SYMBOLS + symbol] = 1.0);
        let token = copied.unwrap_or(SYMBOLS + usize::from(place >= LENGTH - COPIED));
        let marked = [token, SYMBOLS + 2 + place];
        marked.iter().for_each(|token| tokens[(row * LENGTH + place) * TOKENS + token] = 1.0);
    }
    let tensor = |numbers, shape| Tensor::from_data(TensorData::new(numbers, shape), (device, DType::F64));
    (tensor(tokens, [rows, LENGTH, TOKENS]), tensor(symbols, [rows, COPIED, SYMBOLS]))
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let param = |inputs, outputs, std| {
        let drawn = Distribution::Normal(0.0, std);
        Param::from_tensor(Tensor::<3>::random([1, inputs, outputs], drawn, (&device, DType::F64)))
    };
    let [query, key, value, widen, narrow] = [0.2; 5].map(|std| param(WIDTH, WIDTH, std));
    let block = Block { embedding: param(TOKENS, WIDTH, 1.0), query, key, value, widen, narrow };
    let config = FixedPointConfig::new().with_max_steps(100);
    let mut model = (config.init(block)?, param(WIDTH, SYMBOLS, 0.2));

    // ANCHOR: train
    let mut optimizer = AdamConfig::new().init();
    for _ in 0..500 {
        let (tokens, symbols) = sequences(32, &device);
        let loss = (log_softmax(scores(&model, tokens), 2) * symbols).sum_dim(2).mean().neg();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(5e-3, model, gradients);
    }
    // ANCHOR_END: train
    let (tokens, symbols) = sequences(256, &device);
    let guesses = scores(&model, tokens.clone()).argmax(2);
    let right: f64 = guesses.equal(symbols.argmax(2)).float().mean().into_scalar();
    println!("{:.1} % of the symbols are copied; a guess copies one in {SYMBOLS}", 100.0 * right);
    assert!(right > 0.95);

    let tight = model.0.with_config(config.with_tolerance(Tolerance::both(1e-11)))?;
    let found = check::gradients(&tight, tokens.narrow(0, 0, 2))?;
    println!("apart from finite differences {:.1e}", found.finite_difference);
    assert!(found.agrees(1e-5), "{found:?}");
    Ok(())
}
