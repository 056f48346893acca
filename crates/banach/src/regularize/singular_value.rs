//! Rigorous upper bounds of the largest singular value of a matrix or a convolution.
//!
//! The bounds are ordinary tensor operations with gradients. Inside an update they are computed once in each solve.

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Tensor};

/// Steps of Gram iteration for bounds of matrices on the host.
pub(crate) const MATRIX_STEPS: usize = 8;
/// Steps of Gram iteration for bounds of convolutions on the host.
pub(crate) const CONVOLUTION_STEPS: usize = 3;

/// A summand of sums of squares, so that roots have a derivative at zero. It can only increase a bound.
const TINY: f64 = 1e-30;

/// Returns an upper bound of the largest singular value of a matrix `[n, m]`, as one number `[1]`, by Gram iteration.
///
/// With `W₀ = W`, `Wᵢ₊₁ = Wᵢᵀ Wᵢ / ‖Wᵢ‖²` and σ the largest singular value, `σ(Wᵢ)² = ‖Wᵢ‖² σ(Wᵢ₊₁)` exactly, and the last
/// matrix satisfies `σ <= min(‖W‖_F, √(‖W‖₁ ‖W‖∞))`. Without steps this is the bound of W itself. After k steps the bound is
/// at most `rank^(1/2^(k+1))` times too large: 1.11 for rank 1000 and k = 5.
///
/// Cost: a product `[n, m] × [m, n]` in the smaller of the two orders, then k - 1 of that size.
///
/// Reference: Delattre, Barthélemy, Araujo and Allauzen, "Efficient Bound of Lipschitz Constant for Convolutional Layers by
/// Gram Iteration" (2023), which introduces the iteration for matrices.
pub fn matrix_bound(weight: Tensor<2>, steps: usize) -> Tensor<1> {
    if steps == 0 {
        let sizes = weight.clone().abs();
        let columns: Tensor<1> = sizes.clone().sum_dim(0).max();
        let rows: Tensor<1> = sizes.sum_dim(1).max();
        return norm(weight).min_pair((columns * rows + TINY).sqrt());
    }
    let size = norm(weight.clone());
    let scaled = weight / size.clone().unsqueeze::<2>();
    let [rows, columns] = scaled.dims();
    let turned = scaled.clone().transpose();
    let gram = if rows < columns { scaled.matmul(turned) } else { turned.matmul(scaled) };
    size * matrix_bound(gram, steps - 1).sqrt()
}

/// Returns an upper bound of the largest singular value of a convolution with weights `[out, in / groups, height, width]`, as
/// one number `[1]`, for images of every size, by Gram iteration on the kernel.
///
/// A convolution C with zero padding, stride and dilation is a submatrix of the convolution `C∞` of infinite images, hence
/// `‖C‖ <= ‖C∞‖`. `‖C∞‖² = ‖C∞ᵀ C∞‖` is the norm of a convolution again, whose kernel is the correlation of the kernel with
/// itself. A shift has norm 1, so the triangle inequality gives for the last kernel `‖C∞‖ <= Σ_τ ‖W_τ‖_F` over the taps τ of the kernel.
///
/// Cost: each step makes kernels almost twice as high and wide; two steps turn 3 × 3 into 9 × 9.
///
/// Reference: as [`matrix_bound`]; for padding by zeros, Delattre, Barthélemy and Allauzen, "Spectral Norm of
/// Convolutional Layers with Circular and Zero Paddings" (2024).
pub fn convolution_bound(weight: Tensor<4>, groups: usize, steps: usize) -> Tensor<1> {
    if groups <= 1 {
        return kernel_bound(weight, steps);
    }
    // The groups are the blocks of a block diagonal matrix.
    let bounds: Vec<Tensor<1>> =
        weight.chunk(groups, 0).into_iter().map(|group| kernel_bound(group, steps)).collect();
    Tensor::cat(bounds, 0).max()
}

fn kernel_bound(weight: Tensor<4>, steps: usize) -> Tensor<1> {
    let [out, inputs, height, width] = weight.dims();
    if steps == 0 {
        let taps: Tensor<2> = weight.reshape([out * inputs, height * width]).square().sum_dim(0);
        return (taps + TINY).sqrt().sum();
    }
    let size = norm(weight.clone());
    let scaled = weight / size.clone().unsqueeze::<4>();
    let images = if inputs < out { scaled.swap_dims(0, 1) } else { scaled };
    let options = ConvOptions::new([1, 1], [height - 1, width - 1], [1, 1], 1);
    let gram = conv2d(images.clone(), images, None, options);
    size * kernel_bound(gram, steps - 1).sqrt()
}

/// Returns the Euclidean norm of all elements.
pub(crate) fn norm<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    (tensor.square().sum() + TINY).sqrt()
}

/// Copies a tensor to the host in double precision, off the tape.
pub(crate) fn on_host<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    tensor.without_autodiff().to_device(&Device::flex()).cast(DType::F64)
}

/// Normalizes the rows after a step of power iteration. Rows whose norm is zero or not finite keep their old direction.
pub(crate) fn directions(old: Tensor<2>, stepped: Tensor<2>) -> Tensor<2> {
    if old.dims().contains(&0) {
        return old; // Burn cannot expand to a shape without elements.
    }
    let length = stepped.clone().square().sum_dim(1).sqrt().expand(old.dims());
    let sound = length.clone().greater_elem(0.0).bool_and(length.clone().lower_elem(f64::INFINITY));
    old.mask_where(sound, stepped / length)
}
