//! Penalties on the Jacobian of an update at the solution.
//!
//! Both penalties are numbers on Burn's tape, to be added to the loss. Their gradients reach θ, z and, unless x̂ is passed
//! detached, also x̂ and everything that x̂ depends on. They are second derivatives of g, computed by running the traced program
//! of Jᵀ v or J u on the tape.
//!
//! An empty batch has the penalty 0. A row in which g has no finite derivative is left out of the mean and of the gradient; if
//! every row is left out, the penalty is NaN, without a gradient.
//!
//! ```
//! # use banach::{FixedPointConfig, Update};
//! # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
//! use banach::regularize::{frobenius_penalty, random_signs};
//!
//! # #[derive(Module, Debug)]
//! # struct Cell { state: Linear }
//! # impl Update for Cell {
//! #     type State = Tensor<2>;
//! #     type Input = Tensor<2>;
//! #     fn start(&self, z: &Tensor<2>) -> Tensor<2> { z.zeros_like() }
//! #     fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> { (self.state.forward(x) * 0.5 + z).tanh() }
//! # }
//! # let cell = Cell { state: LinearConfig::new(8, 8).init(&Device::flex().autodiff()) };
//! let layer = FixedPointConfig::new().init(cell)?;
//! let z = Tensor::<2>::ones([4, 8], &Device::flex().autodiff());
//! let x = layer.forward(z.clone());
//! let penalty = frobenius_penalty(&layer, x.clone(), z, random_signs(&x)?)?;
//! let gradients = (x.square().mean() + penalty * 0.1).backward();
//! assert!(layer.update().state.weight.grad(&gradients).is_some());
//! # Ok::<(), banach::Error>(())
//! ```

use crate::calculus::function::Function;
use crate::error::Error;
use crate::layer::call::Call;
use crate::layer::fixed_point::FixedPoint;
use crate::regularize::jacobian::Jacobian;
use crate::tracing::row_substitution::{RowSubstitution, failed_rows, zero_rows};
use crate::tracing::update::Update;
use banach_program::{Program, Tensors, Value};
use burn::module::Module;
use burn::tensor::{DType, Distribution, Tensor};

/// Estimates `‖J‖_F² / n`, averaged over the rows, with J = ∂g/∂x at x and n elements in a row.
///
/// The estimate is `‖Jᵀ ε‖² / n` for a probe ε of random signs, or of any distribution with covariance I. It is unbiased:
/// `E ‖Jᵀ ε‖² = tr(J Jᵀ)` (Hutchinson). One new probe in each training step is usual (Bai, Koltun and Kolter,
/// "Stabilizing Equilibrium Models by Jacobian Regularization", 2021, section 4). Cost: a few updates, in time and memory.
///
/// # Errors
/// As [`FixedPoint::solve`]; a probe of another shape than x.
pub fn frobenius_penalty<M: Module + Update>(
    layer: &FixedPoint<M>,
    x: M::State,
    z: M::Input,
    probe: M::State,
) -> Result<Tensor<1>, Error> {
    let at = PenaltyPoint::new(layer, x, z)?;
    let probe = at.flat(probe)?;
    let [_, width] = probe.dims();
    // Burn computes the gradient of a division by a number in single precision.
    at.mean(&probe, |jacobian, point, probe| {
        Ok(jacobian.reverse(point, probe)?.square().sum_dim(1) * (1.0 / width.max(1) as f64))
    })
}

/// Estimates `‖J‖²`, the square of the largest singular value, averaged over the rows, and returns it with the directions u.
///
/// The estimate is `‖J u‖² / ‖u‖²` after some steps of power iteration `u ← Jᵀ J u / ‖Jᵀ J u‖` off the tape, from the given u.
/// It is a lower bound, which is exact where u has converged; there the quotient is stationary in u, so that u can be held
/// fixed in the gradient. Begin with [`random_signs`]; if the next batch is the same, continue with the returned u. Cost: that
/// of [`frobenius_penalty`], and two products with J for each step.
///
/// # Errors
/// As [`FixedPoint::solve`]; a u of another shape than x; steps inside a trace, which cannot hold u fixed.
pub fn spectral_penalty<M: Module + Update>(
    layer: &FixedPoint<M>,
    x: M::State,
    z: M::Input,
    u: M::State,
    steps: usize,
) -> Result<(Tensor<1>, M::State), Error> {
    let at = PenaltyPoint::new(layer, x, z)?;
    if at.recorded && steps > 0 {
        return Err(Error::setting(
            "steps",
            steps,
            "0 inside a trace: iterate outside and pass u as an input",
        ));
    }
    let found = at.jacobian.directions(&at.detached(), at.flat(u.clone())?, steps)?;
    let penalty = at.mean(&found, |jacobian, point, u| {
        Ok(jacobian.forward(point, u)?.square().sum_dim(1) / u.clone().square().sum_dim(1))
    })?;
    let states = call(&at.call.traced.update.packing.unpack, vec![found.into()])?;
    Ok((penalty, u.rebuild(&mut states.into_iter())?))
}

