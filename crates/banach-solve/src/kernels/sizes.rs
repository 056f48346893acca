//! The kernel of the norms of residuals and images.

use super::sums::{UNITS, write_sums};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::num_traits::Zero;
use burn_cubecl::cubecl::prelude::*;

/// `‖g(x) - x‖²` and `‖g(x)‖²` of every row and block, `[rows, 2 blocks]`, to be added up over the blocks. Units load vectors
/// of `N` columns.
#[cube(launch)]
pub(super) fn sizes<N: Size>(
    x: &Tensor<Vector<f32, N>>,
    gx: &Tensor<Vector<f32, N>>,
    results: &mut Tensor<f32>,
) {
    let vector = x.vector_size();
    let width = x.shape(1) / vector;
    let first = CUBE_POS_Y as usize * width;
    let mut residuals = Vector::<f32, N>::zero();
    let mut images = Vector::<f32, N>::zero();
    let mut column = CUBE_POS_X as usize * UNITS + UNIT_POS_X as usize;
    while column < width {
        let image = gx[first + column];
        let residual = image - x[first + column];
        residuals += residual * residual;
        images += image * image;
        column += CUBE_COUNT_X as usize * UNITS;
    }
    let mut sums = Array::<f32>::new(2usize);
    sums[0] = 0.0;
    sums[1] = 0.0;
    #[unroll]
    for component in 0..vector {
        sums[0] += residuals.extract(component);
        sums[1] += images.extract(component);
    }
    write_sums(&sums, results, 2usize);
}
