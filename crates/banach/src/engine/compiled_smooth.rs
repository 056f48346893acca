//! The map, Jacobian and energy of an update, compiled together for the memory of this machine.

use crate::calculus::resolvent::Resolvent;
use crate::engine::compiled::{Bound, CompiledBody, CompiledLoop, Number, Numbers};
use crate::engine::failure::Failure;
use crate::engine::part::Part;
use crate::engine::runner::{Origin, computed};
use crate::engine::smooth::{Derivative, Slopes};
use crate::error::Error;
use crate::tracing::cache::Bytes;
use banach_program::{
    Builder, ConvolutionMethod, Hoisted, Host, Operand, Packed, Program, Target, Unsuitable, Var, hoist,
    simplify,
};
use banach_solve::{Descent, Map, Matrix, Rows as _, Smooth};
use std::borrow::Cow;
use std::sync::Arc;

/// A linear map at a point, compiled.
#[derive(Debug)]
struct CompiledLinear<T> {
    /// The coefficients that must be computed at every point, with the inputs of the loop's body.
    slopes: CompiledBody<T>,
    /// Where all coefficients come from: one of these inputs, or a result of `slopes`.
    coefficients: Vec<Origin>,
    /// `(t, coefficients..) -> A t`
    pushed: CompiledBody<T>,
}

impl<T: Number> CompiledLinear<T> {
    fn new(part: &Program, resolvent: &Resolvent, method: ConvolutionMethod) -> Result<Self, Unsuitable> {
        let (coefficients, slopes) = computed(part);
        let slopes = CompiledBody::new(slopes, method)?;
        Ok(Self { slopes, coefficients, pushed: CompiledBody::new(resolvent.map().clone(), method)? })
    }
}

/// The energy of a loop, compiled: with its images, alone, and with its gradient.
#[derive(Debug)]
struct CompiledEnergy<T> {
    image: CompiledBody<T>,
    value: CompiledBody<T>,
    gradient: CompiledBody<T>,
    hessian: CompiledLinear<T>,
}

/// A loop, its derivative and its energy, compiled. What they compute once they compute together.
#[derive(Debug)]
pub(crate) struct CompiledSmooth<T> {
    g: CompiledLoop<T>,
    derivative: CompiledLinear<T>,
    energy: Option<CompiledEnergy<T>>,
}

impl<T: Number> Bytes for CompiledSmooth<T> {
    fn bytes(&self) -> usize {
        let linear = |linear: &CompiledLinear<T>| linear.slopes.bytes() + linear.pushed.bytes();
        let energy = |energy: &CompiledEnergy<T>| {
            let bodies = [&energy.image, &energy.value, &energy.gradient];
            bodies.into_iter().map(Bytes::bytes).sum::<usize>() + linear(&energy.hessian)
        };
        self.g.bytes() + linear(&self.derivative) + self.energy.as_ref().map_or(0, energy)
    }
}

impl<T: Number> CompiledSmooth<T> {
    pub(crate) fn new(
        g: &Program,
        energy: Option<&Slopes>,
        derivative: &Derivative,
        method: ConvolutionMethod,
    ) -> Result<Self, Unsuitable> {
        let mut builder = Builder::new();
        let inputs: Vec<Var> = g.input_types().map(|ty| builder.input(ty.clone())).collect();
        let programs = [Some(g), Some(&derivative.coefficients)].into_iter().chain(
            energy
                .map(|slopes| [&slopes.energy, &slopes.whole, &slopes.hessian.coefficients].map(Some))
                .into_iter()
                .flatten(),
        );
        let (mut results, mut ranges) = (vec![], vec![]);
        for program in programs.flatten() {
            let first = results.len();
            results.extend(builder.inline(program, &inputs));
            ranges.push((first..results.len()).collect::<Vec<usize>>());
        }
        let Hoisted { prologue, body } = hoist(&simplify(&builder.finish(results)), &[0]);
        let part = |results: &[usize]| simplify(&body.clone().with_outputs(results));
        let compiled = |results: &[usize]| CompiledBody::new(part(results), method);
        let energy = match (energy, ranges.get(2..)) {
            (Some(slopes), Some([value, gradient, hessian])) => Some(CompiledEnergy {
                image: compiled(&[ranges[0][0], value[0]])?,
                value: compiled(value)?,
                gradient: compiled(&[gradient[0], value[0]])?,
                hessian: CompiledLinear::new(&part(hessian), &slopes.hessian.resolvent, method)?,
            }),
            (_, _) => None,
        };
        Ok(CompiledSmooth {
            energy,
            derivative: CompiledLinear::new(&part(&ranges[1]), &derivative.resolvent, method)?,
            g: CompiledLoop::new(&Hoisted { body: part(&[0]), prologue }, method)?,
        })
    }

