//! Transformed weights of Winograd's method.

use super::tiles::{PATCH, PRODUCTS, TILES, line};
use crate::panels::{Panels, StridedMatrix};
use crate::real::Real;
use std::array::from_fn;

/// Packs the transformed weights `[channels summed over, channels]` of every product; `at` returns the weight
/// of a tap.
pub(in crate::convolution) fn pack<T: Real>(
    products: &mut [Panels<T>],
    [summed, kept]: [usize; 2],
    at: impl Fn(usize, usize, usize) -> T,
) {
    TILES.with_borrow_mut(|buffer| {
        let size = summed * kept + line::<T>();
        buffer.grow::<T>(PRODUCTS * size);
        let transformed = buffer.numbers_mut();
        for i in 0..summed {
            for o in 0..kept {
                let found = transformed_weights(from_fn(|tap| at(i, o, tap).to_f64()));
                for (product, weight) in found.into_iter().enumerate() {
                    transformed[product * size + i * kept + o] = T::from_f64(weight);
                }
            }
        }
        for (panels, weights) in products.iter_mut().zip(transformed.chunks(size)) {
            panels.repack(StridedMatrix::new(weights, summed, kept));
        }
    });
}

/// `G g Gᵀ` in row-major order.
fn transformed_weights(taps: [f64; 9]) -> [f64; PRODUCTS] {
    let along = |[a, b, c]: [f64; 3]| [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c];
    let down: [[f64; PATCH]; 3] = from_fn(|x| along(from_fn(|y| taps[y * 3 + x])));
    let across: [[f64; PATCH]; PATCH] = from_fn(|y| along(from_fn(|x| down[x][y])));
    from_fn(|product| across[product / PATCH][product % PATCH])
}
