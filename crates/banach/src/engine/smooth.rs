//! The map, Jacobian and energy of an update, for Newton's method and for descent, on any device.

use crate::calculus::resolvent::{LoopBody, Resolvent};
use banach_program::{Hoisted, Program, Value, evaluate};
use banach_solve::{Descent, Map, Smooth};
use burn::tensor::Tensor;
use std::sync::Arc;

/// J, or a Hessian, at a point, in two parts: what is computed of the point, and what the linear map does with it.
#[derive(Debug)]
pub(crate) struct Derivative {
    /// `(x, q..)` to the coefficients of the linear map.
    pub(crate) coefficients: Program,
    /// `(I - A)⁻¹` of the linear map A, with these coefficients.
    pub(crate) resolvent: Arc<Resolvent>,
}

/// The energy of a gradient step with its derivatives, as programs of `(x, q..)` that do not join x with q.
#[derive(Debug)]
pub(crate) struct Slopes {
    /// The energy of every row, a column.
    pub(crate) energy: Program,
    /// The gradient, split for a loop.
    pub(crate) gradient: Hoisted,
    /// The gradient, whole.
    pub(crate) whole: Program,
    /// The Hessian.
    pub(crate) hessian: Derivative,
}

/// A loop on the device of its tensors. What goes wrong in any part of it, the body's [`Failure`] tells.
pub(crate) struct SmoothLoop<'a> {
    pub(crate) body: LoopBody<'a>,
    /// The energy, its gradient and its derivatives, where the loop descends one.
    pub(crate) energy: Option<(LoopBody<'a>, LoopBody<'a>, &'a Slopes)>,
    pub(crate) derivative: &'a Derivative,
    pub(crate) q: &'a [Value],
}

impl SmoothLoop<'_> {
    /// A linear map at `x`.
    fn linear<'a>(&'a self, map: &'a Derivative, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        let point: Vec<Value> = std::iter::once(x.clone().into()).chain(self.q.iter().cloned()).collect();
        let coefficients = evaluate(&map.coefficients, point);
        Box::new(move |t: &Tensor<2>| {
            let coefficients = coefficients.as_ref().map_err(|error| error.clone().into());
            let pushed = coefficients.and_then(|known| map.resolvent.apply(t, known));
            self.body.failed.kept(pushed, t)
        })
    }
}

impl Map<Tensor<2>> for SmoothLoop<'_> {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        self.body.apply(x)
    }
}

impl Smooth<Tensor<2>> for SmoothLoop<'_> {
    fn derivative<'a>(&'a self, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        self.linear(self.derivative, x)
    }

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        let column = self.energy.as_ref()?.0.apply(x);
        Some(column.into_data().iter::<f64>().collect())
    }

    fn descent(&self) -> Option<&dyn Descent<Tensor<2>>> {
        self.energy.as_ref().map(|_| self as &dyn Descent<Tensor<2>>)
    }
}

impl Descent<Tensor<2>> for SmoothLoop<'_> {
    fn value_and_gradient(&self, x: &Tensor<2>) -> (Vec<f64>, Tensor<2>) {
        let gradient =
            self.energy.as_ref().map_or_else(|| x.zeros_like(), |(_, gradient, _)| gradient.apply(x));
        (self.energy(x).unwrap_or_default(), gradient)
    }

    fn hessian<'a>(&'a self, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        self.linear(self.energy.as_ref().map_or(self.derivative, |(_, _, slopes)| &slopes.hessian), x)
    }
}
