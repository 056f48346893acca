//! The loss of a learned start: its distance from the solutions.

use crate::error::Error;
use crate::layer::fixed_point::FixedPoint;
use crate::settings::report::Solution;
use crate::tracing::layout::{type_list, types_of};
use crate::tracing::update::{Update, start_of};
use banach_program::{Tensors, Value};
use burn::module::Module;
use burn::tensor::{Int, Tensor};

impl<M: Module + Update> FixedPoint<M> {
    /// Returns the mean of `(start(z) - x̂)²` over the elements of rows that did not fail, with x̂ held fixed: the loss of an
    /// [`Update::start`] that has parameters of its own.
    ///
    /// x̂ does not depend on the start of a solve, so no gradient of x̂ reaches these parameters. Add this loss to the
    /// training loss: the closer the start, the fewer the steps. Its gradient also reaches z if z is on the tape; pass
    /// `z.detach()` to train the start alone. If every row failed, the loss is 0, without a gradient.
    ///
    /// Reference, for the skip DEQ: A. Pal, A. Edelman and C. Rackauckas, "Mixing implicit and explicit deep learning with
    /// skip DEQs and infinite time neural ODEs (continuous DEQs)" (2022).
    ///
    /// ```
    /// # use banach::{FixedPointConfig, Update};
    /// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
    /// #[derive(Module, Debug)]
    /// struct Cell {
    ///     state: Linear,
    ///     guess: Linear,
    /// }
    ///
    /// impl Update for Cell {
    ///     type State = Tensor<2>;
    ///     type Input = Tensor<2>;
    ///
    ///     fn start(&self, z: &Tensor<2>) -> Tensor<2> {
    ///         self.guess.forward(z.clone())
    ///     }
    ///
    ///     fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
    ///         (self.state.forward(x) * 0.5 + z).tanh()
    ///     }
    /// }
    ///
    /// let device = Device::flex().autodiff();
    /// let new = || LinearConfig::new(8, 8).init(&device);
    /// let layer = FixedPointConfig::new().init(Cell { state: new(), guess: new() })?;
    /// let z = Tensor::<2>::ones([4, 8], &device);
    /// let solution = layer.solve(z.clone())?;
    /// let loss = layer.start_loss(z, &solution)? + solution.into_value().square().mean();
    /// assert!(layer.update().guess.weight.grad(&loss.backward()).is_some());
    /// # Ok::<(), banach::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Setting`] inside a trace, where x̂ is not solved for yet and cannot be held fixed; [`Error::Program`] for the
    /// solution of a batch of another size.
    pub fn start_loss(&self, z: M::Input, solution: &Solution<M::State>) -> Result<Tensor<1>, Error> {
        let start = start_of(self.update(), &z)?.into_values();
        let found = solution.value().clone().into_values();
        if start.iter().chain(&found).any(Value::is_placeholder) {
            let expected = "one that is solved: inside a trace x̂ cannot be held fixed";
            return Err(Error::setting("solution", "a line of a trace", expected));
        }
        let (types, expected) = (types_of(&found), types_of(&start));
        if types != expected {
            let (what, found, expected) = ("the solution".into(), type_list(&types), type_list(&expected));
            return Err(banach_program::Error::Mismatch { what, found, expected }.into());
        }
        let outcomes = &solution.report().outcomes;
        let (mut squares, mut count) = (vec![], 0);
        for (start, found) in start.into_iter().zip(found) {
            let rows = start.ty().shape.first().copied().unwrap_or(1);
            let shape = [rows, start.ty().len().checked_div(rows).unwrap_or(0)];
            let failed = |row: usize| outcomes[if outcomes.len() == rows { row } else { 0 }].is_failure();
            let sound: Vec<i64> = (0..rows).filter(|row| !failed(*row)).map(|row| row as i64).collect();
            let start: Tensor<2> = start.reshaped(&shape).try_into_tensor()?;
            let found: Tensor<2> = found.detached().reshaped(&shape).try_into_tensor()?;
            if sound.is_empty() {
                squares.push(Tensor::zeros([1], (&start.device(), start.dtype())));
                continue;
            }
            count += sound.len() * shape[1];
            let device = start.device();
            let sound = Tensor::<1, Int>::from_data(sound.as_slice(), &device);
            squares.push((start - found.to_device(&device)).select(0, sound).square().sum());
        }
        let sum = squares.into_iter().reduce(|sum, more| sum + more);
        let sum = sum
            .unwrap_or_else(|| panic!("bug: found a solution without a state tensor, expected one or more"));
        // Burn computes the gradient of a division by a number in single precision.
        Ok(sum.mul_scalar(1.0 / count.max(1) as f64))
    }
}
