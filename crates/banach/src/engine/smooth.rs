//! The map, Jacobian and energy of an update, compiled together for Newton's method, and their loop on any device.

use crate::calculus::resolvent::{LoopBody, Resolvent};
use crate::engine::compiled::{Bound, CompiledBody, CompiledLoop, Number, Numbers};
use crate::engine::failure::Failure;
use crate::engine::part::Part;
use crate::engine::runner::{Origin, computed};
use crate::error::Error;
use crate::tracing::cache::Bytes;
use banach_program::{
    Builder, ConvolutionMethod, Hoisted, Host, Operand, Packed, Program, Unsuitable, Value, Var, evaluate,
    hoist, simplify,
};
use banach_solve::{Map, Matrix, Rows as _, Smooth};
use burn::tensor::Tensor;
use std::borrow::Cow;
use std::sync::Arc;

/// J at a point, in two parts: what is computed of the point, and what J does with it.
#[derive(Debug)]
pub(crate) struct Derivative {
    /// `(x, q..)` to the coefficients of J.
    pub(crate) coefficients: Program,
    /// `(I - J)⁻¹`, with these coefficients.
    pub(crate) resolvent: Arc<Resolvent>,
}

/// A loop on the device of its tensors. What goes wrong in any part of it, the body's [`Failure`] tells.
pub(crate) struct SmoothLoop<'a> {
    pub(crate) body: LoopBody<'a>,
    pub(crate) derivative: &'a Derivative,
    pub(crate) q: &'a [Value],
}

impl Map<Tensor<2>> for SmoothLoop<'_> {
    fn apply(&self, x: &Tensor<2>) -> Tensor<2> {
        self.body.apply(x)
    }

    fn energy(&self, x: &Tensor<2>) -> Option<Vec<f64>> {
        self.body.energy(x)
    }

    fn image_and_energy(&self, x: &Tensor<2>) -> (Tensor<2>, Option<Vec<f64>>) {
        self.body.image_and_energy(x)
    }
}

impl Smooth<Tensor<2>> for SmoothLoop<'_> {
    fn derivative<'a>(&'a self, x: &Tensor<2>) -> Box<dyn Map<Tensor<2>> + 'a> {
        let point: Vec<Value> = std::iter::once(x.clone().into()).chain(self.q.iter().cloned()).collect();
        let coefficients = evaluate(&self.derivative.coefficients, point);
        Box::new(move |t: &Tensor<2>| {
            let coefficients = coefficients.as_ref().map_err(|error| error.clone().into());
            let pushed = coefficients.and_then(|known| self.derivative.resolvent.apply(t, known));
            self.body.failed.kept(pushed, t)
        })
    }
}

/// A loop, its derivative and its energy, compiled. What they compute once they compute together.
#[derive(Debug)]
pub(crate) struct CompiledSmooth<T> {
    /// With the energy, if there is one.
    g: CompiledLoop<T>,
    /// The coefficients of J that must be computed at every point, with the same inputs.
    slopes: CompiledBody<T>,
    /// Where all coefficients of J come from: one of these inputs, or a result of `slopes`.
    coefficients: Vec<Origin>,
    /// `(t, coefficients..) -> J t`
    pushed: CompiledBody<T>,
}

impl<T: Number> Bytes for CompiledSmooth<T> {
    fn bytes(&self) -> usize {
        self.g.bytes() + self.slopes.bytes() + self.pushed.bytes()
    }
}

impl<T: Number> CompiledSmooth<T> {
    pub(crate) fn new(
        g: &Program,
        energy: Option<&Program>,
        derivative: &Derivative,
        method: ConvolutionMethod,
    ) -> Result<Self, Unsuitable> {
        let mut builder = Builder::new();
        let inputs: Vec<Var> = g.input_types().map(|ty| builder.input(ty.clone())).collect();
        let mut results = builder.inline(g, &inputs);
        results.extend(energy.map(|energy| builder.inline(energy, &inputs)).into_iter().flatten());
        let first = results.len();
        results.extend(builder.inline(&derivative.coefficients, &inputs));
        let all: Vec<usize> = (first..results.len()).collect();
        let Hoisted { prologue, body } = hoist(&simplify(&builder.finish(results)), &[0]);
        let part = |results: &[usize]| simplify(&body.clone().with_outputs(results));
        let (coefficients, slopes) = computed(&part(&all));
        let compiled = |program| CompiledBody::new(program, method);
        Ok(CompiledSmooth {
            slopes: compiled(slopes)?,
            coefficients,
            pushed: compiled(derivative.resolvent.map().clone())?,
            g: CompiledLoop::new(&Hoisted { prologue, body: part(&(0..first).collect::<Vec<_>>()) }, method)?,
        })
    }

    /// Operations of one step on the whole batch with one application of J.
    pub(crate) fn operations(&self) -> u64 {
        self.g.body.operations() + self.pushed.operations()
    }

    /// Whether rows can be solved in several parts.
    pub(crate) fn is_separable(&self) -> bool {
        [&self.g.body, &self.slopes, &self.pushed].into_iter().all(CompiledBody::is_separable)
    }

