//! A linear layer whose largest singular value is bounded by a gain.

use crate::error::Error;
use crate::regularize::singular_value::{MATRIX_STEPS, directions, matrix_bound, norm, on_host};
use crate::settings::strict::strict_config;
use burn::module::{Module, Param, RunningState};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};

/// The estimate of the largest singular value σ of a layer.
///
/// | estimate | cost in a solve | validity of the bound |
/// | :-- | :-- | :-- |
/// | `Gram` | `steps` products of the weight with itself | up to rounding: the estimate is never below σ |
/// | `Power` | one product of the weight with a vector | if `1 + margin` covers the error of power iteration |
///
/// Power iteration gives `‖W v‖ / ‖v‖ <= σ` for a direction v that the layer stores and `advance` improves. The estimate is
/// below σ until v has converged, and again after each optimizer step. The margin compensates for this; `bound()` is rigorous
/// for either estimate.
#[derive(Clone, Debug, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub enum SpectralEstimate {
    /// Gram iteration: see [`singular_value`](super::singular_value).
    Gram {
        /// Steps; with 4 the estimate is at most 16 % too large for a hundred rows. 2 are usual for convolutions.
        steps: usize,
    },
    /// Power iteration (Miyato, Kataoka, Koyama and Yoshida, "Spectral Normalization for Generative Adversarial Networks",
    /// 2018, algorithm 1).
    Power {
        /// The relative margin: the estimate is multiplied by `1 + margin`.
        margin: f64,
        /// Steps when the layer is created.
        steps: usize,
    },
}

strict_config!(as_config SpectralEstimate);

impl SpectralEstimate {
    pub(super) fn validate(self, gain: f64) -> Result<(), Error> {
        if !(gain > 0.0 && gain.is_finite()) {
            return Err(Error::setting("gain", gain, "a finite number above 0, below 1 for a contraction"));
        }
        match self {
            SpectralEstimate::Power { margin, .. } if !(margin >= 0.0 && margin.is_finite()) => {
                Err(Error::setting("margin", margin, "a finite number, 0 or above"))
            }
            SpectralEstimate::Power { .. } | SpectralEstimate::Gram { .. } => Ok(()),
        }
    }
}

strict_config! {
    /// The settings of a [`SpectralLinear`].
    ///
    /// | setting | default | range | effect |
    /// | :-- | :-- | :-- | :-- |
    /// | `linear` | given | | the layer whose weight is scaled |
    /// | `gain` | 0.9 | `> 0` | the bound s of the largest singular value |
    /// | `estimate` | `Gram`, 4 steps | | the estimate of the largest singular value σ |
    #[derive(Debug)]
    pub struct SpectralLinearConfig {
        given {
            /// The layer whose weight is scaled.
            linear: LinearConfig,
        }
        defaults {
            /// The bound s of the largest singular value.
            with_gain(gain: f64 = 0.9),
            /// The estimate of the largest singular value.
            with_estimate(estimate: SpectralEstimate = SpectralEstimate::Gram { steps: 4 }),
        }
    }
}

impl SpectralLinearConfig {
    /// Creates the layer.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings outside their range.
    pub fn init(&self, device: &Device) -> Result<SpectralLinear, Error> {
        self.estimate.validate(self.gain)?;
        let carried = match self.estimate {
            SpectralEstimate::Gram { .. } => None,
            SpectralEstimate::Power { .. } => {
                let noise = Distribution::Normal(0.0, 1.0);
                Some(RunningState::new(Tensor::random([1, self.linear.d_input], noise, device)))
            }
        };
        let linear = self.linear.init(device);
        let layer = SpectralLinear { linear, carried, gain: self.gain, estimate: self.estimate };
        if let SpectralEstimate::Power { steps, .. } = self.estimate {
            layer.advance(steps);
        }
        Ok(layer)
    }
}

