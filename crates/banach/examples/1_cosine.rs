//! The smallest layer: x = cos(c x), with its solution and the derivative of the solution.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::Tolerance;
use banach::{FixedPointConfig, Update};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};

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
        (self.c.val() * x).cos() // x = cos(c x)
    }
}

fn main() -> Result<(), banach::Error> {
    let c = Tensor::from_data([[1.0]], (&Device::flex().autodiff(), DType::F64));
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12));
    let layer = config.init(Cosine { c: Param::from_tensor(c) })?;

    let solution = layer.solve(())?;
    let gradients = solution.value().backward();
    let slope = layer.update().c.grad(&gradients).map(|gradient| gradient.into_scalar::<f64>());

    println!("{}", solution.report().explain());
    println!("x = cos(x) at x = {}", solution.value().clone().into_scalar::<f64>());
    println!("dx/dc = {slope:?}");

    let x: f64 = solution.into_value().into_scalar();
    assert!((x - 0.7390851332151607).abs() < 1e-10);
    assert!(slope.is_some_and(|slope| (slope + 0.29747434150983226).abs() < 1e-10));
    Ok(())
}