    /// Operations of one step on the whole batch with one application of J.
    pub(crate) fn operations(&self) -> u64 {
        self.g.body.operations() + self.derivative.pushed.operations()
    }

    /// Whether rows can be solved in several parts.
    pub(crate) fn is_separable(&self) -> bool {
        let linear =
            |linear: &CompiledLinear<T>| linear.slopes.is_separable() && linear.pushed.is_separable();
        let energy = |energy: &CompiledEnergy<T>| {
            let bodies = [&energy.image, &energy.value, &energy.gradient];
            bodies.into_iter().all(CompiledBody::is_separable) && linear(&energy.hessian)
        };
        self.g.body.is_separable() && linear(&self.derivative) && self.energy.as_ref().is_none_or(energy)
    }

    /// The same for given fixed tensors, with what the rows of a part of this size share.
    pub(crate) fn bind<'a>(&'a self, fixed: &'a [Host<T>], rows: usize) -> Result<BoundSmooth<'a, T>, Error> {
        let shared = |bound: Arc<Bound<'a, T>>| (Arc::clone(&bound), bound.shared(rows));
        let g = shared(self.g.bind(fixed)?);
        let linear = |linear: &'a CompiledLinear<T>| BoundLinear {
            slopes: shared(g.0.with_body(&linear.slopes)),
            pushed: linear.packed(&g.0, rows),
            compiled: linear,
        };
        let energy = self.energy.as_ref().map(|energy| BoundEnergy {
            image: shared(g.0.with_body(&energy.image)),
            value: shared(g.0.with_body(&energy.value)),
            gradient: shared(g.0.with_body(&energy.gradient)),
            hessian: linear(&energy.hessian),
        });
        Ok(BoundSmooth { compiled: self, energy, derivative: linear(&self.derivative), g })
    }
}

impl<T: Number> CompiledLinear<T> {
    /// What is made of the coefficients that the state does not change and all rows share.
    fn packed(&self, g: &Bound<'_, T>, rows: usize) -> Arc<Packed<T>> {
        let machine = self.pushed.machine(rows).unwrap_or_else(|error| panic!("{error}"));
        let known = |position: usize| match self.coefficients[position - 1] {
            Origin::Input(input) if input > 0 && !self.pushed.is_per_row(position) => Some(input),
            Origin::Input(_) | Origin::Computed(_) => None,
        };
        let operand = |position| known(position).map_or(Operand::Real(&[]), |input| g.operand(input));
        let carried = (1..=self.coefficients.len()).map(operand);
        let operands: Vec<Operand<'_, T>> = std::iter::once(Operand::Real(&[])).chain(carried).collect();
        let which = |position| position > 0 && known(position).is_some();
        Arc::new(machine.pack(&operands, &Packed::nothing(), which))
    }
}

/// A loop with everything that is fixed, and what all rows share.
type Shared<'a, T> = (Arc<Bound<'a, T>>, Arc<Packed<T>>);

/// A linear map with everything that is fixed.
#[derive(Debug)]
struct BoundLinear<'a, T> {
    compiled: &'a CompiledLinear<T>,
    slopes: Shared<'a, T>,
    pushed: Arc<Packed<T>>,
}

/// An energy with everything that is fixed.
#[derive(Debug)]
struct BoundEnergy<'a, T> {
    image: Shared<'a, T>,
    value: Shared<'a, T>,
    gradient: Shared<'a, T>,
    hessian: BoundLinear<'a, T>,
}

/// A compiled loop, its derivative and its energy with everything that is fixed.
#[derive(Debug)]
pub(crate) struct BoundSmooth<'a, T> {
    compiled: &'a CompiledSmooth<T>,
    g: Shared<'a, T>,
    derivative: BoundLinear<'a, T>,
    energy: Option<BoundEnergy<'a, T>>,
}

impl<'a, T: Number> BoundSmooth<'a, T> {
    /// What went wrong in it.
    pub(crate) fn failed(&self) -> &Failure {
        &self.g.0.failed
    }

