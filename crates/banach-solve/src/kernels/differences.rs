//! The kernel of the newest differences of Anderson acceleration and of their products.

use super::sums::{UNITS, write_sums};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// The number of products of a row.
pub(super) fn count(window: usize) -> usize {
    2 * window + 2
}

/// Puts `ΔF` and the change of the target into a slot, and multiplies.
///
/// The results, `[rows, blocks, 2 window + 2]`, are to be added up over the blocks: `⟨ΔF, ΔFⱼ⟩` for every slot, `⟨ΔFⱼ, F⟩` for
/// every slot, `‖F‖²` and `‖g(x)‖²`.
#[cube(launch)]
pub(super) fn differences(
    x: &Tensor<f32>,
    gx: &Tensor<f32>,
    target: &Tensor<f32>,
    last_x: &Tensor<f32>,
    last_gx: &Tensor<f32>,
    last_target: &Tensor<f32>,
    differences: &mut Tensor<f32>,
    targets: &mut Tensor<f32>,
    results: &mut Tensor<f32>,
    slot: u32,
    #[comptime] window: usize,
) {
    let width = x.shape(1);
    let row = CUBE_POS_Y as usize;
    let slot = slot as usize;
    let mut sums = Array::<f32>::new(2 * window + 2);
    for k in 0..2 * window + 2 {
        sums[k] = 0.0;
    }
    let mut column = CUBE_POS_X as usize * UNITS + UNIT_POS_X as usize;
    while column < width {
        let at = row * width + column;
        let image = gx[at];
        let residual = image - x[at];
        let change = residual - (last_gx[at] - last_x[at]);
        let newest = (row * window + slot) * width + column;
        targets[newest] = target[at] - last_target[at];
        differences[newest] = change;
        #[unroll]
        for j in 0..window {
            let difference = differences[(row * window + j) * width + column];
            sums[j] += difference * change;
            sums[window + j] += difference * residual;
        }
        sums[2 * window] += residual * residual;
        sums[2 * window + 1] += image * image;
        column += CUBE_COUNT_X as usize * UNITS;
    }
    write_sums(&sums, results, comptime!(2 * window + 2));
}
