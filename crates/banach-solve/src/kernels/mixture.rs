//! The kernel of the next iterate of Anderson acceleration.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// Units of a block.
pub(super) const UNITS: usize = 256;

/// `target - Σ γⱼ Δtargetⱼ` for every row.
#[cube(launch)]
pub(super) fn mixture(
    target: &Tensor<f32>,
    targets: &Tensor<f32>,
    factors: &Tensor<f32>,
    results: &mut Tensor<f32>,
    #[comptime] window: usize,
) {
    let width = target.shape(1);
    let row = CUBE_POS_Y as usize;
    let column = CUBE_POS_X as usize * UNITS + UNIT_POS_X as usize;
    if column < width {
        let mut correction = 0.0f32;
        #[unroll]
        for j in 0..window {
            let factor = factors[row * window + j];
            // A slot that is not in use may hold what is not a number.
            if factor != 0.0 {
                correction += factor * targets[(row * window + j) * width + column];
            }
        }
        results[row * width + column] = target[row * width + column] - correction;
    }
}
