//! Unrolled inference: a fixed number of gradient steps on an energy, with learned step sizes.

use crate::calculus::attached::attach;
use crate::calculus::function::Function;
use crate::energy::gradient_descent::Energy;
use crate::energy::projection::Projection;
use crate::error::Error;
use crate::tracing::layout::types_of;
use crate::tracing::parameters::Parameters;
use crate::tracing::traced::trace_module;
use banach_program::{Builder, Tensors, Value};
use burn::module::{Module, ModuleDisplay, Param};
use burn::tensor::{Device, Tensor, TensorData, activation};
use serde::{Deserialize, Serialize};

/// The settings of unrolled inference.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | `steps` | given | `>= 1` | the number T of steps, each kept for the derivative |
/// | `rate` | given | `> 0` | the first value of every step size γ_t |
/// | `momentum` | 0 | `0 <= μ < 1` | the first value of the momentum; 0 has none |
/// | `projection` | none | | the set onto which x is projected in every step |
/// | `entropy` | `false` | not with a projection | whether the steps are those of entropic mirror descent in (0, 1)ⁿ |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnrolledConfig {
    /// The number of steps.
    pub steps: usize,
    /// The first value of every step size.
    pub rate: f64,
    /// The first value of the momentum.
    #[serde(default)]
    pub momentum: f64,
    /// The set onto which x is projected.
    #[serde(default)]
    pub projection: Projection,
    /// Whether the steps are those of entropic mirror descent.
    #[serde(default)]
    pub entropy: bool,
}

impl UnrolledConfig {
    /// Creates steps without momentum and without a projection.
    pub fn new(steps: usize, rate: f64) -> Self {
        Self { steps, rate, momentum: 0.0, projection: Projection::None, entropy: false }
    }

    /// Sets the first value of the momentum.
    #[must_use]
    pub fn with_momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// Sets the set onto which x is projected.
    #[must_use]
    pub fn with_projection(mut self, projection: Projection) -> Self {
        self.projection = projection;
        self
    }

    /// Takes the steps of entropic mirror descent on `f(y) - H(y)` in (0, 1)ⁿ; the iterates are logits.
    #[must_use]
    pub fn with_entropy(mut self) -> Self {
        self.entropy = true;
        self
    }

    /// Creates the layer of an energy.
    ///
    /// # Errors
    /// [`Error::Rate`], [`Error::Projection`] and [`Error::Setting`] for settings outside their range.
    pub fn init<E: Module + Energy>(&self, energy: E) -> Result<Unrolled<E>, Error> {
        let Self { steps, rate, momentum, ref projection, entropy } = *self;
        if steps == 0 {
            return Err(Error::setting("steps", steps, "1 or more"));
        }
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(Error::Rate { found: rate });
        }
        if !(0.0..1.0).contains(&momentum) {
            return Err(Error::setting("momentum", momentum, "a number from 0 to below 1"));
        }
        if entropy && *projection != Projection::None {
            return Err(Error::setting(
                "projection",
                "a set beside the entropy",
                "none, since the entropy keeps to the box",
            ));
        }
        projection.validate()?;
        let device = energy.devices().first().cloned().unwrap_or_default();
        let parameter = |number: f64, count: usize| -> Param<Tensor<1>> {
            let value = Tensor::from_data(TensorData::new(vec![number; count], [count]), &device);
            // A module off the tape, such as one that is only evaluated, has no gradients.
            Param::from_tensor(if Device::is_autodiff(&device) { value.require_grad() } else { value })
        };
        let log_rates = parameter(rate.ln(), steps);
        let momentum = (momentum > 0.0).then(|| parameter((momentum / (1.0 - momentum)).ln(), 1));
        Ok(Unrolled { energy, log_rates, momentum, projection: projection.clone(), entropy })
    }
}

/// The iterate x_T of `m_t = μ m_{t-1} + ∇f(x_{t-1}, z; θ)`, `x_t = P(x_{t-1} - γ_t m_t)`, from the energy's start x₀ and
/// m₀ = 0, with step sizes γ_t = exp(ρ_t) and a momentum μ = σ(m) that are parameters (D. Belanger, B. Yang and
/// A. McCallum, "End-to-End Learning for Structured Prediction Energy Networks", ICML 2017, section 3).
///
/// With `entropy` the iterates are logits from x₀ = 0, and `x_t + ∇f(σ(x_t))` takes the place of ∇f: steps of mirror descent
/// on `f(y) - H(y)` with the entropy H as the mirror map, whose limit is that of an
/// [`EntropicDescent`](crate::EntropicDescent).
///
/// All T steps are one program: its memory grows with T, and its derivative is that of x_T, whether or not x_T is near a
/// minimiser. The implicit derivative of the minimiser itself is that of a [`GradientDescent`](crate::GradientDescent)
/// layer. Second derivatives of the energy need no code in either.
///
/// ```
/// use banach::{InputConvexConfig, Projection, UnrolledConfig};
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex().autodiff();
/// let energy = InputConvexConfig::new(3, 4).with_hidden(vec![8]).init(&device)?;
/// let unit = Projection::Box { lower: vec![0.0], upper: vec![1.0] };
/// let layer = UnrolledConfig::new(5, 0.1).with_momentum(0.5).with_projection(unit).init(energy)?;
/// let y: Tensor<2> = layer.forward(Tensor::<2>::ones([2, 4], &device))?;
/// assert_eq!(y.dims(), [2, 3]);
/// # Ok::<(), banach::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Unrolled<E: Module> {
    energy: E,
    log_rates: Param<Tensor<1>>,
    momentum: Option<Param<Tensor<1>>>,
    #[module(skip)]
    projection: Projection,
    entropy: bool,
}

