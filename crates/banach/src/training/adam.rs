//! Adam in one pass over memory, as an optimizer of Burn.

use crate::error::Error;
use crate::settings::strict::strict_config;
use banach_kernels::{AdamStep, Level, adam_step};
use banach_program::{Host, Number, Operand, Owned, Unsuitable, Value, on_all_cores};
use burn::optim::{self, AdamState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{DType, Device, Tensor};
use std::fmt::{Debug, Formatter};

/// Elements that one core updates at a time.
const PART: usize = 1 << 14;

strict_config! {
    /// The settings of Adam, with optional decoupled weight decay.
    ///
    /// ```text
    /// m ← β₁ m + (1 - β₁) g,   v ← β₂ v + (1 - β₂) g²,   θ ← (1 - lr λ) θ - lr m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + ε)
    /// ```
    ///
    /// D. Kingma and J. Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1; I. Loshchilov and F. Hutter,
    /// "Decoupled weight decay regularization" (2019), algorithm 2. The steps equal those of Burn's optimizers up to
    /// rounding. Parameters in host memory are updated in one pass, in place and on all cores; on other devices Burn's
    /// tensor operations are used.
    ///
    /// | setting | default | range |
    /// | :-- | :-- | :-- |
    /// | `beta_1` | `0.9` | `[0, 1)` |
    /// | `beta_2` | `0.999` | `[0, 1)` |
    /// | `epsilon` | `1e-8` | `> 0` |
    /// | `decay`, λ | `0` | `>= 0` |
    ///
    /// ```
    /// use banach::AdamConfig;
    /// use burn::module::Module;
    /// use burn::nn::LinearConfig;
    /// use burn::optim::GradientsParams;
    /// use burn::tensor::{Device, Tensor};
    ///
    /// let device = Device::flex().autodiff();
    /// let mut layer = LinearConfig::new(2, 1).init(&device);
    /// let mut optimizer = AdamConfig::new().init()?;
    /// let before = layer.weight.val().into_data();
    /// let loss = layer.forward(Tensor::<2>::ones([1, 2], &device)).sum();
    /// let gradients = GradientsParams::from_grads(loss.backward(), &layer);
    /// layer = optimizer.step(0.1, layer, gradients);
    /// // The first step is the learning rate, against the sign of the slope.
    /// for (now, before) in layer.weight.val().into_data().iter::<f32>().zip(before.iter::<f32>()) {
    ///     assert!((now - (before - 0.1)).abs() < 1e-6);
    /// }
    /// # Ok::<(), banach::Error>(())
    /// ```
    #[derive(Debug)]
    pub struct AdamConfig {
        given {}
        defaults {
            /// The decay rate of the first moment.
            with_beta_1(beta_1: f64 = 0.9),
            /// The decay rate of the second moment.
            with_beta_2(beta_2: f64 = 0.999),
            /// The summand of the denominator.
            with_epsilon(epsilon: f64 = 1e-8),
            /// The weight decay in a step of length 1.
            with_decay(decay: f64 = 0.0),
        }
    }
}

impl AdamConfig {
    /// Creates the optimizer of a module.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings outside their range.
    pub fn init(&self) -> Result<ModuleOptimizer, Error> {
        let AdamConfig { beta_1, beta_2, epsilon, decay } = *self;
        for (name, beta) in [("beta_1", beta_1), ("beta_2", beta_2)] {
            if !(0.0..1.0).contains(&beta) {
                return Err(Error::setting(name, beta, "a number in [0, 1)"));
            }
        }
        if !(epsilon > 0.0 && epsilon.is_finite()) {
            return Err(Error::setting("epsilon", epsilon, "a finite number > 0"));
        }
        if !(decay >= 0.0 && decay.is_finite()) {
            return Err(Error::setting("decay", decay, "a finite number >= 0"));
        }
        let elsewhere = optim::AdamConfig::new().with_beta_1(beta_1 as f32).with_beta_2(beta_2 as f32);
        let elsewhere = elsewhere.with_epsilon(epsilon as f32).build();
        Ok(ModuleOptimizer::from(Adam { config: self.clone(), elsewhere }))
    }
}

/// The optimizer that [`AdamConfig::init`] creates.
#[derive(Clone)]
pub struct Adam {
    config: AdamConfig,
    /// The optimizer for parameters on other devices.
    elsewhere: optim::Adam,
}

impl Debug for Adam {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "Adam({:?})", self.config)
    }
}

impl Optimizer for Adam {
    /// The state of Burn's Adam, so that records of either optimizer fit the other. The state of AMSGrad is dropped.
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        x: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let moments = state.iter().flat_map(|state| [&state.momentum.moment_1, &state.momentum.moment_2]);
        let here =
            |tensor: &Tensor<D>| tensor.dtype() == x.dtype() && Value::from(tensor.clone()).is_on_host();
        let host = [&x, &gradient].into_iter().chain(moments).all(here);
        match (host, x.dtype()) {
            (true, DType::F32) => self.in_place::<f32, D>(rate, x, gradient, state),
            (true, DType::F64) => self.in_place::<f64, D>(rate, x, gradient, state),
            (_, _) => self.elsewhere.step(rate, x * (1.0 - rate * self.config.decay), gradient, state),
        }
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        optim::Adam::to_device(state, device)
    }
}

impl Adam {
    fn in_place<T: Number, const D: usize>(
        &self,
        rate: LearningRate,
        x: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let fresh = || AdaptiveMomentumState::new(0, x.zeros_like(), x.zeros_like());
        let AdaptiveMomentumState { time, moment_1, moment_2, .. } =
            state.map_or_else(fresh, |state| state.momentum);
        let (time, AdamConfig { beta_1, beta_2, epsilon, decay }) = (time + 1, self.config.clone());
        let rest = |beta: f64| 1.0 - beta.powf(time as f64);
        let held = 1.0 - rate * decay;
        let (rate, correction) = (rate / rest(beta_1), rest(beta_2).sqrt().recip());
        let step = AdamStep { held, kept: [beta_1, beta_2], rate, correction, epsilon };
        let gradient = host(Host::<T>::new(gradient.into()));
        let Operand::Real(gradient) = gradient.operand() else {
            panic!("bug: found a gradient of integers, expected real numbers")
        };
        let mut owned = [x, moment_1, moment_2].map(|tensor| host(Owned::<T>::new(tensor.into())));
        let [x, m, v] = owned.each_mut().map(|owned| owned.numbers().chunks_mut(PART));
        on_all_cores(x.zip(gradient.chunks(PART)).zip(m).zip(v), |(((x, slopes), m), v)| {
            adam_step(Level::best(), x, slopes, [m, v], &step);
        });
        let [x, moment_1, moment_2] =
            owned.map(|owned| owned.into_value().try_into_tensor().unwrap_or_else(|error| panic!("{error}")));
        (x, Some(AdamState::new(AdaptiveMomentumState::new(time, moment_1, moment_2))))
    }
}

/// Returns the elements of a tensor whose device and precision were checked.
fn host<T>(found: Result<T, Unsuitable>) -> T {
    found.unwrap_or_else(|error| panic!("{error}"))
}
