//! Gradient checks: independent estimates of the derivative of a layer, for your own updates and tests.
//!
//! ```
//! use banach::{FixedPointConfig, Update, check, solve::Tolerance};
//! use burn::module::{Module, Param};
//! use burn::tensor::{DType, Device, Tensor};
//!
//! /// x = cos(c x)
//! #[derive(Module, Debug)]
//! struct Cosine {
//!     c: Param<Tensor<1>>,
//! }
//!
//! impl Update for Cosine {
//!     type State = Tensor<2>;
//!     type Input = ();
//!
//!     fn start(&self, _: &()) -> Tensor<2> {
//!         Tensor::zeros([1, 1], (&Device::flex(), DType::F64))
//!     }
//!
//!     fn update(&self, x: Tensor<2>, _: ()) -> Tensor<2> {
//!         (x * self.c.val().unsqueeze()).cos()
//!     }
//! }
//!
//! let c = Tensor::from_data([1.0], (&Device::flex(), DType::F64));
//! let layer = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).init(Cosine { c: Param::from_tensor(c) })?;
//! let found = check::gradients(&layer, ())?;
//! assert!(found.agrees(1e-6), "{found:?}");
//! # Ok::<(), banach::Error>(())
//! ```

use crate::error::Error;
use crate::layer::call::Call;
use crate::layer::fixed_point::FixedPoint;
use crate::tracing::update::{Update, start_of};
use banach_program::{Value, evaluate, jvp, vjp};
use burn::module::Module;
use burn::tensor::{DType, Distribution, Tensor};

/// The differences between independent estimates of one directional derivative of `⟨v, x̂⟩`, relative to the norm of the
/// gradient.
///
/// For a correct gradient they are about `1e-8` in double precision with a tight tolerance, and `1e-2` in single precision.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientCheck {
    /// `d⟨v, x̂⟩` along a random direction of z and θ, by the implicit function theorem.
    pub implicit: f64,
    /// The difference from central differences of solves.
    pub finite_difference: f64,
    /// The difference of `⟨v, J t⟩` and `⟨Jᵀ v, t⟩`, forward and reverse mode of g at x̂.
    pub dot_product: f64,
    /// The difference from Burn's own autodiff through many applications of g; None if plain iteration does not converge.
    pub unrolled: Option<f64>,
    /// The largest `‖g(x̂) - x̂‖` of a row, at whose solution all estimates are computed.
    pub residual: f64,
}

impl GradientCheck {
    /// Returns whether all estimates agree within the relative tolerance.
    pub fn agrees(&self, tolerance: f64) -> bool {
        let unrolled = self.unrolled.is_none_or(|error| error <= tolerance);
        self.finite_difference <= tolerance && self.dot_product <= tolerance && unrolled
    }
}

/// Checks the gradient of a layer with respect to z and every parameter, along a random direction.
///
/// # Errors
/// As [`FixedPoint::solve`]; [`Error::Setting`] for a layer with another gradient than the implicit one.
pub fn gradients<M: Module + Update>(layer: &FixedPoint<M>, z: M::Input) -> Result<GradientCheck, Error> {
    layer.config().refuse_other_gradients()?;
    let x0 = start_of(layer.update(), &z)?;
    let estimates = DerivativeEstimates::new(layer.call(&x0, &z)?)?;
    let (implicit, length) = estimates.implicit()?;
    let relative = |other: f64| (other - implicit).abs() / length.max(1e-12);
    let finite_difference = relative(estimates.finite_difference()?);
    let unrolled = estimates.unrolled(length)?.map(relative);
    let (dot_product, residual) = (estimates.dot_product()?, estimates.residual);
    Ok(GradientCheck { implicit, finite_difference, dot_product, unrolled, residual })
}

/// A point, a cotangent and a direction, with the estimates of the derivative.
struct DerivativeEstimates {
    call: Call,
    x: Tensor<2>,
    v: Tensor<2>,
    direction: Vec<Value>,
    steps: usize,
    residual: f64,
}

impl DerivativeEstimates {
    fn new(call: Call) -> Result<Self, Error> {
        let solution = call.traced.fixed_point.solve(&call.x0, &call.fixed)?;
        let worse =
            |worst: f64, residual: &f64| if residual.is_nan() { f64::INFINITY } else { worst.max(*residual) };
        let residual = solution.statistics.residuals.iter().fold(0.0, worse);
        let steps = solution.statistics.steps.iter().copied().max().unwrap_or(0);
        let v = random(&solution.value.clone().into());
        let direction = call.fixed.iter().map(|value| random(value).into()).collect();
        let v = Value::from(v).reshaped(&solution.value.dims()).try_into_tensor()?;
        Ok(DerivativeEstimates { call, x: solution.value, v, direction, steps, residual })
    }

    fn point(&self) -> Vec<Value> {
        self.call.point(&self.x)
    }

    fn floats(&self) -> Vec<usize> {
        (0..self.call.fixed.len()).filter(|&at| self.call.fixed[at].ty().kind.is_float()).collect()
    }

    /// Returns the derivative along the direction, and the norm of the gradient.
    fn implicit(&self) -> Result<(f64, f64), Error> {
        let point = self.point();
        let c = self.call.traced.fixed_point.adjoint(&self.v, &point)?;
        let inputs: Vec<usize> = self.floats().iter().map(|at| at + 1).collect();
        let reverse = vjp(&self.call.traced.fixed_point.g, &inputs);
        let gradients = evaluate(&reverse, [point, vec![c.into()]].concat())?.split_off(1);
        let pairs = gradients.iter().zip(self.floats());
        let derivative = pairs.map(|(gradient, at)| dot(gradient, &self.direction[at])).sum();
        let length = gradients.iter().map(|gradient| dot(gradient, gradient)).sum::<f64>().sqrt();
        Ok((derivative, length))
    }