    /// The same for given fixed tensors, with what the rows of a part of this size share.
    pub(crate) fn bind<'a>(&'a self, fixed: &'a [Host<T>], rows: usize) -> Result<BoundSmooth<'a, T>, Error> {
        let shared = |bound: Arc<Bound<'a, T>>| (Arc::clone(&bound), bound.shared(rows));
        let g = shared(self.g.bind(fixed)?);
        let slopes = shared(g.0.with_body(&self.slopes));
        let machine = self.pushed.machine(rows).unwrap_or_else(|error| panic!("{error}"));
        // What the state does not change and all rows share is known before there is a state.
        let known = |position: usize| match self.coefficients[position - 1] {
            Origin::Input(input) if input > 0 && !self.pushed.is_per_row(position) => Some(input),
            Origin::Input(_) | Origin::Computed(_) => None,
        };
        let operand = |position| known(position).map_or(Operand::Real(&[]), |input| g.0.operand(input));
        let carried = (1..=self.coefficients.len()).map(operand);
        let operands: Vec<Operand<'_, T>> = std::iter::once(Operand::Real(&[])).chain(carried).collect();
        let which = |position| position > 0 && known(position).is_some();
        let pushed = Arc::new(machine.pack(&operands, &Packed::nothing(), which));
        Ok(BoundSmooth { compiled: self, g, slopes, pushed })
    }
}

/// A loop with everything that is fixed, and what all rows share.
type Shared<'a, T> = (Arc<Bound<'a, T>>, Arc<Packed<T>>);

/// A compiled loop, its derivative and its energy with everything that is fixed.
#[derive(Debug)]
pub(crate) struct BoundSmooth<'a, T> {
    compiled: &'a CompiledSmooth<T>,
    g: Shared<'a, T>,
    slopes: Shared<'a, T>,
    pushed: Arc<Packed<T>>,
}

impl<'a, T: Number> BoundSmooth<'a, T> {
    /// What went wrong in it.
    pub(crate) fn failed(&self) -> &Failure {
        &self.g.0.failed
    }

    /// The same on some rows, in increasing order; all of them in one part where they are not separable.
    pub(crate) fn part(&self, rows: &[usize]) -> Result<SmoothPart<'_, T>, Error> {
        let part = |(bound, shared): &Shared<'a, T>| bound.part(rows.to_vec(), shared);
        Ok(SmoothPart { bound: self, g: part(&self.g)?, slopes: part(&self.slopes)? })
    }
}

/// A loop, its derivative and its energy on some rows.
#[derive(Debug)]
pub(crate) struct SmoothPart<'b, T: Number> {
    bound: &'b BoundSmooth<'b, T>,
    g: Part<'b, T>,
    slopes: Part<'b, T>,
}

impl<T: Number> Map<Matrix<T>> for SmoothPart<'_, T> {
    fn apply(&self, x: &Matrix<T>) -> Matrix<T> {
        self.g.apply(x)
    }

    fn energy(&self, x: &Matrix<T>) -> Option<Vec<f64>> {
        self.g.energy(x)
    }

    fn image_and_energy(&self, x: &Matrix<T>) -> (Matrix<T>, Option<Vec<f64>>) {
        self.g.image_and_energy(x)
    }
}

impl<T: Number> Smooth<Matrix<T>> for SmoothPart<'_, T> {
    fn derivative<'a>(&'a self, x: &Matrix<T>) -> Box<dyn Map<Matrix<T>> + 'a> {
        let CompiledSmooth { coefficients, pushed, .. } = self.bound.compiled;
        let mut results = self.slopes.results(x);
        let state = results.len();
        if coefficients.contains(&Origin::Input(0)) {
            results.push(Numbers::Real(x.as_slice().to_vec()));
        }
        let mut operands = vec![];
        let carried = coefficients.iter().zip(1..).map(|(origin, position)| match *origin {
            Origin::Input(0) => Origin::Computed(state),
            Origin::Input(input) => {
                // What all rows share may have as many rows as the batch.
                let shared = !pushed.is_per_row(position);
                let whole = &self.bound.slopes.0;
                operands.push(if shared { whole.operand(input) } else { self.slopes.operand(input) });
                Origin::Input(operands.len() - 1)
            }
            Origin::Computed(result) => Origin::Computed(result),
        });
        let carried = Cow::Owned(carried.collect());
        let (rows, computed) = (x.rows(), Arc::new(results));
        let failed = self.bound.failed().clone();
        let bound = Arc::new(Bound { body: pushed, rows, carried, operands, computed, failed });
        let part = bound.part((0..x.rows()).collect(), &self.bound.pushed);
        Box::new(part.unwrap_or_else(|error| panic!("the derivative of a traced update: {error}")))
    }

    fn narrowed_smooth<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Smooth<Matrix<T>> + 'a>> {
        if !self.bound.compiled.is_separable() {
            return None;
        }
        let rows: Vec<usize> = rows.iter().map(|&row| self.g.rows()[row]).collect();
        // Without memory for it the loop goes on as it is.
        Some(Box::new(self.bound.part(&rows).ok()?))
    }
}
