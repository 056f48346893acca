//! FPI_GD: minimisers of learnable energies, as fixed points of gradient steps.

use crate::calculus::function::Function;
use crate::energy::projection::Projection;
use crate::error::Error;
use crate::settings::trial::is_trial;
use crate::tracing::auxiliary::Auxiliary;
use crate::tracing::layout::types_of;
use crate::tracing::parameters::Parameters;
use crate::tracing::traced::{compare_module, trace_module};
use crate::tracing::update::Update;
use banach_program::{Builder, Tensors, Type, Value, Var};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// An energy `f(x, z; θ)` to be minimised in x. Implement it for a Burn module; its parameters are θ.
pub trait Energy {
    /// The state x: a tensor, or a tuple or `Vec` of tensors, whose first axis is the batch.
    type State: Tensors;

    /// The input z.
    type Input: Tensors;

    /// Returns the start of the descent, usually zeros.
    fn start(&self, z: &Self::Input) -> Self::State;

    /// Returns the energy of every row, `[batch]`. It need not be convex, but rows must not depend on one another.
    fn energy(&self, x: Self::State, z: Self::Input) -> Tensor<1>;
}

/// The settings of a gradient step.
///
/// | setting | default | range | effect |
/// | :-- | :-- | :-- | :-- |
/// | `rate` | given | `> 0` | the step size γ |
/// | `learnable` | `false` | | whether γ is a parameter |
/// | `projection` | none | | the set onto which x is projected |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientDescentConfig {
    /// The step size γ.
    pub rate: f64,
    /// Whether γ is a trained parameter.
    #[serde(default)]
    pub learnable: bool,
    /// The set onto which x is projected.
    #[serde(default)]
    pub projection: Projection,
}

impl GradientDescentConfig {
    /// Creates steps of a fixed size γ without a projection.
    pub fn new(rate: f64) -> Self {
        GradientDescentConfig { rate, learnable: false, projection: Projection::None }
    }

    /// Sets whether γ is a trained parameter.
    #[must_use]
    pub fn with_learnable_rate(mut self, learnable: bool) -> Self {
        self.learnable = learnable;
        self
    }

    /// Sets the set onto which x is projected.
    #[must_use]
    pub fn with_projection(mut self, projection: Projection) -> Self {
        self.projection = projection;
        self
    }

    /// Creates the update of an energy.
    ///
    /// # Errors
    /// [`Error::Rate`] and [`Error::Projection`] for settings outside their range.
    pub fn init<E: Module + Energy>(&self, energy: E) -> Result<GradientDescent<E>, Error> {
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return Err(Error::Rate { found: self.rate });
        }
        self.projection.validate()?;
        let device = energy.devices().first().cloned().unwrap_or_default();
        let rate = if self.learnable {
            let rate = Tensor::<1>::from_data([self.rate], &device);
            // A module off the tape, such as one that is only evaluated, has no gradients.
            let rate = if device.is_autodiff() { rate.require_grad() } else { rate };
            Rate::Learnable(Param::from_tensor(rate))
        } else {
            Rate::Fixed(self.rate)
        };
        Ok(GradientDescent { energy, rate, projection: self.projection.clone() })
    }
}

/// The update `x ← P(x - γ ∂f/∂x)` of an [`Energy`] f, with P the projection (FPI_GD, section 3.4 of the paper).
///
/// Its fixed points are the stationary points of f on the set. Its Jacobian `I - γ ∂²f/∂x²`, which contains the second
/// derivatives of f, is symmetric without a projection.
#[derive(Module, Debug)]
pub struct GradientDescent<E: Module> {
    energy: E,
    rate: Rate,
    #[module(skip)]
    projection: Projection,
}

/// The step size.
#[derive(Module, Debug)]
enum Rate {
    Fixed(f64),
    Learnable(Param<Tensor<1>>),
}

impl<E: Module> GradientDescent<E> {
    /// Returns the energy.
    pub fn energy(&self) -> &E {
        &self.energy
    }
}

