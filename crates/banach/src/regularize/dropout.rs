//! Variational dropout: one mask for each solve, which is an input of the update.

use crate::error::Error;
use crate::settings::strict::strict_config;
use banach_program::{Tensors, Value};
use burn::module::{Flag, Module, Param};
use burn::tensor::{Distribution, Tensor};

strict_config! {
    /// The settings of a [`VariationalDropout`].
    ///
    /// | setting | default | range | effect |
    /// | :-- | :-- | :-- | :-- |
    /// | `probability` | given | `0 <= p < 1` | the probability that an element is dropped |
    #[derive(Debug)]
    pub struct VariationalDropoutConfig {
        given {
            /// The probability that an element is dropped.
            probability: f64,
        }
        defaults {}
    }
}

impl VariationalDropoutConfig {
    /// Creates the dropout.
    ///
    /// # Errors
    /// [`Error::Setting`] for a probability outside its range.
    pub fn init(&self) -> Result<VariationalDropout, Error> {
        if !(0.0..1.0).contains(&self.probability) {
            return Err(Error::setting("probability", self.probability, "0 or more and less than 1"));
        }
        Ok(VariationalDropout { probability: self.probability, training: Param::from_bool(true) })
    }
}

/// Dropout with one mask for all iterations and the backward pass.
///
/// Burn's dropout draws at every call, so an update that contains it is not a function and is refused. Here a [`Mask`] is
/// drawn before a solve and enters the update as a part of its input z: `m / (1 - p)` with m from Bernoulli(1 - p) for every
/// element of every row (Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks",
/// 2016, section 4). As in Burn, nothing is dropped in eval mode, for a frozen module and off the tape.
///
/// The elements that are kept are scaled by `1 / (1 - p)`, and the Lipschitz constant of the update with them: L becomes
/// `L / (1 - p)`.
///
/// ```
/// use banach::regularize::{Mask, VariationalDropout, VariationalDropoutConfig};
/// use banach::{FixedPoint, FixedPointConfig, Update};
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
///
/// #[derive(Module, Debug)]
/// struct Cell {
///     state: Linear,
/// }
///
/// impl Update for Cell {
///     type State = Tensor<2>;
///     type Input = (Tensor<2>, Mask<2>);
///
///     fn start(&self, (z, _): &(Tensor<2>, Mask<2>)) -> Tensor<2> {
///         z.zeros_like()
///     }
///
///     fn update(&self, x: Tensor<2>, (z, mask): (Tensor<2>, Mask<2>)) -> Tensor<2> {
///         (self.state.forward(mask.apply(x)) * 0.3 + z).tanh()
///     }
/// }
///
/// #[derive(Module, Debug)]
/// struct Network {
///     dropout: VariationalDropout,
///     layer: FixedPoint<Cell>,
/// }
///
/// let device = Device::flex().autodiff();
/// let layer = FixedPointConfig::new().init(Cell { state: LinearConfig::new(8, 8).init(&device) })?;
/// let network = Network { dropout: VariationalDropoutConfig::new(0.2).init()?, layer };
/// let z = Tensor::<2>::ones([4, 8], &device);
/// let mask = network.dropout.draw(&z);
/// assert!(network.layer.solve((z, mask))?.report().converged());
/// # Ok::<(), banach::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct VariationalDropout {
    probability: f64,
    training: Param<Flag>,
}

impl VariationalDropout {
    /// Draws a mask in the shape of a tensor, which is on a training device in training.
    pub fn draw<const D: usize>(&self, like: &Tensor<D>) -> Mask<D> {
        let drops = self.training.is_enabled() && like.device().is_autodiff() && self.probability > 0.0;
        Mask(drops.then(|| {
            let kept = 1.0 - self.probability;
            let options = (&like.device().without_autodiff(), like.dtype());
            Tensor::random(like.dims(), Distribution::Bernoulli(kept), options) / kept
        }))
    }
}

/// The mask of a [`VariationalDropout`], as a part of the input z of an update. A mask that drops nothing holds no tensor.
#[derive(Clone, Debug)]
pub struct Mask<const D: usize>(Option<Tensor<D>>);

impl<const D: usize> Mask<D> {
    /// Returns the mask that drops nothing.
    pub fn none() -> Self {
        Mask(None)
    }

    /// Applies the mask to a tensor, whose expectation it preserves.
    pub fn apply(&self, x: Tensor<D>) -> Tensor<D> {
        match &self.0 {
            Some(mask) => x * mask.clone(),
            None => x,
        }
    }

    /// Returns the factors, 0 or `1 / (1 - p)`; None if nothing is dropped.
    pub fn factors(&self) -> Option<&Tensor<D>> {
        self.0.as_ref()
    }
}

impl<const D: usize> Tensors for Mask<D> {
    fn into_values(self) -> Vec<Value> {
        self.0.into_values()
    }

    fn rebuild(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Self, banach_program::Error> {
        self.0.rebuild(values).map(Mask)
    }
}
