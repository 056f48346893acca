//! How are derivatives taken again and again? By the paper's P and H on traced functions, through a fixed point.

#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::program::Tensors;
use banach::solve::Tolerance;
use banach::{Error, FixedPointConfig, Function};
use burn::tensor::{DType, Device, Tensor};

/// The one number that a function returns.
fn number(function: &Function, inputs: impl Tensors) -> Result<f64, Error> {
    Ok(function.call::<Tensor<2>>(inputs)?.into_scalar())
}

fn main() -> Result<(), Error> {
    let double = (&Device::flex(), DType::F64);
    let x0 = Tensor::<2>::zeros([1, 1], double);
    let c = Tensor::<2>::ones([1, 1], double);

    // ANCHOR: fix
    // x̂(c) solves x = cos(c x): a function of (x0, c).
    let g = Function::of(&(x0.clone(), c.clone()), |(x, c): (Tensor<2>, Tensor<2>)| (c * x).cos())?;
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-14));
    let solved = g.fix(&config)?;
    // ANCHOR_END: fix

    // ANCHOR: orders
    // P(x̂; c), and P of it again: dx̂/dc, d²x̂/dc², d³x̂/dc³ (section 3.3 of the paper).
    let first = solved.gradient(1)?;
    let second = first.gradient(1)?;
    let third = second.gradient(1)?;
    // ANCHOR_END: orders
    let mut found = vec![];
    for (name, function) in [("x̂", &solved), ("dx̂/dc", &first), ("d²x̂/dc²", &second), ("d³x̂/dc³", &third)]
    {
        found.push(number(function, (x0.clone(), c.clone()))?);
        println!("{name:10} = {:+.12}", found[found.len() - 1]);
    }

    // By hand: F = x - cos(c x) = 0, differentiated twice.
    let x = found[0];
    let slope = 1.0 + x.sin();
    let by_hand = -x * x.sin() / slope;
    assert!((found[1] - by_hand).abs() < 1e-12);
    let turn = x + by_hand;
    let by_hand = -(x.cos() * turn * turn + 2.0 * by_hand * x.sin()) / slope;
    assert!((found[2] - by_hand).abs() < 1e-12);

    // The third is the difference quotient of the second.
    let at = |c: f64| {
        let c = Tensor::<2>::from_data([[c]], double);
        number(&second, (x0.clone(), c))
    };
    let difference = (at(1.0 + 1e-4)? - at(1.0 - 1e-4)?) / 2e-4;
    assert!((found[3] - difference).abs() < 1e-6);

    // ANCHOR: reverse
    // H(v; x̂) = ⟨v, x̂⟩ pairs the fixed point with a cotangent; P of it is the reverse derivative (eq. 10, 11).
    let v = Tensor::<2>::from_data([[2.0]], double);
    let reverse = solved.paired().gradient(1)?;
    // ANCHOR_END: reverse
    let doubled = number(&reverse, (x0, c, v))?;
    assert!((doubled - 2.0 * found[1]).abs() < 1e-12);
    println!("2 dx̂/dc    = {doubled:+.12}, by P(H(2; x̂); c)");
    Ok(())
}