impl<E: Module + Energy> GradientDescent<E> {
    /// Traces the energy as a function of `(x.., z.., θ..)`, and returns it with the values of these inputs.
    fn traced(&self, x: &E::State, z: &E::Input) -> Result<(Function, Vec<Value>), Error> {
        let inputs = z.clone().into_values();
        let parameters = Parameters::of(&self.energy);
        let mut values = x.clone().into_values();
        values.extend(inputs);
        values.extend(parameters.values.iter().cloned());
        let device = values.first().map_or_else(Device::default, Value::device);
        let types = types_of(&values);
        let energy = |energy: &E, x, z| vec![energy.energy(x, z).into()];
        let program = trace_module(&self.energy, (x, z), &parameters, (&device, &types), energy)?;
        // A comparison of the update would compare the derivative of this trace with itself, so the energy is compared.
        if is_trial() && !values.iter().any(Value::is_placeholder) {
            let training = values.iter().any(|value| value.device().is_autodiff());
            let point = values.iter().cloned().map(Value::detached).collect();
            compare_module(
                "energy",
                (&self.energy, &parameters),
                &program,
                (x, z),
                (point, training),
                &energy,
            )?;
        }
        let rows = types.first().and_then(|ty| ty.shape.first().copied()).unwrap_or(1);
        let found = program.output_types().next().cloned();
        if found.as_ref().is_none_or(|ty| ty.shape != [rows]) {
            let found = found.map_or_else(|| "nothing".into(), |ty| ty.to_string());
            return Err(Error::Energy { found, rows });
        }
        Ok((program.into(), values))
    }

    fn step(&self, x: &E::State, z: &E::Input) -> Result<E::State, Error> {
        let states = x.clone().into_values();
        let (energy, values) = self.traced(x, z)?;
        let which: Vec<usize> = (0..states.len()).collect();
        let slopes = energy.partial(&which)?.call_values(values)?;
        let mut builder = Builder::new();
        let xs: Vec<Var> = states.iter().map(|x| builder.input(x.ty())).collect();
        let slopes_in: Vec<Var> = slopes.iter().map(|slope| builder.input(slope.ty())).collect();
        let learnable = match &self.rate {
            Rate::Fixed(_) => None,
            Rate::Learnable(rate) => Some(Value::from(rate.val())),
        };
        let rate_in = learnable.as_ref().map(|rate| builder.input(rate.ty()));
        let mut outputs = vec![];
        for (&x, &slope) in xs.iter().zip(&slopes_in) {
            let step = self.scaled(&mut builder, slope, rate_in);
            let moved = builder.subtract(x, step);
            outputs.push(self.projection.lines(&mut builder, moved)?);
        }
        let function = Function::from(builder.finish(outputs));
        let given = states.into_iter().chain(slopes).chain(learnable).collect();
        let results = function.call_values(given)?;
        Ok(x.rebuild(&mut results.into_iter())?)
    }

    fn scaled(&self, builder: &mut Builder, slope: Var, rate: Option<Var>) -> Var {
        match (&self.rate, rate) {
            (Rate::Fixed(rate), _) => builder.scale(slope, *rate),
            (Rate::Learnable(_), Some(rate)) => {
                let Type { shape, kind } = builder.type_of(slope).clone();
                let rate = builder.cast(rate, kind);
                let rate = builder.broadcast(rate, &shape);
                builder.multiply(slope, rate)
            }
            (Rate::Learnable(_), None) => slope,
        }
    }
}

impl<E: Module + Energy> Update for GradientDescent<E> {
    type State = E::State;
    type Input = E::Input;

    fn start(&self, z: &E::Input) -> E::State {
        self.energy.start(z)
    }

    /// # Panics
    /// If the energy cannot be traced or is not one value per row; a [`FixedPoint`](crate::FixedPoint) layer returns that as
    /// its error.
    fn update(&self, x: E::State, z: E::Input) -> E::State {
        self.step(&x, &z).unwrap_or_else(|error| std::panic::panic_any(error))
    }

    /// Returns None with a projection: the minimiser on the set is no stationary point of the energy.
    fn energy(&self, x: E::State, z: E::Input) -> Option<Tensor<1>> {
        (self.projection == Projection::None).then(|| self.energy.energy(x, z))
    }
}

/// The energy of every row, `[batch]`.
impl<E: Module + Energy> Auxiliary for GradientDescent<E> {
    type Outputs = Tensor<1>;

    fn outputs(&self, x: E::State, z: E::Input) -> Tensor<1> {
        self.energy.energy(x, z)
    }
}
