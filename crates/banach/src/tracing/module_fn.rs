//! Modules with a closure: the form of updates, equations and energies that start from zeros.

use crate::tracing::parameters::Parameters;
use banach_program::{Kind, Value};
use burn::tensor::{DType, Device, Tensor};

/// The closure of a module, a state and an input.
pub(crate) type Closure<M, const D: usize, const R: usize, Z> =
    dyn Fn(&M, Tensor<D>, Z) -> Tensor<R> + Send + Sync;

/// Defines a module with a closure that returns a tensor of the given rank: a Burn module that has the
/// parameters of the module, under the module's own names.
macro_rules! module_fn {
    ($(#[$attribute:meta])* $name:ident -> Tensor<$rank:tt>) => {
        $(#[$attribute])*
        pub struct $name<M, const D: usize, Z> {
            module: M,
            row: Vec<usize>,
            closure: std::sync::Arc<crate::tracing::module_fn::Closure<M, D, $rank, Z>>,
        }

        impl<M, const D: usize, Z> $name<M, D, Z> {
            /// Joins a closure to a module, for states of shape `[batch, row...]`. A row shape that has not
            /// one axis less than the state does not compile.
            pub fn new<const R: usize>(
                module: M,
                row: [usize; R],
                closure: impl Fn(&M, burn::tensor::Tensor<D>, Z) -> burn::tensor::Tensor<$rank> + Send + Sync + 'static,
            ) -> Self {
                const {
                    assert!(R + 1 == D, "the shape of a row has one axis less than the state, which has the batch")
                };
                $name { module, row: row.to_vec(), closure: std::sync::Arc::new(closure) }
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
                $name { module: change(self.module), ..self }
            }
        }

        impl<M: Clone, const D: usize, Z> Clone for $name<M, D, Z> {
            fn clone(&self) -> Self {
                let Self { module, row, closure } = self;
                $name { module: module.clone(), row: row.clone(), closure: std::sync::Arc::clone(closure) }
            }
        }

        impl<M: std::fmt::Debug, const D: usize, Z> std::fmt::Debug for $name<M, D, Z> {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let Self { module, row, closure } = self;
                // An objective recognizes another closure by its address.
                let closure = std::sync::Arc::as_ptr(closure).cast::<()>();
                let mut printed = formatter.debug_struct(stringify!($name));
                printed.field("module", module).field("row", row).field("closure", &closure).finish()
            }
        }

        /// The module's parameters, under the module's own names.
        impl<M: burn::module::Module, const D: usize, Z> burn::module::Module for $name<M, D, Z> {
            fn collect_devices(&self, devices: burn::module::Devices) -> burn::module::Devices {
                self.module.collect_devices(devices)
            }

            fn fork(self, device: &burn::tensor::Device) -> Self {
                self.with(|module| module.fork(device))
            }

            fn to_device(self, device: &burn::tensor::Device) -> Self {
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

            fn visit<V: burn::module::ModuleVisitor>(&self, visitor: &mut V) {
                self.module.visit(visitor);
            }

            fn map<V: burn::module::ModuleMapper>(self, mapper: &mut V) -> Self {
                self.with(|module| module.map(mapper))
            }
        }

        impl<M: burn::module::Module + burn::module::ModuleDisplay, const D: usize, Z>
            burn::module::ModuleDisplayDefault for $name<M, D, Z>
        {
            fn content(&self, content: burn::module::Content) -> Option<burn::module::Content> {
                content.add("module", &self.module).add_debug_attribute("row", &self.row).optional()
            }

            fn num_params(&self) -> usize {
                burn::module::Module::num_params(&self.module)
            }
        }

        impl<M: burn::module::Module + burn::module::ModuleDisplay, const D: usize, Z> burn::module::ModuleDisplay
            for $name<M, D, Z>
        {
        }
    };
}
pub(crate) use module_fn;

/// Returns zeros of shape `[batch, row...]`, with as many rows as the first of the inputs z (one row where
/// there is none), on the device and in the dtype of the first float tensor among z and the parameters.
pub(crate) fn zeros<const D: usize>(
    row: &[usize],
    inputs: &[Value],
    parameters: impl FnOnce() -> Parameters,
) -> Tensor<D> {
    let rows = inputs.first().map_or(1, rows_of);
    let shape: [usize; D] = std::array::from_fn(|axis| if axis == 0 { rows } else { row[axis - 1] });
    let float = |values: &[Value]| values.iter().find_map(device_and_dtype);
    let options = float(inputs).or_else(|| float(&parameters().values));
    let (device, dtype) = options.unwrap_or_else(|| (Device::default(), DType::F32));
    Tensor::zeros(shape, (&device, dtype))
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