    /// Returns central differences at two step sizes, extrapolated to fourth order (Richardson).
    fn finite_difference(&self) -> Result<f64, Error> {
        let double = self.x.dtype() == DType::F64;
        let step = if double { 1e-4 } else { 1e-2 };
        let at = |step: f64| {
            let moved = self.call.fixed.iter().zip(&self.direction).map(|(value, t)| moved(value, t, step));
            let fixed: Vec<Value> = moved.collect();
            let solution = self.call.traced.fixed_point.solve(&self.x, &fixed)?;
            Ok::<f64, Error>(dot(&solution.value.into(), &self.v.clone().into()))
        };
        let difference = |step: f64| Ok::<f64, Error>((at(step)? - at(-step)?) / (2.0 * step));
        Ok((4.0 * difference(step)? - difference(2.0 * step)?) / 3.0)
    }

    fn dot_product(&self) -> Result<f64, Error> {
        let t = Value::from(random(&self.x.clone().into())).reshaped(&self.x.dims());
        let forward = jvp(&self.call.traced.fixed_point.g, &[0]);
        let pushed = evaluate(&forward, [self.point(), vec![t.clone()]].concat())?.remove(1);
        let v = Value::from(self.v.clone());
        let reverse = vjp(&self.call.traced.fixed_point.g, &[0]);
        let pulled = evaluate(&reverse, [self.point(), vec![v.clone()]].concat())?.remove(1);
        let (left, right) = (dot(&v, &pushed), dot(&pulled, &t));
        Ok((left - right).abs() / dot(&pulled, &pulled).sqrt().max(1e-12))
    }

    /// Returns the derivative by Burn's tape through many applications of g from x̂. None unless half as many applications give
    /// about the same derivative, relative to a gradient of this norm: then further terms are negligible.
    fn unrolled(&self, length: f64) -> Result<Option<f64>, Error> {
        let steps = (2 * self.steps).clamp(60, 400);
        let (half, all) = (self.unrolled_by(steps / 2)?, self.unrolled_by(steps)?);
        let close = length.max(1e-12) * if self.x.dtype() == DType::F64 { 1e-4 } else { 3e-2 };
        let converged = |all: &f64| half.is_some_and(|half| (all - half).abs() <= close);
        Ok(all.filter(converged))
    }

    /// Returns the derivative through a number of applications; None if they move away from x̂.
    fn unrolled_by(&self, steps: usize) -> Result<Option<f64>, Error> {
        let leaves: Vec<Option<Tensor<1>>> = self.call.fixed.iter().map(leaf).collect();
        let bound = leaves.iter().zip(&self.call.fixed).map(|(leaf, value)| match leaf {
            Some(leaf) => Value::from(leaf.clone()).reshaped(&value.ty().shape),
            None => value.clone(),
        });
        let fixed: Vec<Value> = bound.collect();
        let mut x = Value::from(self.x.clone());
        for _ in 0..steps {
            x = self.call.update(x, &fixed)?;
        }
        let end: Tensor<2> = x.try_into_tensor()?;
        let drift = dot(&(end.clone().inner() - self.x.clone()).abs().into(), &ones(&self.x));
        let size = dot(&self.x.clone().abs().into(), &ones(&self.x));
        if !end.is_autodiff() || drift.is_nan() || drift > 1e-3 * (1.0 + size) {
            return Ok(None);
        }
        if !end.is_tracked() {
            return Ok(Some(0.0)); // g depends on none of its inputs.
        }
        let gradients = (end * self.v.clone()).sum().backward();
        let along = leaves.iter().zip(&self.direction).filter_map(|(leaf, t)| {
            let gradient = leaf.as_ref()?.grad(&gradients)?;
            Some(dot(&gradient.into(), t))
        });
        Ok(Some(along.sum()))
    }
}

fn ones(like: &Tensor<2>) -> Value {
    Tensor::<2>::ones_like(like).into()
}

/// Returns random numbers, flat, one for each element of the value.
fn random(like: &Value) -> Tensor<1> {
    let ty = like.ty();
    let dtype = match ty.kind {
        banach_program::Kind::Float(dtype) => DType::from(dtype),
        banach_program::Kind::Int(_) | banach_program::Kind::Bool => DType::F32,
    };
    Tensor::random([ty.len()], Distribution::Normal(0.0, 1.0), (&like.device(), dtype))
}

/// Returns a float tensor as a leaf of the tape, flat.
fn leaf(value: &Value) -> Option<Tensor<1>> {
    let flat = value.clone().reshaped(&[value.ty().len()]);
    flat.try_into_tensor::<1>().ok().map(|tensor| tensor.autodiff().require_grad())
}

fn moved(value: &Value, direction: &Value, step: f64) -> Value {
    let ty = value.ty();
    let flat = |value: &Value| value.clone().reshaped(&[ty.len()]).try_into_tensor::<1>();
    match (flat(value), flat(direction)) {
        (Ok(value), Ok(direction)) => Value::from(value + direction * step).reshaped(&ty.shape),
        _ => value.clone(),
    }
}

fn dot(a: &Value, b: &Value) -> f64 {
    let flat = |value: &Value| value.clone().into_data().convert::<f64>().iter::<f64>().collect::<Vec<f64>>();
    flat(a).iter().zip(flat(b)).map(|(a, b)| a * b).sum()
}
