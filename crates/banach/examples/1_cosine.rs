//! The smallest layer: x = cos(c x), with its solution and the derivative of the solution in c.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::Tolerance;
use banach::{FixedPoint, FixedPointConfig};
use burn::module::Param;
use burn::tensor::{DType, Device, Tensor};

fn main() -> Result<(), banach::Error> {
    // ANCHOR: layer
    // x = cos(c x): one unknown, one parameter c = 1, no input z.
    let device = Device::flex().autodiff();
    let c = Param::from_tensor(Tensor::<2>::ones([1, 1], &device));
    let layer = FixedPoint::from_fn(c, [1], |c, x: Tensor<2>, _z: ()| (c.val() * x).cos())?;

    let x = layer.forward(()); // 0.739085
    let slope = layer.update().module().grad(&x.backward()); // dx/dc = -0.297474
    // ANCHOR_END: layer
    assert_known("x", x, 0.7390851332151607, 1e-4);
    assert_known("dx/dc", slope.expect("c is on the tape"), -0.29747434150983226, 1e-4);

    // ANCHOR: exact
    let c = Param::from_tensor(Tensor::<2>::ones([1, 1], (&device, DType::F64)));
    let layer = FixedPoint::from_fn(c, [1], |c, x: Tensor<2>, _z: ()| (c.val() * x).cos())?;
    let layer = layer.with_config(FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)))?;
    // ANCHOR_END: exact
    let x = layer.forward(());
    let slope = layer.update().module().grad(&x.backward()).expect("c is on the tape");
    assert_known("x", x, 0.7390851332151607, 1e-10);
    assert_known("dx/dc", slope, -0.29747434150983226, 1e-10);
    assert!(layer.statistics().forward_steps < 20);
    Ok(())
}

/// Prints a number, and asserts what it is.
fn assert_known(name: &str, found: Tensor<2>, known: f64, tolerance: f64) {
    let found: f64 = found.into_scalar();
    println!("{name} = {found}, known to be {known}");
    assert!((found - known).abs() < tolerance);
}
