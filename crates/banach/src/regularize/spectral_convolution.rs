//! A convolution whose largest singular value is bounded by a gain.

use crate::calculus::function::Function;
use crate::error::Error;
use crate::regularize::singular_value::{CONVOLUTION_STEPS, convolution_bound, directions, norm, on_host};
use crate::regularize::spectral_linear::SpectralEstimate;
use crate::settings::strict::strict_config;
use banach_program::Value;
use burn::module::{Module, Param, RunningState};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Distribution, Tensor};

strict_config! {
    /// The settings of a [`SpectralConv2d`].
    ///
    /// | setting | default | range | effect |
    /// | :-- | :-- | :-- | :-- |
    /// | `conv` | given | | the layer whose weight is scaled |
    /// | `gain` | 0.9 | `> 0` | the bound s of the largest singular value |
    /// | `estimate` | `Gram`, 2 steps | | the estimate of the largest singular value σ |
    /// | `image` | none | | height and width of the images for power iteration; `Gram` holds for all sizes |
    #[derive(Debug)]
    pub struct SpectralConv2dConfig {
        given {
            /// The layer whose weight is scaled.
            conv: Conv2dConfig,
        }
        defaults {
            /// The bound s of the largest singular value.
            with_gain(gain: f64 = 0.9),
            /// The estimate of the largest singular value.
            with_estimate(estimate: SpectralEstimate = SpectralEstimate::Gram { steps: 2 }),
            /// Height and width of the images for power iteration.
            with_image(image: Option<[usize; 2]> = None),
        }
    }
}

impl SpectralConv2dConfig {
    /// Creates the layer.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings outside their range, and for power iteration without an image size.
    pub fn init(&self, device: &Device) -> Result<SpectralConv2d, Error> {
        self.estimate.validate(self.gain)?;
        let carried = match (self.estimate, self.image) {
            (SpectralEstimate::Gram { .. }, _) => None,
            (SpectralEstimate::Power { .. }, Some([height, width])) => {
                let shape = [1, self.conv.channels[0], height, width];
                Some(RunningState::new(Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)))
            }
            (SpectralEstimate::Power { .. }, None) => {
                let expected = "the height and width of the images, which power iteration depends on";
                return Err(Error::setting("image", "none", expected));
            }
        };
        let conv = self.conv.init(device);
        let layer = SpectralConv2d { conv, carried, gain: self.gain, estimate: self.estimate };
        if let SpectralEstimate::Power { steps, .. } = self.estimate {
            layer.advance(steps)?;
        }
        Ok(layer)
    }
}

/// A [`Conv2d`] with the weight `W / max(1, σ̂ / s)`, whose Lipschitz constant is at most s.
///
/// σ̂ is the estimate of the largest singular value of the convolution as a linear map of images, padding included, and s is the
/// gain. The gradient includes σ̂, as in [`SpectralLinear`](super::SpectralLinear). Power iteration with the convolution and
/// its transpose is that of Farnia, Zhang and Tse, "Generalizable Adversarial Training via Spectral Normalization" (2019),
/// and Gouk et al. (2021); its estimate holds for images of the configured size. `Gram` and `bound` hold for images of every
/// size, see [`convolution_bound`].
///
/// - input: `[batch, channels_in, height, width]`
/// - output: `[batch, channels_out, height', width']`
///
/// ```
/// use banach::regularize::{SpectralConv2dConfig, SpectralEstimate};
/// use burn::nn::{PaddingConfig2d, conv::Conv2dConfig};
/// use burn::tensor::Device;
///
/// let conv = Conv2dConfig::new([4, 4], [3, 3]).with_padding(PaddingConfig2d::Same);
/// let layer = SpectralConv2dConfig::new(conv).with_gain(0.5).init(&Device::flex())?;
/// assert!(layer.bound() <= 0.5 + 1e-6);
/// # Ok::<(), banach::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct SpectralConv2d {
    /// The weight before scaling, and the bias.
    pub conv: Conv2d,
    /// The direction v of power iteration, `[1, channels_in, height, width]`, which is saved but not trained.
    carried: Option<RunningState<Tensor<4>>>,
    gain: f64,
    #[module(skip)]
    estimate: SpectralEstimate,
}

impl SpectralConv2d {
    /// Applies the convolution to every image.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        with_weight(&self.conv, self.weight(), self.conv.bias.clone()).forward(x)
    }

    /// Returns the scaled weight, `[channels_out, channels_in / groups, height, width]`.
    pub fn weight(&self) -> Tensor<4> {
        let weight = self.conv.weight.val();
        let excess = (self.estimate() * (1.0 / self.gain)).clamp_min(1.0);
        weight / excess.unsqueeze()
    }

    /// Returns the estimate σ̂ of the largest singular value before scaling, `[1]`.
    pub fn estimate(&self) -> Tensor<1> {
        let weight = self.conv.weight.val();
        match (self.estimate, &self.carried) {
            (SpectralEstimate::Gram { steps }, _) => convolution_bound(weight, self.conv.groups, steps),
            (SpectralEstimate::Power { margin, .. }, Some(carried)) => {
                let v = carried.value();
                let image = with_weight(&self.conv, weight, None).forward(v.clone());
                norm(image) / norm(v) * (1.0 + margin)
            }
            (SpectralEstimate::Power { .. }, None) => panic!("power iteration carries a direction"),
        }
    }

    /// Takes steps of power iteration, `v ← Cᵀ C v / ‖Cᵀ C v‖`; one after each optimizer step is usual. `Gram` needs none.
    ///
    /// Clones of the layer share v, as they share running statistics in Burn. Do not call it inside an update.
    ///
    /// # Errors
    /// [`Error::Program`] if the convolution does not fit the image.
    pub fn advance(&self, steps: usize) -> Result<(), Error> {
        let Some(carried) = &self.carried else { return Ok(()) };
        let v = carried.value();
        let (home, weight) = (v.device(), self.conv.weight.val().without_autodiff());
        let (shape, mut v) = (v.dims(), v.without_autodiff());
        let convolution = Function::recorded(&[v.clone().into(), weight.clone().into()], |mut inputs| {
            let weight = inputs.remove(1).try_into_tensor()?;
            let image = with_weight(&self.conv, weight, None).forward(inputs.remove(0).try_into_tensor()?);
            Ok(vec![image.into()])
        })?;
        let transposed = convolution.vjp_of(&[0]);
        for _ in 0..steps {
            let image: Value = convolution.call((v.clone(), weight.clone()))?;
            let stepped: Tensor<4> = transposed.call((v.clone(), weight.clone(), image))?;
            let row = |v: Tensor<4>| v.flatten::<2>(1, 3);
            v = directions(row(v), row(stepped)).reshape(shape);
        }
        carried.update(v.to_device(&home));
        carried.value_sync();
        Ok(())
    }

    /// Returns a rigorous bound of the largest singular value of the scaled convolution, for images of every size and every
    /// estimate, up to rounding.
    ///
    /// The bound is computed on the host in double precision; it cannot be used inside an update.
    pub fn bound(&self) -> f64 {
        convolution_bound(on_host(self.weight()), self.conv.groups, CONVOLUTION_STEPS).into_scalar()
    }
}

/// Returns a convolution with another weight.
pub(super) fn with_weight(conv: &Conv2d, weight: Tensor<4>, bias: Option<Param<Tensor<1>>>) -> Conv2d {
    Conv2d {
        weight: Param::initialized(conv.weight.id, weight),
        bias,
        padding: conv.padding.clone(),
        ..*conv
    }
}
