//! Initialisation of an update as a contraction, by scaling its weights.

use crate::error::Error;
use crate::layer::call::Call;
use crate::regularize::jacobian::Jacobian;
use crate::settings::configuration::FixedPointConfig;
use crate::settings::strict::strict_config;
use crate::tracing::parameters::Parameters;
use crate::tracing::update::{Update, start_of};
use banach_program::Value;
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Distribution, Tensor};

strict_config! {
    /// An initialiser that scales the weights of an update until `‖∂g/∂x‖` is at most a gain.
    ///
    /// All trained float parameters of rank 2 and more (of linear layers, convolutions, embeddings) are multiplied by one number
    /// `0 < s <= 1`, the largest that suffices, to a thousandth, found by halving and bisection. Biases and the scales of norms
    /// are unchanged. The norm of the Jacobian of every row is estimated from below by power iteration on `Jᵀ J` through the
    /// traced update, and only at the given points: this is an initialiser without a guarantee. For a guarantee see
    /// [`SpectralLinear`](super::SpectralLinear).
    ///
    /// | setting | default | range | effect |
    /// | :-- | :-- | :-- | :-- |
    /// | `gain` | 0.9 | `> 0` | the largest `‖∂g/∂x‖` of a row |
    /// | `steps` | 30 | `>= 1` | steps of power iteration for each estimate |
    ///
    /// ```
    /// # use banach::Update;
    /// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
    /// use banach::regularize::SmallGain;
    ///
    /// # #[derive(Module, Debug)]
    /// # struct Cell { state: Linear }
    /// # impl Update for Cell {
    /// #     type State = Tensor<2>;
    /// #     type Input = Tensor<2>;
    /// #     fn start(&self, z: &Tensor<2>) -> Tensor<2> { z.zeros_like() }
    /// #     fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> { (self.state.forward(x) * 4.0 + z).tanh() }
    /// # }
    /// # let cell = Cell { state: LinearConfig::new(8, 8).init(&Device::flex()) };
    /// let z = Tensor::zeros([2, 8], &Device::flex());
    /// let (cell, report) = SmallGain::new().with_gain(0.5).init(cell, z)?;
    /// assert!(report.after <= 0.5 && report.before > report.after);
    /// # Ok::<(), banach::Error>(())
    /// ```
    #[derive(Debug)]
    pub struct SmallGain {
        given {}
        defaults {
            /// The largest `‖∂g/∂x‖` of a row.
            with_gain(gain: f64 = 0.9),
            /// Steps of power iteration for each estimate.
            with_steps(steps: usize = 30),
        }
    }
}

/// The result of [`SmallGain`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GainReport {
    /// The largest `‖∂g/∂x‖` of a row with the given weights.
    pub before: f64,
    /// The largest `‖∂g/∂x‖` of a row with the scaled weights.
    pub after: f64,
    /// The factor of the weights.
    pub scale: f64,
}

/// Halvings after which the weights are practically zero.
const HALVINGS: usize = 20;
/// Bisections between two halvings, for a relative error of a thousandth.
const BISECTIONS: usize = 10;

impl SmallGain {
    /// Scales the weights of an update, for the state at which it starts.
    ///
    /// # Errors
    /// As [`init_at`](Self::init_at).
    pub fn init<M: Module + Update>(&self, update: M, z: M::Input) -> Result<(M, GainReport), Error> {
        let x = start_of(&update, &z)?;
        self.init_at(update, x, z)
    }