impl<E: Module> Unrolled<E> {
    /// Returns the energy.
    pub fn energy(&self) -> &E {
        &self.energy
    }

    /// Returns the step sizes γ_t, `[steps]`.
    pub fn rates(&self) -> Tensor<1> {
        self.log_rates.val().exp()
    }

    /// Returns the momentum μ, `[1]`, if there is one.
    pub fn momentum(&self) -> Option<Tensor<1>> {
        self.momentum.as_ref().map(|momentum| activation::sigmoid(momentum.val()))
    }
}

impl<E: Module + ModuleDisplay + Energy> Unrolled<E> {
    /// Returns x_T for the input z, on Burn's tape: the steps are traced once, and differentiated as one program.
    ///
    /// # Errors
    /// [`Error::NotScalar`] for an energy that is not one number for each row, [`Error::Projection`] for bounds that do not
    /// fit the state, and the errors of a trace.
    pub fn forward<const D: usize>(&self, z: E::Input) -> Result<Tensor<D>, Error>
    where
        E: Energy<State = Tensor<D>>,
    {
        let parameters = Parameters::of(self);
        let inputs: Vec<Value> = [z.clone().into_values(), parameters.values.clone()].concat();
        let on_tape = inputs.iter().any(|input| input.device().is_autodiff());
        if !on_tape || inputs.iter().any(Value::is_placeholder) {
            return self.last(z);
        }
        Value::on_one_device(&inputs)?;
        let device = inputs.first().map_or_else(Device::default, Value::device);
        let code = |layer: &Self, z: E::Input, ()| {
            vec![layer.last(z).unwrap_or_else(|error| std::panic::panic_any(error)).into()]
        };
        let program = trace_module(self, (&z, &()), &parameters, (&device, &types_of(&inputs)), code)?;
        let steps = Function::from(program);
        let plain: Vec<Value> = inputs.iter().cloned().map(Value::detached).collect();
        let x = steps.call_values(plain.clone())?.into_iter().next();
        let x: Tensor<D> =
            x.unwrap_or_else(|| panic!("bug: a trace without its result")).try_into_tensor()?;
        let shape = x.dims();
        let flat = [shape[0], shape.iter().skip(1).product()];
        let x = attach(x.reshape(flat), inputs, move |v, needed| {
            let v = Value::from(v).reshaped(&shape);
            steps.vjp_of(needed).call_values([plain.clone(), vec![v]].concat())
        })?;
        Ok(x.reshape(shape))
    }

    fn last<const D: usize>(&self, z: E::Input) -> Result<Tensor<D>, Error>
    where
        E: Energy<State = Tensor<D>>,
    {
        Ok(self.all(z)?.pop().unwrap_or_else(|| panic!("bug: unrolled inference without its start")))
    }

    /// Returns x₀ to x_T, off the tape.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn iterates<const D: usize>(&self, z: E::Input) -> Result<Vec<Tensor<D>>, Error>
    where
        E: Energy<State = Tensor<D>>,
    {
        let plain = z.clone().into_values().into_iter().map(Value::detached);
        self.valid().all(z.rebuild(&mut plain.collect::<Vec<_>>().into_iter())?)
    }

    fn all<const D: usize>(&self, z: E::Input) -> Result<Vec<Tensor<D>>, Error>
    where
        E: Energy<State = Tensor<D>>,
    {
        let start = self.energy.start(&z);
        let start = if self.entropy { start.zeros_like() } else { start };
        let code = |energy: &E, (x, z): (Tensor<D>, E::Input)| energy.energy(x, z);
        let (energy, parameters) = Function::of_module(&self.energy, &(start.clone(), z.clone()), code)?;
        let given: Vec<Value> = [z.into_values(), parameters].concat();
        let (slope, projection) = (energy.gradient(0)?, self.projector(&start)?);
        let one = |tensor: Tensor<1>| tensor.cast(start.dtype()).reshape([1; D]);
        let (rates, momentum) = (self.rates(), self.momentum().map(one));
        let mut velocity: Option<Tensor<D>> = None;
        let mut iterates = vec![start.clone()];
        for step in 0..rates.dims()[0] {
            let x = iterates[step].clone();
            let y = if self.entropy { activation::sigmoid(x.clone()) } else { x.clone() };
            let found = slope.call_values([vec![y.into()], given.clone()].concat())?;
            let mut found: Tensor<D> = match found.into_iter().next() {
                Some(found) => found.try_into_tensor()?,
                None => x.zeros_like(),
            };
            if self.entropy {
                found = found + x.clone();
            }
            if let Some(momentum) = &momentum {
                found = match velocity.take() {
                    Some(velocity) => velocity * momentum.clone() + found,
                    None => found,
                };
                velocity = Some(found.clone());
            }
            let rate = one(rates.clone().narrow(0, step, 1));
            let moved = x - found * rate;
            iterates.push(match &projection {
                Some(projection) => projection.call(moved)?,
                None => moved,
            });
        }
        Ok(iterates)
    }

    /// The projection as a function; none where there is no constraint.
    fn projector<const D: usize>(&self, x: &Tensor<D>) -> Result<Option<Function>, Error> {
        if self.projection == Projection::None {
            return Ok(None);
        }
        let mut builder = Builder::new();
        let input = builder.input(Value::from(x.clone()).ty());
        let projected = self.projection.lines(&mut builder, input)?;
        Ok(Some(builder.finish(vec![projected]).into()))
    }
}
