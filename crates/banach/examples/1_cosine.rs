//! The smallest layer: x = cos(c x), with its solution and the derivative of the solution in c.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::Tolerance;
use banach::{FixedPointConfig, Update};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};

// ANCHOR: update
#[derive(Module, Debug)]
struct Cosine {
    c: Param<Tensor<2>>,
}

impl Update for Cosine {
    type State = Tensor<2>;
    type Input = ();

    fn start(&self, _: &()) -> Tensor<2> {
        self.c.val().zeros_like()
    }

    fn update(&self, x: Tensor<2>, _: ()) -> Tensor<2> {
        (self.c.val() * x).cos()
    }
}
// ANCHOR_END: update

fn main() -> Result<(), banach::Error> {
    // ANCHOR: use
    let c = Tensor::from_data([[1.0]], (&Device::flex().autodiff(), DType::F64));
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12));
    let layer = config.init(Cosine { c: Param::from_tensor(c) })?;

    let x = layer.forward(());
    let slope = layer.update().c.grad(&x.backward()).expect("c is on the tape");
    assert_known("x", x, 0.7390851332151607);
    assert_known("dx/dc", slope, -0.29747434150983226);
    // ANCHOR_END: use

    let steps = layer.statistics().forward_steps;
    println!("found in {steps} steps");
    assert!(steps < 20);
    Ok(())
}

/// Prints a number, and asserts what it is.
fn assert_known(name: &str, found: Tensor<2>, known: f64) {
    let found: f64 = found.into_scalar();
    println!("{name} = {found}, known to be {known}");
    assert!((found - known).abs() < 1e-10);
}
