//! A module and a closure as an equation that is solved from zeros.

use crate::equation::root::{Equation, Root};
use crate::error::Error;
use crate::layer::fixed_point::FixedPoint;
use crate::settings::configuration::FixedPointConfig;
use crate::tracing::module_fn::{module_fn, zeros};
use crate::tracing::parameters::Parameters;
use banach_program::Tensors;
use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

module_fn! {
    /// The equation `F(x, z) = closure(module, x, z) = 0` in one unknown tensor, solved from zeros; the
    /// module's parameters are θ. The shape, device and dtype of the unknown are those of
    /// [`UpdateFn`](crate::UpdateFn).
    ///
    /// [`FixedPoint::from_equation`] makes the layer. An equation in several unknown tensors, or with another
    /// start, implements [`Equation`] instead.
    EquationFn -> Tensor<D>
}

impl<M: Module, const D: usize, Z: Tensors> Equation for EquationFn<M, D, Z> {
    type State = Tensor<D>;
    type Input = Z;

    fn start(&self, z: &Z) -> Tensor<D> {
        zeros(&self.row, &z.clone().into_values(), || Parameters::of(&self.module))
    }

    fn residual(&self, x: Tensor<D>, z: Z) -> Tensor<D> {
        (self.closure)(&self.module, x, z)
    }
}

impl<M: Module + ModuleDisplay, const D: usize, Z: Tensors> FixedPoint<Root<EquationFn<M, D, Z>>> {
    /// The layer of the equation `F(x, z) = closure(module, x, z) = 0`, from zeros of shape `[batch,
    /// row...]`, solved by Newton's method, as [`FixedPointConfig::for_roots`] says;
    /// [`with_config`](FixedPoint::with_config) changes it.
    ///
    /// ```
    /// use banach::FixedPoint;
    /// use burn::module::Param;
    /// use burn::tensor::{Device, Tensor};
    ///
    /// // c x³ + x = z, one equation for every row.
    /// let device = Device::flex().autodiff();
    /// let c = Param::from_tensor(Tensor::<1>::ones([1], &device));
    /// let cubic = |c: &Param<Tensor<1>>, x: Tensor<2>, z: Tensor<2>| {
    ///     x.clone().powi_scalar(3) * c.val().unsqueeze() + x - z
    /// };
    /// let layer = FixedPoint::from_equation(c, [1], cubic)?;
    /// let x = layer.forward(Tensor::from_data([[2.0], [10.0]], &device));
    /// let gradients = x.clone().sum().backward();
    /// let slope: f32 = layer.update().equation().module().grad(&gradients).unwrap().into_scalar();
    /// // x = 1 and 2, and dx/dc = -x³ / (3 c x² + 1): -1/4 - 8/13.
    /// assert!((x.sum().into_scalar::<f32>() - 3.0).abs() < 1e-3);
    /// assert!((slope + 0.25 + 8.0 / 13.0).abs() < 1e-3);
    /// # Ok::<(), banach::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`FixedPointConfig::init`].
    pub fn from_equation<const R: usize>(
        module: M,
        row: [usize; R],
        closure: impl Fn(&M, Tensor<D>, Z) -> Tensor<D> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        FixedPointConfig::for_roots().init(Root::new(EquationFn::new(module, row, closure)))
    }
}