/// A [`Linear`] `y = x Ŵ + b` with `Ŵ = W / max(1, σ̂ / s)`, whose Lipschitz constant is at most s.
///
/// σ̂ is the estimate of the largest singular value, s the gain. A weight with `σ̂ <= s` is unchanged, so that the layer can also
/// learn to contract more (Gouk, Frank, Pfahringer and Cree, "Regularisation of neural networks by enforcing Lipschitz
/// continuity", 2021: their projection, applied in the forward pass). Jeon, Lee and Choi always
/// divide by a number greater than the largest singular value; with `Gram` this layer does so if `σ̂ > s`.
///
/// The gradient includes σ̂. With `Power` the direction v is held fixed: for `u = v W / ‖v W‖` it is
/// `∂σ̂/∂W = vᵀ u / ‖v‖`, as in Miyato et al. (2018), section 2.3, with the best u for this v.
///
/// - input: `[.., d_input]`
/// - output: `[.., d_output]`
///
/// ```
/// use banach::regularize::SpectralLinearConfig;
/// use burn::nn::LinearConfig;
/// use burn::tensor::{Device, Tensor};
///
/// let layer = SpectralLinearConfig::new(LinearConfig::new(8, 8)).with_gain(0.5).init(&Device::flex())?;
/// assert!(layer.bound() <= 0.5 + 1e-6);
/// assert_eq!(layer.forward(Tensor::<2>::ones([3, 8], &Device::flex())).dims(), [3, 8]);
/// # Ok::<(), banach::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct SpectralLinear {
    /// The weight before scaling, and the bias.
    pub linear: Linear,
    /// The direction v of power iteration, `[1, d_input]`, which is saved but not trained.
    carried: Option<RunningState<Tensor<2>>>,
    gain: f64,
    #[module(skip)]
    estimate: SpectralEstimate,
}

impl SpectralLinear {
    /// Applies the layer to every row.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let weight = Param::initialized(self.linear.weight.id, self.weight());
        Linear { weight, bias: self.linear.bias.clone() }.forward(x)
    }

    /// Returns the scaled weight Ŵ, `[d_input, d_output]`.
    pub fn weight(&self) -> Tensor<2> {
        let weight = self.linear.weight.val();
        let excess = (self.estimate() * (1.0 / self.gain)).clamp_min(1.0);
        weight / excess.unsqueeze()
    }

    /// Returns the estimate σ̂ of the largest singular value before scaling, `[1]`.
    pub fn estimate(&self) -> Tensor<1> {
        let weight = self.linear.weight.val();
        match (self.estimate, &self.carried) {
            (SpectralEstimate::Gram { steps }, _) => matrix_bound(weight, steps),
            (SpectralEstimate::Power { margin, .. }, Some(carried)) => {
                let v = carried.value();
                norm(v.clone().matmul(weight)) / norm(v) * (1.0 + margin)
            }
            (SpectralEstimate::Power { .. }, None) => panic!("power iteration carries a direction"),
        }
    }

    /// Takes steps of power iteration, `v ← v W Wᵀ / ‖v W Wᵀ‖`; one after each optimizer step is usual. `Gram` needs none.
    ///
    /// Clones of the layer share v, as they share running statistics in Burn. Do not call it inside an update.
    pub fn advance(&self, steps: usize) {
        let Some(carried) = &self.carried else { return };
        let weight = self.linear.weight.val().detach();
        let stepped = (0..steps).fold(carried.value(), |v, _| {
            let next = v.clone().matmul(weight.clone()).matmul(weight.clone().transpose());
            directions(v, next)
        });
        carried.update(stepped);
        carried.value_sync();
    }

    /// Returns a rigorous bound of the largest singular value of Ŵ for every estimate, up to rounding:
    /// `‖y - y'‖ <= bound ‖x - x'‖`.
    ///
    /// The bound is computed on the host in double precision; it cannot be used inside an update.
    pub fn bound(&self) -> f64 {
        matrix_bound(on_host(self.weight()), MATRIX_STEPS).into_scalar()
    }
}
