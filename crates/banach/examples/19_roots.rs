//! Roots of equations and stationary points of energies as layers: the conditions are written, the derivative follows.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::Tolerance;
use banach::{Error, FixedPoint, FixedPointConfig, Function, GradientDescentConfig, Projection, check};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};

fn numbers(x: &Tensor<2>) -> Vec<f64> {
    x.clone().into_data().iter::<f64>().collect()
}

fn main() -> Result<(), Error> {
    let place = (&Device::flex().autodiff(), DType::F64);
    let tight = Tolerance::both(1e-12);

    // ANCHOR: root
    // The pressure p of a van der Waals gas of density ρ: (p + a ρ²)(1 - b ρ) = ρ t, solved for ρ.
    let attraction = Param::from_tensor(Tensor::<2>::from_data([[0.4]], place));
    let gas = |a: &Param<Tensor<2>>, density: Tensor<2>, (p, t): (Tensor<2>, Tensor<2>)| {
        (p + density.clone().square() * a.val()) * (density.clone() * -0.2 + 1.0) - density * t
    };
    let layer = FixedPoint::from_equation(attraction, [1], gas)?;
    // ANCHOR_END: root
    // ANCHOR: settings
    let layer = layer.with_config(FixedPointConfig::for_roots().with_tolerance(tight))?;
    let p = Tensor::<2>::from_data([[0.5], [1.0], [2.0]], place).require_grad();
    let t = Tensor::<2>::ones([3, 1], place);
    let solution = layer.solve((p.clone(), t.clone()))?;
    println!("{}", solution.report().explain());
    let density = solution.into_value();
    let gradients = density.clone().sum().backward();
    let compressibility = p.grad(&gradients).expect("p is on the tape");
    let by_attraction = layer.update().equation().module().grad(&gradients).expect("a is on the tape");
    // ANCHOR_END: settings
    println!("densities {density}\n∂ρ/∂p {compressibility}\n∂Σρ/∂a {by_attraction}");

    // ANCHOR: forward
    // Forward mode: the layer as a function, and its derivative along (ṗ, ṫ) = (1, 0).
    let (layer, p, t) = (layer.valid(), p.inner(), t.inner());
    let (f, attraction) = Function::of_module(&layer, &(p.clone(), t.clone()), |layer, z| layer.forward(z))?;
    let along = (p.ones_like(), t.zeros_like());
    let along: Tensor<2> = f.jvp_of(&[0, 1]).call(((p.clone(), t.clone()), attraction, along))?;
    // ANCHOR_END: forward
    let difference = (along - compressibility).abs().max().into_scalar::<f64>();
    assert!(difference < 1e-10, "{difference}");
    let found = check::gradients(&layer, (p, t))?;
    assert!(found.agrees(1e-6), "{found:?}");

    // ANCHOR: energy
    // The portfolio that minimises ½ r ‖x‖² - zᵀx with x >= 0 and Σx = 1, for a risk r and expected returns z.
    let risk = Param::from_tensor(Tensor::<1>::from_data([2.0], place));
    let loss = |r: &Param<Tensor<1>>, x: Tensor<2>, z: Tensor<2>| {
        (x.clone().square().sum_dim(1)).squeeze_dim::<1>(1) * r.val() * 0.5
            - (x * z).sum_dim(1).squeeze_dim(1)
    };
    let step = GradientDescentConfig::new(0.4).with_projection(Projection::Simplex);
    let layer = FixedPoint::from_energy(risk, [3], loss, &step)?;
    // ANCHOR_END: energy
    let layer = layer.with_config(FixedPointConfig::new().with_tolerance(tight))?;
    let z = Tensor::<2>::from_data([[0.4, 0.8, -2.0]], place).require_grad();
    let x = layer.forward(z.clone());
    let slope = z.grad(&x.clone().slice([0..1, 0..1]).sum().backward()).expect("z is on the tape");
    println!("portfolio {x}\n∂x₁/∂z {slope}");
    // x₁ = ½ + (z₁ - z₂) / 2r, where the third share is held at 0.
    let close =
        |found: Vec<f64>, expected: [f64; 3]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
    assert!(close(numbers(&x), [0.4, 0.6, 0.0]) && close(numbers(&slope), [0.25, -0.25, 0.0]));
    Ok(())
}
