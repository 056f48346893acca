//! A module and a closure as an energy whose stationary points are found from zeros.

use crate::energy::gradient_descent::{Energy, GradientDescent, GradientDescentConfig};
use crate::error::Error;
use crate::layer::fixed_point::FixedPoint;
use crate::settings::configuration::FixedPointConfig;
use crate::tracing::module_fn::{module_fn, zeros};
use crate::tracing::parameters::Parameters;
use banach_program::Tensors;
use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

module_fn! {
    /// The energy `f(x, z) = closure(module, x, z)` of every row, `[batch]`, of one tensor x; the module's
    /// parameters are θ. The shape, device and dtype of x are those of [`UpdateFn`](crate::UpdateFn).
    ///
    /// [`FixedPoint::from_energy`] makes the layer. An energy of several tensors, or with another start,
    /// implements [`Energy`] instead.
    EnergyFn -> Tensor<1>
}

impl<M: Module, const D: usize, Z: Tensors> Energy for EnergyFn<M, D, Z> {
    type State = Tensor<D>;
    type Input = Z;

    fn start(&self, z: &Z) -> Tensor<D> {
        zeros(&self.row, &z.clone().into_values(), || Parameters::of(&self.module))
    }

    fn energy(&self, x: Tensor<D>, z: Z) -> Tensor<1> {
        (self.closure)(&self.module, x, z)
    }
}

impl<M: Module + ModuleDisplay, const D: usize, Z: Tensors> FixedPoint<GradientDescent<EnergyFn<M, D, Z>>> {
    /// The layer of a stationary point of the energy `f(x, z) = closure(module, x, z)`, from zeros of shape
    /// `[batch, row...]`: `∂f/∂x = 0`, or on a convex set with the projection P onto it, `x = P(x - γ
    /// ∂f/∂x)`. The step γ and the set are those of `step`; the settings of the solve are the defaults, and
    /// [`with_config`](FixedPoint::with_config) changes them.
    ///
    /// ```
    /// use banach::{FixedPoint, GradientDescentConfig, Projection};
    /// use burn::module::Param;
    /// use burn::tensor::{Device, Tensor};
    ///
    /// // The minimiser of ½ c ‖x - z‖² on the simplex, which does not depend on c.
    /// let device = Device::flex().autodiff();
    /// let c = Param::from_tensor(Tensor::<1>::from_data([2.0], &device));
    /// let distance = |c: &Param<Tensor<1>>, x: Tensor<2>, z: Tensor<2>| {
    ///     (x - z).square().sum_dim(1).squeeze_dim::<1>(1) * c.val() * 0.5
    /// };
    /// let step = GradientDescentConfig::new(0.4).with_projection(Projection::Simplex);
    /// let layer = FixedPoint::from_energy(c, [3], distance, &step)?;
    /// let z = Tensor::<2>::from_data([[0.5, 0.7, -3.0]], &device).require_grad();
    /// let x = layer.forward(z.clone()); // 0.4, 0.6, 0
    /// let slope = z.grad(&x.slice([0..1, 0..1]).sum().backward()).unwrap();
    /// let expected = [0.5, -0.5, 0.0];
    /// assert!(slope.into_data().iter::<f32>().zip(expected).all(|(slope, expected)| (slope - expected).abs() < 1e-3));
    /// # Ok::<(), banach::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`GradientDescentConfig::init`] and [`FixedPointConfig::init`].
    pub fn from_energy<const R: usize>(
        module: M,
        row: [usize; R],
        closure: impl Fn(&M, Tensor<D>, Z) -> Tensor<1> + Send + Sync + 'static,
        step: &GradientDescentConfig,
    ) -> Result<Self, Error> {
        FixedPointConfig::new().init(step.init(EnergyFn::new(module, row, closure))?)
    }
}
