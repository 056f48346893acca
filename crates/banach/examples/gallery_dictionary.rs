//! Dictionary learning for a task: atoms whose sparse codes of noisy signals give back the clean ones.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::{Picard, Tolerance};
use banach::{Error, FixedPoint, FixedPointConfig, Update, check};
use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Distribution, Tensor, activation::relu};

const ATOMS: usize = 16;
const LENGTH: usize = 12;
const ROWS: usize = 64;
/// γ: below 2 / ‖D‖² for any 16 atoms of length 1.
const STEP: f64 = 0.12;

// ANCHOR: code
/// The code of a signal y: x = soft(x - γ (x D - y) Dᵀ, γ λ), with atoms D of length 1 and λ to learn.
#[derive(Module, Debug)]
struct Dictionary {
    atoms: Param<Tensor<2>>,
    log_lambda: Param<Tensor<2>>,
}

impl Dictionary {
    fn unit(&self) -> Tensor<2> {
        let atoms = self.atoms.val();
        atoms.clone() / atoms.square().sum_dim(1).sqrt()
    }
}

impl Update for Dictionary {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, y: &Tensor<2>) -> Tensor<2> {
        Tensor::zeros([y.dims()[0], ATOMS], (&y.device(), DType::F64))
    }

    fn update(&self, x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
        let (atoms, threshold) = (self.unit(), self.log_lambda.val().exp() * STEP);
        let down = x.clone() - (x.matmul(atoms.clone()) - y).matmul(atoms.transpose()) * STEP;
        relu(down.clone() - threshold.clone()) - relu(down.neg() - threshold)
    }
}

/// The mean squared error of the signals that the codes of noisy ones stand for.
fn loss(layer: &FixedPoint<Dictionary>, (noisy, clean): (Tensor<2>, Tensor<2>)) -> Tensor<1> {
    (layer.forward(noisy).matmul(layer.update().unit()) - clean).square().mean()
}
// ANCHOR_END: code

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let drawn = |shape: [usize; 2], std: f64| {
        Tensor::<2>::random(shape, Distribution::Normal(0.0, std), (&device, DType::F64))
    };
    let unit = |atoms: Tensor<2>| atoms.clone() / atoms.square().sum_dim(1).sqrt();
    let hidden = unit(drawn([ATOMS, LENGTH], 1.0));
    // About two atoms in a signal, and noise in each of its numbers.
    let signals = || {
        let chosen = Tensor::<2>::random([ROWS, ATOMS], Distribution::Bernoulli(0.1), (&device, DType::F64));
        let clean = (chosen * drawn([ROWS, ATOMS], 1.0)).matmul(hidden.clone());
        (clean.clone() + drawn([ROWS, LENGTH], 0.1), clean)
    };
    let lambda = Tensor::<2>::from_data([[0.1f64.ln()]], (&device, DType::F64));
    let start = Dictionary {
        atoms: Param::from_tensor(drawn([ATOMS, LENGTH], 1.0)),
        log_lambda: Param::from_tensor(lambda),
    };
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-6)).with_max_steps(20_000);
    let config = config.with_solver(Picard::default());
    let mut layer = config.init(start)?;
    let test = signals();
    let before = loss(&layer, test.clone()).into_scalar::<f64>();

    // ANCHOR: learn
    let mut optimizer = AdamConfig::new().init();
    for step in 0..500 {
        let loss = loss(&layer, signals());
        let gradients = GradientsParams::from_grads(loss.backward(), &layer);
        layer = optimizer.step(if step < 350 { 0.05 } else { 0.01 }, layer, gradients);
    }
    // ANCHOR_END: learn
    let after = loss(&layer, test.clone()).into_scalar::<f64>();
    let alike = hidden.matmul(layer.update().unit().transpose()).abs().max_dim(1).mean().into_scalar::<f64>();
    let noise = (test.0.clone() - test.1.clone()).square().mean().into_scalar::<f64>();
    println!(
        "mean squared error: {noise:.5} of the noise, {before:.5} by random atoms, {after:.5} by learned ones"
    );
    println!("cosine of a hidden atom with the nearest learned one: {alike:.3} on average");
    assert!(after < 0.8 * noise && after < 0.5 * before);

    let config = layer.config().clone().with_tolerance(Tolerance::both(1e-11));
    let found = check::gradients(&layer.with_config(config)?, test.0.narrow(0, 0, 4))?;
    println!("apart from finite differences {:.1e}", found.finite_difference);
    assert!(found.agrees(1e-4), "{found:?}");
    Ok(())
}
