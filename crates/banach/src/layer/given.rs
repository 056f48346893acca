//! Solutions that the user gives, checked and with the implicit derivative.

use crate::error::Error;
use crate::layer::fixed_point::FixedPoint;
use crate::settings::gradient::Gradient;
use crate::settings::report::{Report, Solution};
use crate::tracing::update::Update;
use banach_program::Tensors;
use burn::module::Module;

impl<M: Module + Update> FixedPoint<M> {
    /// Returns a given state x as the solution for z, with the derivatives of the implicit function theorem:
    /// x comes from another crate, from a file, from a closed form.
    ///
    /// g is evaluated once, at x. A row whose residual `‖g(x) - x‖` meets the tolerance is
    /// [`Converged`](banach_solve::Outcome::Converged). Another row is
    /// [`Unsolved`](banach_solve::Outcome::Unsolved), and the failure policy of the layer says what becomes
    /// of it, as for a row of [`solve`](Self::solve) that fails. x has no derivative of its own: derivatives
    /// in z and θ are those of the fixed point.
    ///
    /// [`solve_from`](Self::solve_from) begins a solve at x instead.
    ///
    /// ```
    /// use banach::{FixedPoint, solve::Outcome};
    /// use burn::module::Param;
    /// use burn::tensor::{Device, Tensor};
    ///
    /// // Newton's iteration for √z, whose fixed points are known: x = (x + z / x) / 2.
    /// let device = Device::flex().autodiff();
    /// let one = Param::from_tensor(Tensor::<2>::ones([1, 1], &device));
    /// let layer = FixedPoint::from_fn(one, [1], |one, x: Tensor<2>, z: Tensor<2>| (x.clone() * one.val() + z / x) * 0.5)?;
    /// let z = Tensor::<2>::from_data([[4.0], [9.0]], &device).require_grad();
    /// let x = Tensor::<2>::from_data([[2.0], [3.1]], &device); // The second root is wrong.
    /// let solution = layer.solution_at(x, z.clone())?;
    /// assert_eq!(solution.report().outcomes, [Outcome::Converged, Outcome::Unsolved]);
    /// let slope = z.grad(&solution.into_value().sum().backward()).unwrap();
    /// assert!((slope.into_data().iter::<f32>().next().unwrap() - 0.25).abs() < 1e-6);
    /// # Ok::<(), banach::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`solve`](Self::solve), among them an x that does not fit the update; [`Error::Setting`] for
    /// [`Gradient::Shine`](crate::Gradient::Shine), which needs the memory of a solve.
    pub fn solution_at(&self, x: M::State, z: M::Input) -> Result<Solution<M::State>, Error> {
        if matches!(self.config().gradient, Gradient::Shine { .. }) {
            let expected = "`implicit` or `unrolled` for a given solution";
            return Err(Error::setting("gradient", "shine", expected));
        }
        let call = self.call(&x, &z)?;
        call.validate(false, false)?;
        if call.is_recorded() {
            let recorded = call.record(&x, call.traced.fixed_point.given())?;
            return Ok(Solution::new(recorded, Report::recorded()));
        }
        let solution = call.traced.fixed_point.examine(&call.x0, &call.fixed)?;
        let (states, report) = call.finished(solution, (None, None))?;
        Ok(Solution::new(x.rebuild(&mut states.into_iter())?, report))
    }
}
