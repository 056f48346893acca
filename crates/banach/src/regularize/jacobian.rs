//! Products with J and Jᵀ of a traced update at a point, row by row.

use crate::calculus::function::Function;
use crate::error::Error;
use crate::regularize::singular_value::directions;
use banach_program::{Program, Value};
use burn::tensor::Tensor;

/// J of a flat update `(x, q..) -> g`, at points `(x, q..)` that are plain, on the tape, or in a trace.
#[derive(Debug)]
pub(crate) struct Jacobian {
    forward: Function,
    reverse: Function,
}

impl Jacobian {
    pub(crate) fn of(g: &Program) -> Self {
        let g = Function::from(g.clone());
        Jacobian { forward: g.jvp_of(&[0]), reverse: g.vjp_of(&[0]) }
    }

    /// Returns J t.
    pub(crate) fn forward(&self, point: &[Value], t: &Tensor<2>) -> Result<Tensor<2>, Error> {
        single(&self.forward, point, t)
    }

    /// Returns Jᵀ v.
    pub(crate) fn reverse(&self, point: &[Value], v: &Tensor<2>) -> Result<Tensor<2>, Error> {
        single(&self.reverse, point, v)
    }

    /// Returns the directions after steps of power iteration `u ← Jᵀ J u / ‖Jᵀ J u‖` in every row.
    pub(crate) fn directions(&self, point: &[Value], u: Tensor<2>, steps: usize) -> Result<Tensor<2>, Error> {
        (0..steps).try_fold(u, |u, _| {
            let next = self.reverse(point, &self.forward(point, &u)?)?;
            Ok(directions(u, next))
        })
    }

    /// Returns `‖J u‖ / ‖u‖` of every row, a lower bound of the largest singular value.
    pub(crate) fn gains(&self, point: &[Value], u: &Tensor<2>) -> Result<Vec<f64>, Error> {
        let squares = |x: Tensor<2>| x.square().sum_dim(1);
        let gains = (squares(self.forward(point, u)?) / squares(u.clone())).sqrt();
        Ok(gains.into_data().iter::<f64>().collect())
    }
}

fn single(function: &Function, point: &[Value], direction: &Tensor<2>) -> Result<Tensor<2>, Error> {
    function.call((point.to_vec(), direction.clone()))
}
