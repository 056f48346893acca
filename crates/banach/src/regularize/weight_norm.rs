//! Weight normalisation: norms and directions of weights as separate parameters.

use crate::regularize::singular_value::{
    CONVOLUTION_STEPS, MATRIX_STEPS, convolution_bound, matrix_bound, on_host,
};
use crate::regularize::spectral_convolution::with_weight;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

/// A summand of squared norms, so that a direction of zeros has a derivative.
const TINY: f64 = 1e-30;

/// A [`Linear`] whose weight is `γ V / ‖V‖` for every output.
///
/// The weight of output j is the column `γ_j V_j / ‖V_j‖`, with both γ and V trained (Salimans and Kingma, "Weight
/// Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural Networks", 2016, eq. 2). γ bounds the
/// Lipschitz constant of the layer, `‖W‖ <= ‖γ‖`; `bound` returns a closer bound.
///
/// - input: `[.., d_input]`
/// - output: `[.., d_output]`
///
/// ```
/// use banach::regularize::WeightNormLinear;
/// use burn::nn::LinearConfig;
/// use burn::tensor::{Device, Tensor};
///
/// let linear = LinearConfig::new(4, 3).init(&Device::flex());
/// let x = Tensor::<2>::ones([2, 4], &Device::flex());
/// let layer = WeightNormLinear::new(linear.clone());
/// let difference = layer.forward(x.clone()) - linear.forward(x); // The same map, until it is trained.
/// assert!(difference.abs().max().into_scalar::<f32>() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct WeightNormLinear {
    /// The directions V instead of the weight, and the bias.
    pub linear: Linear,
    /// The norms γ, `[d_output]`.
    pub length: Param<Tensor<1>>,
}

impl WeightNormLinear {
    /// Creates the map of a linear layer, with γ = ‖V‖.
    pub fn new(linear: Linear) -> Self {
        let lengths: Tensor<1> = lengths(linear.weight.val()).squeeze_dim(0).detach();
        let trained = linear.weight.val().is_require_grad();
        WeightNormLinear { linear, length: Param::from_tensor(lengths.set_require_grad(trained)) }
    }

    /// Applies the layer to every row.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let weight = Param::initialized(self.linear.weight.id, self.weight());
        Linear { weight, bias: self.linear.bias.clone() }.forward(x)
    }

    /// Returns the weight, `[d_input, d_output]`.
    pub fn weight(&self) -> Tensor<2> {
        let directions = self.linear.weight.val();
        let lengths = lengths(directions.clone());
        directions * (self.length.val().unsqueeze() / lengths)
    }

    /// Returns a rigorous bound of the largest singular value of the weight up to rounding, computed on the host.
    pub fn bound(&self) -> f64 {
        matrix_bound(on_host(self.weight()), MATRIX_STEPS).into_scalar()
    }
}

/// Returns the norms of the columns, `[1, d_output]`.
fn lengths(directions: Tensor<2>) -> Tensor<2> {
    (directions.square().sum_dim(0) + TINY).sqrt()
}

/// A [`Conv2d`] whose kernels are `γ V / ‖V‖` for every output channel: a [`WeightNormLinear`] for images.
///
/// - input: `[batch, channels_in, height, width]`
/// - output: `[batch, channels_out, height', width']`
#[derive(Module, Debug)]
pub struct WeightNormConv2d {
    /// The directions V instead of the kernels, and the bias.
    pub conv: Conv2d,
    /// The norms γ, `[channels_out]`.
    pub length: Param<Tensor<1>>,
}

impl WeightNormConv2d {
    /// Creates the map of a convolution, with γ = ‖V‖.
    pub fn new(conv: Conv2d) -> Self {
        let kernels = conv.weight.val();
        let trained = kernels.is_require_grad();
        let [channels, ..] = kernels.dims();
        let lengths = lengths(columns(kernels)).reshape([channels]).detach();
        WeightNormConv2d { conv, length: Param::from_tensor(lengths.set_require_grad(trained)) }
    }

    /// Applies the convolution to every image.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        with_weight(&self.conv, self.weight(), self.conv.bias.clone()).forward(x)
    }

    /// Returns the kernels, `[channels_out, channels_in / groups, height, width]`.
    pub fn weight(&self) -> Tensor<4> {
        let directions = self.conv.weight.val();
        let [channels, ..] = directions.dims();
        let lengths = lengths(columns(directions.clone())).reshape([channels]);
        directions * (self.length.val() / lengths).reshape([channels, 1, 1, 1])
    }

    /// Returns a rigorous bound of the largest singular value of the convolution, for images of every size, up to rounding,
    /// computed on the host.
    pub fn bound(&self) -> f64 {
        convolution_bound(on_host(self.weight()), self.conv.groups, CONVOLUTION_STEPS).into_scalar()
    }
}

/// Returns the kernels of the output channels as columns.
fn columns(kernels: Tensor<4>) -> Tensor<2> {
    kernels.flatten::<2>(1, 3).transpose()
}