/// Returns random signs in the shape of a state, off the tape: 1 or -1 with probability one half.
///
/// # Errors
/// [`Error::StateKind`] for tensors that are not floats.
pub fn random_signs<S: Tensors>(like: &S) -> Result<S, Error> {
    let signs = like.clone().into_values().into_iter().map(|value| {
        let ty = value.ty();
        let banach_program::Kind::Float(dtype) = ty.kind else {
            return Err(Error::StateKind { found: ty.to_string() });
        };
        let options = (&value.device().without_autodiff(), DType::from(dtype));
        let coins = Tensor::<1>::random([ty.len()], Distribution::Bernoulli(0.5), options);
        Ok(Value::from(coins * 2.0 - 1.0).reshaped(&ty.shape))
    });
    let signs = signs.collect::<Result<Vec<Value>, Error>>()?;
    Ok(like.rebuild(&mut signs.into_iter())?)
}

fn call(program: &Program, inputs: Vec<Value>) -> Result<Vec<Value>, Error> {
    Function::from(program.clone()).call_values(inputs)
}

/// The point at which a penalty is computed, with J there.
struct PenaltyPoint {
    call: Call,
    jacobian: Jacobian,
    /// `(x, z, θ)` as given, on the tape or off it.
    point: Vec<Value>,
    /// Whether the penalty is computed inside a trace.
    recorded: bool,
}

impl PenaltyPoint {
    fn new<M: Module + Update>(layer: &FixedPoint<M>, x: M::State, z: M::Input) -> Result<Self, Error> {
        let found = layer.call(&x, &z)?;
        let mut point = call(&found.traced.update.packing.pack, x.into_values())?;
        point.extend(found.live());
        let recorded = point.iter().any(Value::is_placeholder);
        Ok(PenaltyPoint { jacobian: Jacobian::of(&found.traced.fixed_point.g), call: found, point, recorded })
    }

    /// Packs a direction into one matrix, off the tape.
    fn flat<S: Tensors>(&self, direction: S) -> Result<Tensor<2>, Error> {
        let values = direction.into_values().into_iter().map(Value::detached).collect();
        Ok(call(&self.call.traced.update.packing.pack, values)?.remove(0).try_into_tensor()?)
    }

    fn detached(&self) -> Vec<Value> {
        self.point.iter().cloned().map(Value::detached).collect()
    }

    /// Returns the mean over the rows with a finite value, on the tape; 0 for an empty batch.
    fn mean(
        &self,
        direction: &Tensor<2>,
        of_rows: impl Fn(&Jacobian, &[Value], &Tensor<2>) -> Result<Tensor<2>, Error>,
    ) -> Result<Tensor<1>, Error> {
        let found = of_rows(&self.jacobian, &self.point, direction)?;
        if self.recorded {
            return Ok(found.mean());
        }
        let numbers: Vec<f64> = found.clone().into_data().iter::<f64>().collect();
        if numbers.is_empty() {
            return Ok(found.sum());
        }
        let sound = numbers.iter().filter(|number| number.is_finite()).count();
        if sound == numbers.len() {
            return Ok(found.mean());
        }
        let Some(rows) = RowSubstitution::new(&failed_rows(&numbers)) else {
            return Ok((found.detach() * f64::NAN).mean());
        };
        let point = rows.apply(self.call.traced.fixed_point.per_row(), self.point.clone())?;
        let found = of_rows(&self.jacobian, &point, direction)?;
        Ok(zero_rows(rows.failed(), found).sum() * (1.0 / sound as f64))
    }
}
