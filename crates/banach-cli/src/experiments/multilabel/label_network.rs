//! The trait of a network of labels, and the solve inside it for given features.

use crate::error::Error;
use crate::experiments::epoch::Work;
use banach::program::Program;
use banach::solve::Outcome;
use banach::{Energy, FixedPoint, GradientDescent, Report, Update};
use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

/// Logits, `[batch, labels]`, and the outcome of every row; none where nothing is solved for.
pub(crate) type Predicted = (Tensor<2>, Option<Vec<Outcome>>);

/// Features in, logits of labels out.
pub(crate) trait LabelNetwork {
    /// The logits of the outputs, `[batch, labels]`; the mask is a factor for each hidden unit of each example.
    fn logits(&self, z: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2>;

    /// What is solved for at the features z; none where nothing is.
    fn solve_at(&self, z: Tensor<2>) -> Option<Box<dyn Solve + '_>>;

    /// What the solvers did since the last call, for a mini-batch of `rows`; a map applied once counts as one step.
    fn take_work(&self, rows: usize) -> Work;

    /// The logits for the features z, and how each row was solved.
    fn predicted(&self, z: Tensor<2>) -> Result<Predicted, Error> {
        match self.solve_at(z.clone()) {
            None => Ok((self.logits(z, None), None)),
            Some(solve) => solve.logits().map(|(logits, outcomes)| (logits, Some(outcomes))),
        }
    }
}

/// A solve for given features.
pub(crate) trait Solve {
    /// The logits at the solution, and the outcome of every row.
    fn logits(&self) -> Result<(Tensor<2>, Vec<Outcome>), Error>;

    /// The update as a program. Like a report, there is none of a minimiser that is not solved for as a fixed point.
    fn program(&self) -> Result<Program, Error>;

    /// How the fixed point is solved.
    fn report(&self) -> Result<Report, Error>;
}

/// The fixed point of a layer for an input.
pub(crate) struct LayerSolve<'a, U: Module + Update<State = Tensor<2>>> {
    pub(crate) layer: &'a FixedPoint<U>,
    pub(crate) input: U::Input,
    /// The logits at the solution x.
    pub(crate) read_out: fn(&U, Tensor<2>, U::Input) -> Tensor<2>,
}

impl<'a, U> LayerSolve<'a, U>
where
    U: Module + ModuleDisplay + Update<State = Tensor<2>>,
    U::Input: Clone,
{
    /// A layer whose state holds the logits.
    pub(crate) fn of_logits(layer: &'a FixedPoint<U>, input: U::Input) -> Self {
        Self { layer, input, read_out: |_, x, _| x }
    }
}

impl<U> Solve for LayerSolve<'_, U>
where
    U: Module + ModuleDisplay + Update<State = Tensor<2>>,
    U::Input: Clone,
{
    fn logits(&self) -> Result<(Tensor<2>, Vec<Outcome>), Error> {
        let (x, report) = self.layer.solve(self.input.clone()).map_err(Error::layer)?.into_parts();
        Ok(((self.read_out)(self.layer.update(), x, self.input.clone()), report.outcomes))
    }

    fn program(&self) -> Result<Program, Error> {
        self.layer.program(self.input.clone()).map_err(Error::layer)
    }

    fn report(&self) -> Result<Report, Error> {
        Ok(self.layer.solve(self.input.clone()).map_err(Error::layer)?.into_parts().1)
    }
}

/// How every row was minimised, and its energy at the end.
pub(crate) type Minimised = (Report, Vec<f64>);

/// Minimises the energy of a layer from its own start.
pub(crate) fn minimised<E>(
    layer: &FixedPoint<GradientDescent<E>>,
    input: E::Input,
) -> Result<Minimised, Error>
where
    E: Module + ModuleDisplay + Energy<State = Tensor<2>>,
    E::Input: Clone,
{
    let (x, report) = layer.solve(input.clone()).map_err(Error::layer)?.into_parts();
    let energies = layer.update().energy().energy(x, input);
    Ok((report, energies.into_data().iter::<f64>().collect()))
}
