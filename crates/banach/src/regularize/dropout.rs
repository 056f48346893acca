//! Dropout of the state with one mask a solve, which is an input of the update.

use crate::error::Error;
use crate::settings::strict::strict_config;
use banach_program::{Tensors, Value};
use burn::module::{Flag, Module, Param};
use burn::tensor::{Distribution, Tensor};

strict_config! {
    /// How a [`VariationalDropout`] is made.
    ///
    /// | setting | default | range | effect |
    /// | :-- | :-- | :-- | :-- |
    /// | `probability` | given | `0 <= p < 1` | how likely a number is dropped |
    #[derive(Debug)]
    pub struct VariationalDropoutConfig {
        given {
            /// How likely a number is dropped.
            probability: f64,
        }
        defaults {}
    }
}

impl VariationalDropoutConfig {
    /// The dropout.
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

/// Dropout whose mask is the same in every iteration and in the backward pass.
///
/// Burn's dropout draws at every call, so an update with it is no function and is refused. Here a [`Mask`] is drawn before a solve
/// and enters the update as a part of its input z: `m / (1 - p)` with m from Bernoulli(1 - p), one for every number of every row
/// (Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016, section 4). In eval
/// mode, for a frozen module and off the tape nothing is dropped, as with Burn's.
///
/// What is kept is scaled by `1 / (1 - p)`, and the update's Lipschitz constant with it: a layer bounded by L is bounded by
/// `L / (1 - p)` behind a mask.
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
    /// A mask in the shape of a tensor, which is on a training device in training.
    pub fn draw<const D: usize>(&self, like: &Tensor<D>) -> Mask<D> {
        let drops = self.training.is_enabled() && like.device().is_autodiff() && self.probability > 0.0;
        Mask(drops.then(|| {
            let kept = 1.0 - self.probability;
            let options = (&like.device().without_autodiff(), like.dtype());
            Tensor::random(like.dims(), Distribution::Bernoulli(kept), options) / kept
        }))
    }
}

/// What [`VariationalDropout`] draws: a part of the input z of an update. A mask that drops nothing is no tensor at all.
#[derive(Clone, Debug)]
pub struct Mask<const D: usize>(Option<Tensor<D>>);

impl<const D: usize> Mask<D> {
    /// The mask that drops nothing.
    pub fn none() -> Self {
        Mask(None)
    }

    /// What is left of a tensor, scaled so that its mean stays.
    pub fn apply(&self, x: Tensor<D>) -> Tensor<D> {
        match &self.0 {
            Some(mask) => x * mask.clone(),
            None => x,
        }
    }

    /// The factors: 0 or `1 / (1 - p)`; none where nothing is dropped.
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
