//! Winograd's method for 3 by 3 convolutions, tile by tile.
//!
//! Four pixels d in a row and three weights g give two sums y = Aᵀ ((G g) ∘ (Bᵀ d)) with four products
//! instead of six, and so along both axes: y = Aᵀ ((G g Gᵀ) ∘ (Bᵀ d B)) A for tiles of 2 by 2 pixels, with 16
//! products instead of 36 (F(2 × 2, 3 × 3), A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural
//! Networks, 2016, section 4.1), and for tiles of 4 by 4 pixels with 36 products instead of 144. Summed over
//! channels, the products of the same place in many tiles are a product of matrices.
//!
//! The gradient with respect to the weights is the transpose of this map, Gᵀ ((A y Aᵀ) ∘ (Bᵀ d B)) G for tiles y
//! of the output gradient; summed over tiles, its products are products of matrices.
//!
//! The sums of a pixel are exactly those of the definition, so that a NaN does not spread beyond its tiles.

mod convolve;
mod cotangent;
mod four;
mod gradient;
mod tiles;
mod transform;
mod two;
mod weights;

pub(super) use convolve::convolve;
pub(super) use gradient::gradient;
pub(super) use weights::{pack, products};