    /// Scales the weights of an update, for given states.
    ///
    /// # Errors
    /// An update that cannot be traced; [`Error::Setting`] for settings outside their range, and if even weights near zero do
    /// not give the gain, because the state bypasses them.
    pub fn init_at<M: Module + Update>(
        &self,
        update: M,
        x: M::State,
        z: M::Input,
    ) -> Result<(M, GainReport), Error> {
        if !(self.gain > 0.0 && self.gain.is_finite()) {
            return Err(Error::setting("gain", self.gain, "a finite number above 0"));
        }
        if self.steps == 0 {
            return Err(Error::setting("steps", self.steps, "at least 1"));
        }
        let layer = FixedPointConfig::new().init(update)?;
        let call = layer.call(&x, &z)?;
        if call.x0.dims().contains(&0) {
            let expected = "a state with at least one row and one element, of which a gain can be measured";
            return Err(Error::setting("x", format!("a state of {:?}", call.x0.dims()), expected));
        }
        let parameters = Parameters::of(layer.update());
        let rank = |at: usize| parameters.values[at].ty().shape.len();
        let weights: Vec<usize> = parameters.trained().into_iter().filter(|&at| rank(at) >= 2).collect();
        let ids: Vec<ParamId> = weights.iter().map(|&at| parameters.ids[at]).collect();
        let first = call.fixed.len() - parameters.ids.len();
        let search = Search {
            jacobian: Jacobian::of(&call.traced.fixed_point.g),
            call,
            first,
            weights,
            steps: self.steps,
        };
        let (scale, before, after) = search.run(self.gain)?;
        let report = GainReport { before, after, scale };
        Ok((layer.into_update().map(&mut Scaled { ids, scale }), report))
    }
}

/// The search for a scale.
struct Search {
    jacobian: Jacobian,
    call: Call,
    /// The position of θ among the fixed values.
    first: usize,
    weights: Vec<usize>,
    steps: usize,
}

impl Search {
    /// Returns the scale, the gain before and the gain after.
    fn run(&self, gain: f64) -> Result<(f64, f64, f64), Error> {
        let x = &self.call.x0;
        let start = Tensor::random(x.dims(), Distribution::Normal(0.0, 1.0), (&x.device(), x.dtype()));
        let before = self.gain(1.0, &start)?;
        if before <= gain {
            return Ok((1.0, before, before));
        }
        let (mut low, mut after) = (1.0, before);
        for _ in 0..HALVINGS {
            low *= 0.5;
            after = self.gain(low, &start)?;
            if after <= gain {
                break;
            }
        }
        if after.is_nan() || after > gain {
            let expected =
                format!("above {after}, which is left with weights of almost zero; scale the state instead");
            return Err(Error::setting("gain", gain, &expected));
        }
        let mut high = 2.0 * low;
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            let found = self.gain(middle, &start)?;
            if found <= gain {
                (low, after) = (middle, found);
            } else {
                high = middle;
            }
        }
        Ok((low, before, after))
    }

    /// Returns the largest gain of a row with scaled weights.
    fn gain(&self, scale: f64, start: &Tensor<2>) -> Result<f64, Error> {
        let mut point = vec![Value::from(self.call.x0.clone())];
        for (position, value) in self.call.fixed.iter().enumerate() {
            let weight = position.checked_sub(self.first).is_some_and(|at| self.weights.contains(&at));
            point.push(if weight { scaled(value, scale)? } else { value.clone() });
        }
        let u = self.jacobian.directions(&point, start.clone(), self.steps)?;
        let gains = self.jacobian.gains(&point, &u)?;
        Ok(gains.into_iter().fold(0.0, |most, gain| if gain.is_nan() || gain > most { gain } else { most }))
    }
}

fn scaled(value: &Value, scale: f64) -> Result<Value, Error> {
    let ty = value.ty();
    let flat: Tensor<1> = value.clone().reshaped(&[ty.len()]).try_into_tensor()?;
    Ok(Value::from(flat * scale).reshaped(&ty.shape))
}

/// Multiplies some parameters of a module.
struct Scaled {
    ids: Vec<ParamId>,
    scale: f64,
}

impl ModuleMapper for Scaled {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !self.ids.contains(&param.id) {
            return param;
        }
        param.map(|tensor| {
            let trained = tensor.is_require_grad();
            (tensor * self.scale).detach().set_require_grad(trained)
        })
    }
}
