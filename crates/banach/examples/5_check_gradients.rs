//! Checks of the gradients of an update of your own: four independent ways to one directional derivative.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::Tolerance;
use banach::{FixedPointConfig, Update, check};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Distribution, Tensor, activation};

/// x = softplus(x W / 4) + z, with W not symmetric.
#[derive(Module, Debug)]
struct Mine {
    weight: Param<Tensor<2>>,
}

impl Update for Mine {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        z.zeros_like()
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        activation::softplus(x.matmul(self.weight.val()) * 0.25, 1.0) + z
    }
}

fn main() -> Result<(), banach::Error> {
    let device = Device::flex();
    device.seed(1);
    let random = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 0.5), (&device, DType::F64));
    let mine = Mine { weight: Param::from_tensor(random([6, 6])) };
    // ANCHOR: check
    let layer = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).init(mine)?;

    let found = check::gradients(&layer, random([3, 6]))?;
    println!("by the implicit function theorem  {:+.10}", found.implicit);
    println!("apart from finite differences     {:.1e}", found.finite_difference);
    println!("apart from the unrolled iteration {:.1e}", found.unrolled.expect("this update contracts"));
    println!("<v, J t> apart from <Jᵀ v, t>     {:.1e}", found.dot_product);
    println!("residual of the fixed point       {:.1e}", found.residual);

    assert!(found.agrees(1e-6));
    // ANCHOR_END: check
    Ok(())
}
