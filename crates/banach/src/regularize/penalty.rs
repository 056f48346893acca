//! Penalties on the Jacobian of an update at the solution.
//!
//! Both penalties are numbers on Burn's tape, to be added to the loss. Their gradients reach θ, z and, where x̂ is passed as it is
//! and not detached, also x̂ and through it everything x̂ depends on: they are second derivatives of g, taken by running the traced
//! program of Jᵀ v or J u on the tape.
//!
//! A batch of no rows has the penalty 0. A row in which g has no finite derivative is left out of the mean and out of the gradient; where no row is left, the penalty is
//! NaN, without a gradient.
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

/// An estimate of `‖J‖_F² / n`, the mean over the rows, with J = ∂g/∂x at x and n numbers in a row.
///
/// It is `‖Jᵀ ε‖² / n` for a probe ε, whose mean over random signs, or any numbers with covariance I, is the truth:
/// `E ‖Jᵀ ε‖² = tr(J Jᵀ)` (Hutchinson). One probe a training step is usual, each step a new one (Bai, Koltun and Kolter,
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
    let penalty_point = PenaltyPoint::new(layer, x, z)?;
    let probe = penalty_point.flat(probe)?;
    let [_, width] = probe.dims();
    // Times 1/n: Burn's gradient of a division by a number is in single precision.
    penalty_point.mean(&probe, |jacobian, point, probe| {
        Ok(jacobian.reverse(point, probe)?.square().sum_dim(1) * (1.0 / width.max(1) as f64))
    })
}

/// An estimate of `‖J‖²`, the square of the largest singular value, the mean over the rows, and the directions it was found in.
///
/// It is `‖J u‖² / ‖u‖²` after some steps of power iteration `u ← Jᵀ J u / ‖Jᵀ J u‖` off the tape, from the u given: at most the
/// truth, and the truth where u has settled. There u can be held fixed, since the quotient is largest in it. Start from
/// [`random_signs`], and where the next batch is the same, carry on with the u that is given back. Cost: as
/// [`frobenius_penalty`], and two products with J a step.
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
    let penalty_point = PenaltyPoint::new(layer, x, z)?;
    if penalty_point.recorded && steps > 0 {
        return Err(Error::setting(
            "steps",
            steps,
            "0 inside a trace: iterate outside and pass u as an input",
        ));
    }
    let found = penalty_point.jacobian.directions(
        &penalty_point.detached(),
        penalty_point.flat(u.clone())?,
        steps,
    )?;
    let penalty = penalty_point.mean(&found, |jacobian, point, u| {
        Ok(jacobian.forward(point, u)?.square().sum_dim(1) / u.clone().square().sum_dim(1))
    })?;
    let states = call(&penalty_point.call.traced.update.packing.unpack, vec![found.into()])?;
    Ok((penalty, u.rebuild(&mut states.into_iter())?))
}

/// Random signs in the shape of a state: 1 or -1, each with one half, off the tape.
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
    /// `(x, z, θ)`, on the tape where they are.
    point: Vec<Value>,
    /// Whether it is inside a trace.
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

    /// A direction as one matrix, off the tape.
    fn flat<S: Tensors>(&self, direction: S) -> Result<Tensor<2>, Error> {
        let values = direction.into_values().into_iter().map(Value::detached).collect();
        Ok(call(&self.call.traced.update.packing.pack, values)?.remove(0).try_into_tensor()?)
    }

    fn detached(&self) -> Vec<Value> {
        self.point.iter().cloned().map(Value::detached).collect()
    }

    /// The mean of a number of every row that has a finite one, on the tape; 0 for a batch of no rows.
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