    /// The same on some rows, in increasing order; all of them in one part where they are not separable.
    pub(crate) fn part(&self, rows: &[usize]) -> Result<SmoothPart<'_, T>, Error> {
        let part = |(bound, shared): &Shared<'a, T>| bound.part(rows.to_vec(), shared);
        let energy = |energy: &BoundEnergy<'a, T>| -> Result<[Part<'a, T>; 4], Error> {
            let slopes = part(&energy.hessian.slopes)?;
            Ok([part(&energy.image)?, part(&energy.value)?, part(&energy.gradient)?, slopes])
        };
        Ok(SmoothPart {
            bound: self,
            g: part(&self.g)?,
            slopes: part(&self.derivative.slopes)?,
            energy: self.energy.as_ref().map(energy).transpose()?,
        })
    }
}

/// A loop, its derivative and its energy on some rows.
#[derive(Debug)]
pub(crate) struct SmoothPart<'b, T: Number> {
    bound: &'b BoundSmooth<'b, T>,
    g: Part<'b, T>,
    slopes: Part<'b, T>,
    /// Images with energies, energies, gradients with energies, and the coefficients of the Hessian.
    energy: Option<[Part<'b, T>; 4]>,
}

impl<T: Number> SmoothPart<'_, T> {
    /// A linear map at `x`, given the part that computes its coefficients.
    fn linear<'a>(
        &'a self,
        linear: &'a BoundLinear<'_, T>,
        slopes: &'a Part<'_, T>,
        x: &Matrix<T>,
    ) -> Box<dyn Map<Matrix<T>> + 'a> {
        let CompiledLinear { coefficients, pushed, .. } = linear.compiled;
        let mut results = slopes.results(x);
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
                let whole = &linear.slopes.0;
                operands.push(if shared { whole.operand(input) } else { slopes.operand(input) });
                Origin::Input(operands.len() - 1)
            }
            Origin::Computed(result) => Origin::Computed(result),
        });
        let carried = Cow::Owned(carried.collect());
        let (rows, computed) = (x.rows(), Arc::new(results));
        let failed = self.bound.failed().clone();
        let bound = Arc::new(Bound { body: pushed, rows, carried, operands, computed, failed });
        let part = bound.part((0..x.rows()).collect(), &linear.pushed);
        Box::new(part.unwrap_or_else(|error| panic!("the derivative of a traced update: {error}")))
    }
}

/// Both results of a body: a matrix, and one number a row.
fn with_values<T: Number>(part: &Part<'_, T>, x: &Matrix<T>) -> (Matrix<T>, Vec<f64>) {
    let mut values = vec![T::ZERO; x.rows()];
    let matrix = Matrix::written(x.rows(), x.width(), |out| {
        part.run(x, &mut [Target::Real(out), Target::Real(&mut values)]);
    });
    let values = Matrix::new(x.rows(), 1, values).numbers();
    (matrix, values)
}

impl<T: Number> Map<Matrix<T>> for SmoothPart<'_, T> {
    fn apply(&self, x: &Matrix<T>) -> Matrix<T> {
        self.g.apply(x)
    }
}

impl<T: Number> Smooth<Matrix<T>> for SmoothPart<'_, T> {
    fn derivative<'a>(&'a self, x: &Matrix<T>) -> Box<dyn Map<Matrix<T>> + 'a> {
        self.linear(&self.bound.derivative, &self.slopes, x)
    }

    fn energy(&self, x: &Matrix<T>) -> Option<Vec<f64>> {
        let [_, value, ..] = self.energy.as_ref()?;
        Some(value.apply(x).numbers())
    }

    fn apply_with_energy(&self, x: &Matrix<T>) -> (Matrix<T>, Option<Vec<f64>>) {
        let Some([image, ..]) = &self.energy else { return (self.apply(x), None) };
        let (gx, values) = with_values(image, x);
        (gx, Some(values))
    }

    fn descent(&self) -> Option<&dyn Descent<Matrix<T>>> {
        self.energy.as_ref().map(|_| self as &dyn Descent<Matrix<T>>)
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

impl<T: Number> Descent<Matrix<T>> for SmoothPart<'_, T> {
    fn value_and_gradient(&self, x: &Matrix<T>) -> (Vec<f64>, Matrix<T>) {
        let [_, _, gradient, _] =
            self.energy.as_ref().unwrap_or_else(|| panic!("bug: a loop without an energy"));
        let (gradient, values) = with_values(gradient, x);
        (values, gradient)
    }

    fn hessian<'a>(&'a self, x: &Matrix<T>) -> Box<dyn Map<Matrix<T>> + 'a> {
        let (Some([.., slopes]), Some(energy)) = (&self.energy, &self.bound.energy) else {
            panic!("bug: a loop without an energy");
        };
        self.linear(&energy.hessian, slopes, x)
    }
}
