//! Solves observed step by step, with their iterates.

use crate::error::Error;
use crate::layer::fixed_point::FixedPoint;
use crate::layer::step::Step;
use crate::settings::gradient::Gradient;
use crate::settings::report::Solution;
use crate::tracing::update::Update;
use banach_solve::FixedPointSolver;
use burn::module::Module;
use std::ops::ControlFlow;

impl<M: Module + Update> FixedPoint<M> {
    /// Solves from a given start and shows every iterate to a closure, which may end the solve by `Break`: active rows then
    /// end as [`Outcome::Stopped`](banach_solve::Outcome::Stopped). The gradient of the solution does not depend on the
    /// observer.
    ///
    /// The solve runs on the device of the tensors, line by line and in the precision of the state, on all rows until the
    /// last has ended. It is slower than [`solve_from`](Self::solve_from), and its result differs only by rounding.
    ///
    /// ```
    /// # use banach::{FixedPointConfig, Update};
    /// # use burn::{module::Module, tensor::{Device, Tensor}};
    /// use std::ops::ControlFlow;
    ///
    /// # #[derive(Module, Debug)]
    /// # struct Half {}
    /// # impl Update for Half {
    /// #     type State = Tensor<2>;
    /// #     type Input = Tensor<2>;
    /// #     fn start(&self, z: &Tensor<2>) -> Tensor<2> { z.zeros_like() }
    /// #     fn update(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<2> { x * 0.5 + z }
    /// # }
    /// let layer = FixedPointConfig::new().init(Half {})?;
    /// let z = Tensor::<2>::ones([2, 3], &Device::flex());
    /// let mut path = vec![];
    /// let solution = layer.solve_observed(z.zeros_like(), z, |step| {
    ///     path.push(step.x);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(path.len(), solution.report().steps[0] + 1);
    /// # Ok::<(), banach::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`solve`](Self::solve); [`Error::Setting`] inside a trace, for Newton's method, whose line search evaluates g at
    /// other points than the iterates, and for [`Gradient::Shine`](crate::Gradient::Shine).
    pub fn solve_observed(
        &self,
        x0: M::State,
        z: M::Input,
        mut observer: impl FnMut(Step<'_, M::State>) -> ControlFlow<()>,
    ) -> Result<Solution<M::State>, Error> {
        if matches!(self.config().forward.solver, FixedPointSolver::Newton(_)) {
            let expected = "a solver without a line search (Picard, Anderson, Broyden, Squarem, Auto) for an observed solve";
            return Err(Error::setting("forward.solver", "newton", expected));
        }
        if matches!(self.config().gradient, Gradient::Shine { .. }) {
            return Err(Error::setting(
                "gradient",
                "shine",
                "`implicit` or `unrolled` for an observed solve",
            ));
        }
        self.solve_by(x0, z, None, Some(&mut observer))
    }
}
