//! A module and a closure as an update that starts from zeros.

use crate::tracing::parameters::Parameters;
use crate::tracing::update::Update;
use banach_program::{Kind, Tensors, Value};
use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::{DType, Device, Tensor};
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

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
pub struct UpdateFn<M, const D: usize, Z> {
    module: M,
    row: Vec<usize>,
    closure: Arc<Closure<M, D, Z>>,
}

type Closure<M, const D: usize, Z> = dyn Fn(&M, Tensor<D>, Z) -> Tensor<D> + Send + Sync;

impl<M, const D: usize, Z> UpdateFn<M, D, Z> {
    /// The update of a closure over a module, with states of shape `[batch, row...]`. A row shape that has not one axis
    /// less than the state does not compile.
    pub fn new<const R: usize>(
        module: M,
        row: [usize; R],
        closure: impl Fn(&M, Tensor<D>, Z) -> Tensor<D> + Send + Sync + 'static,
    ) -> Self {
        const { assert!(R + 1 == D, "the shape of a row has one axis less than the state, which has the batch") };
        UpdateFn { module, row: row.to_vec(), closure: Arc::new(closure) }
    }

    /// The module.
    pub fn module(&self) -> &M {
        &self.module
    }

    /// The module alone.
    pub fn into_module(self) -> M {
        self.module
    }

    fn with(self, change: impl FnOnce(M) -> M) -> Self {
        UpdateFn { module: change(self.module), ..self }
    }
}

impl<M: Clone, const D: usize, Z> Clone for UpdateFn<M, D, Z> {
    fn clone(&self) -> Self {
        let Self { module, row, closure } = self;
        UpdateFn { module: module.clone(), row: row.clone(), closure: Arc::clone(closure) }
    }
}

impl<M: Debug, const D: usize, Z> Debug for UpdateFn<M, D, Z> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { module, row, closure } = self;
        // An objective recognizes another closure by its address.
        let closure = Arc::as_ptr(closure).cast::<()>();
        let mut update = formatter.debug_struct("UpdateFn");
        update.field("module", module).field("row", row).field("closure", &closure).finish()
    }
}

/// The module's parameters, under the module's own names.
impl<M: Module, const D: usize, Z> Module for UpdateFn<M, D, Z> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.module.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        self.with(|module| module.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.with(|module| module.to_device(device))
    }

    fn train(self) -> Self {
        self.with(M::train)
    }

    fn valid(&self) -> Self {
        self.clone().with(|module| module.valid())
    }

    fn materialize(self) -> Self {
        self.with(M::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.module.visit(visitor);
    }

    fn map<V: ModuleMapper>(self, mapper: &mut V) -> Self {
        self.with(|module| module.map(mapper))
    }
}

impl<M: Module + ModuleDisplay, const D: usize, Z> ModuleDisplayDefault for UpdateFn<M, D, Z> {
    fn content(&self, content: Content) -> Option<Content> {
        content.add("module", &self.module).add_debug_attribute("row", &self.row).optional()
    }

    fn num_params(&self) -> usize {
        Module::num_params(&self.module)
    }
}

impl<M: Module + ModuleDisplay, const D: usize, Z> ModuleDisplay for UpdateFn<M, D, Z> {}

impl<M: Module, const D: usize, Z: Tensors> Update for UpdateFn<M, D, Z> {
    type State = Tensor<D>;
    type Input = Z;

    fn start(&self, z: &Z) -> Tensor<D> {
        let inputs = z.clone().into_values();
        let rows = inputs.first().map_or(1, rows_of);
        let shape: [usize; D] = std::array::from_fn(|axis| if axis == 0 { rows } else { self.row[axis - 1] });
        let float = |values: &[Value]| values.iter().find_map(device_and_dtype);
        let options = float(&inputs).or_else(|| float(&Parameters::of(&self.module).values));
        let (device, dtype) = options.unwrap_or_else(|| (Device::default(), DType::F32));
        Tensor::zeros(shape, (&device, dtype))
    }

    fn update(&self, x: Tensor<D>, z: Z) -> Tensor<D> {
        (self.closure)(&self.module, x, z)
    }
}

/// The length of the first axis; tensors without axes have one row.
fn rows_of(value: &Value) -> usize {
    if value.is_quantized() { 1 } else { value.ty().shape.first().copied().unwrap_or(1) }
}

/// Where a float tensor is, and its precision.
fn device_and_dtype(value: &Value) -> Option<(Device, DType)> {
    if value.is_quantized() {
        return None;
    }
    match value.ty().kind {
        Kind::Float(dtype) => Some((value.device(), dtype.into())),
        Kind::Int(_) | Kind::Bool => None,
    }
}
