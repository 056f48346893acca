//! Monotone operator cells: linear maps W with `I - W` strongly monotone, which have a fixed point behind relu.

use crate::error::Error;
use crate::regularize::singular_value::{MATRIX_STEPS, matrix_bound, on_host};
use crate::settings::strict::strict_config;
use crate::tracing::update::Update;
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};

strict_config! {
    /// The settings of a [`MonotoneLinear`] or a [`MonotoneCell`].
    ///
    /// | setting | default | range | effect |
    /// | :-- | :-- | :-- | :-- |
    /// | `d_input` | given | | the width of z |
    /// | `d_state` | given | | the width of x |
    /// | `monotonicity` | 1 | `> 0` | m: the larger, the faster the iteration, and the weaker the feedback of the state |
    /// | `initializer` | normal, deviation 0.1 | | the distribution of A and B |
    #[derive(Debug)]
    pub struct MonotoneConfig {
        given {
            /// The width of z.
            d_input: usize,
            /// The width of x.
            d_state: usize,
        }
        defaults {
            /// The constant m of strong monotonicity of `I - W`.
            with_monotonicity(monotonicity: f64 = 1.0),
            /// The distribution of A and B.
            with_initializer(initializer: Initializer = Initializer::Normal { mean: 0.0, std: 0.1 }),
        }
    }
}

impl MonotoneConfig {
    /// Creates the linear map, for which `d_input` is not used.
    ///
    /// # Errors
    /// [`Error::Setting`] for a monotonicity that is not above 0.
    pub fn init_linear(&self, device: &Device) -> Result<MonotoneLinear, Error> {
        if !(self.monotonicity > 0.0 && self.monotonicity.is_finite()) {
            return Err(Error::setting("monotonicity", self.monotonicity, "a finite number above 0"));
        }
        let square = [self.d_state, self.d_state];
        let [factor, skew] = [0, 1].map(|_| self.initializer.init(square, device));
        Ok(MonotoneLinear { factor, skew, monotonicity: self.monotonicity })
    }

    /// Creates the cell.
    ///
    /// # Errors
    /// As [`init_linear`](Self::init_linear).
    pub fn init(&self, device: &Device) -> Result<MonotoneCell, Error> {
        let input = LinearConfig::new(self.d_input, self.d_state).init(device);
        Ok(MonotoneCell { state: self.init_linear(device)?, input })
    }
}

/// The linear map `W x` with `W = (1 - m) I - Aᵀ A + B - Bᵀ`, for any matrices A and B.
///
/// `I - W = m I + Aᵀ A - (B - Bᵀ)`, and `⟨x, (B - Bᵀ) x⟩ = 0`, so `⟨x, (I - W) x⟩ = m ‖x‖² + ‖A x‖² >= m ‖x‖²`: strongly
/// monotone by construction, with no bound on `‖W‖` (Winston and Kolter, "Monotone operator equilibrium networks", 2020,
/// proposition 1).
///
/// - input: `[batch, d_state]`
/// - output: `[batch, d_state]`
#[derive(Module, Debug)]
pub struct MonotoneLinear {
    /// A, `[d_state, d_state]`.
    pub factor: Param<Tensor<2>>,
    /// B, `[d_state, d_state]`.
    pub skew: Param<Tensor<2>>,
    monotonicity: f64,
}

impl MonotoneLinear {
    /// Returns W x for every row x.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() - x.matmul(self.operator())
    }

    /// Returns `(I - W)ᵀ`, which multiplies rows from the right.
    fn operator(&self) -> Tensor<2> {
        let (a, b) = (self.factor.val(), self.skew.val());
        let [width, _] = a.dims();
        let identity = Tensor::<2>::eye(width, &a.device()).cast(a.dtype());
        identity * self.monotonicity + a.clone().transpose().matmul(a) + b.clone() - b.transpose()
    }

    /// Returns m, the constant of strong monotonicity of `I - W`.
    pub fn monotonicity(&self) -> f64 {
        self.monotonicity
    }

    /// Returns L, a rigorous bound of `‖I - W‖` up to rounding, computed on the host.
    pub fn bound(&self) -> f64 {
        matrix_bound(on_host(self.operator()), MATRIX_STEPS).into_scalar()
    }
}

/// An update with the fixed point of `x = relu(W x + U z + b)` with a [`MonotoneLinear`] W. The fixed point exists and is
/// unique, and the iteration converges, for any A, B and U (Winston and Kolter, 2020).
///
/// The update is forward–backward splitting, `x ← relu(x - α (x - W x - U z - b))` with `α = m / L²` and `L >= ‖I - W‖`. relu is
/// the proximal operator of `x >= 0` for every step size, so both equations have the same fixed points. The map
/// `x ↦ x - α (I - W) x` satisfies `‖x - α (I - W) x‖² <= (1 - 2 α m + α² L²) ‖x‖²`. The factor is below 1 for
/// `0 < α < 2 m / L²` and smallest for `α = m / L²`, where the update contracts by at least `√(1 - m² / L²)` (Ryu and Boyd, "A
/// primer on monotone operator methods", 2016). α is computed from the parameters once in each solve, so that this holds
/// throughout training; α has no gradient.
///
/// - input z: `[batch, d_input]`
/// - state x: `[batch, d_state]`
///
/// ```
/// use banach::FixedPointConfig;
/// use banach::regularize::MonotoneConfig;
/// use burn::tensor::{Device, Tensor};
///
/// let cell = MonotoneConfig::new(3, 8).init(&Device::flex())?;
/// assert!(cell.rate() < 1.0);
/// let layer = FixedPointConfig::new().init(cell)?;
/// assert!(layer.solve(Tensor::ones([4, 3], &Device::flex()))?.report().converged());
/// # Ok::<(), banach::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct MonotoneCell {
    /// W.
    pub state: MonotoneLinear,
    /// U and b.
    pub input: Linear,
}

/// Steps of Gram iteration for the bound L inside the update.
const GRAM_STEPS: usize = 4;

impl MonotoneCell {
    /// Returns the contraction rate `√(1 - m² / L²)` with the L of the update, computed on the host.
    pub fn rate(&self) -> f64 {
        let bound: f64 = matrix_bound(on_host(self.state.operator()), GRAM_STEPS).into_scalar();
        (1.0 - (self.state.monotonicity / bound).powi(2)).max(0.0).sqrt()
    }
}

impl Update for MonotoneCell {
    type State = Tensor<2>;
    type Input = Tensor<2>;

    fn start(&self, z: &Tensor<2>) -> Tensor<2> {
        let [width, _] = self.state.factor.dims();
        Tensor::zeros([z.dims()[0], width], (&z.device(), z.dtype()))
    }

    fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        let away = self.state.operator();
        let step = matrix_bound(away.clone(), GRAM_STEPS).square().recip() * self.state.monotonicity;
        let residual = x.clone().matmul(away) - self.input.forward(z);
        activation::relu(x - residual * step.unsqueeze())
    }
}
