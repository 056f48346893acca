//! The kernel of the norms of residuals and images.

use super::sums::{UNITS, write_sums};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// `‖g(x) - x‖²` and `‖g(x)‖²` of every row, `[rows, blocks, 2]`, to be added up over the blocks.
#[cube(launch)]
pub(super) fn sizes(x: &Tensor<f32>, gx: &Tensor<f32>, results: &mut Tensor<f32>) {
    let width = x.shape(1);
    let first = CUBE_POS_Y as usize * width;
    let mut sums = Array::<f32>::new(2usize);
    sums[0] = 0.0;
    sums[1] = 0.0;
    let mut column = CUBE_POS_X as usize * UNITS + UNIT_POS_X as usize;
    while column < width {
        let image = gx[first + column];
        let residual = image - x[first + column];
        sums[0] += residual * residual;
        sums[1] += image * image;
        column += CUBE_COUNT_X as usize * UNITS;
    }
    write_sums(&sums, results, 2usize);
}
