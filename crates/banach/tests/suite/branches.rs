//! Fixed points behind branches, with an infinite slope in the branch that is not taken.

use crate::reference::numbers;
use crate::update;
use banach::{Engine, FixedPointConfig};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, activation};

/// `act(w x) / 2 + z` with w = 1.
#[derive(Module, Debug)]
struct Branch {
    w: Param<Tensor<2>>,
    #[module(skip)]
    which: usize,
}

update!(Branch, Tensor<2>, Tensor<2>, |this, z| z.zeros_like().inner(), |x, z| {
    let x = x.matmul(this.w.val());
    match this.which {
        0 => activation::elu(x, 1.0) * 0.5 + z,
        1 => activation::celu(x, 1.0) * 0.5 + z,
        _ => x * 0.5 + z.clone().sqrt().mask_where(z.clone().lower_scalar(1.0), z),
    }
});

#[test]
fn an_untaken_branch_never_makes_a_gradient_infinite() {
    let device = Device::flex().autodiff();
    for (which, at, slopes) in
        [(0, [60.0, 1.0], [2.0; 2]), (1, [60.0, 1.0], [2.0; 2]), (2, [0.0, 0.25], [2.0; 2])]
    {
        for engine in [Engine::Native, Engine::Device] {
            let w = Param::from_tensor(Tensor::<2>::from_data([[1.0f32]], &device).require_grad());
            let layer = FixedPointConfig::new().with_engine(engine).init(Branch { w, which }).unwrap();
            let z = Tensor::<2>::from_data([[at[0]], [at[1]]], &device).require_grad();
            let x = layer.forward(z.clone());
            let state = numbers(&x);
            let gradients = x.sum().backward();
            let found = numbers(&z.grad(&gradients).unwrap());
            for (found, expected) in found.iter().zip(slopes) {
                assert!((found - expected).abs() < 1e-4, "map {which}: dz = {found}, not {expected}");
            }
            // x = x w / 2 + z' has dx/dw = x / 2 · 2 where the branch is linear.
            let weight = numbers(&layer.update().w.grad(&gradients).unwrap())[0];
            let expected: f64 = state.iter().sum();
            let close = (weight - expected).abs() <= 1e-4 * expected.abs().max(1.0);
            assert!(close, "map {which}: dw = {weight}, not {expected}");
        }
    }
}
