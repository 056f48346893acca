//! A module and a closure as an update that starts from zeros.

use crate::tracing::module_fn::{module_fn, zeros};
use crate::tracing::parameters::Parameters;
use crate::tracing::update::Update;
use banach_program::Tensors;
use burn::module::Module;
use burn::tensor::Tensor;

module_fn! {
    /// The update `g(x, z) = closure(module, x, z)` from zeros; the module's parameters are θ.
    ///
    /// The state is one tensor of D axes: the batch, as many rows as the first tensor of z has (one row where z is `()`),
    /// and the shape of a row. It has the device and the dtype of the first float tensor among z and θ. An update with
    /// several states, or with another start, implements [`Update`] instead.
    ///
    /// ```
    /// use banach::{FixedPoint, UpdateFn};
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor};
    ///
    /// let device = Device::flex().autodiff();
    /// let linear: Linear = LinearConfig::new(8, 8).init(&device);
    /// // x = tanh(x W / 4 + b + z), from zeros of shape [batch, 8].
    /// let layer = FixedPoint::from_fn(linear, [8], |linear: &Linear, x: Tensor<2>, z: Tensor<2>| {
    ///     (linear.forward(x * 0.25) + z).tanh()
    /// })?;
    /// let gradients = layer.forward(Tensor::<2>::ones([16, 8], &device)).square().mean().backward();
    /// assert!(layer.update().module().weight.grad(&gradients).is_some());
    /// # Ok::<(), banach::Error>(())
    /// ```
    UpdateFn -> Tensor<D>
}

impl<M: Module, const D: usize, Z: Tensors> Update for UpdateFn<M, D, Z> {
    type State = Tensor<D>;
    type Input = Z;

    fn start(&self, z: &Z) -> Tensor<D> {
        zeros(&self.row, &z.clone().into_values(), || Parameters::of(&self.module))
    }

    fn update(&self, x: Tensor<D>, z: Z) -> Tensor<D> {
        (self.closure)(&self.module, x, z)
    }
}
